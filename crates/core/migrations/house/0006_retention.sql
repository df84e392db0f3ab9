-- How long the content of versions is kept that are not current: of a workspace,
-- of the workspaces of a project, or of all of them. The narrowest one counts;
-- without any, everything is kept. It is evidence, because content is removed by it.
CREATE TABLE retention (
    scope TEXT PRIMARY KEY,
    days BIGINT,
    versions BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- Which JSON forms came since a leaf: asked at each search after a change.
CREATE INDEX version_json_leaf ON version_json (leaf);
