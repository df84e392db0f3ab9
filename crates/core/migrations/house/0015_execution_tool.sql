-- Which tool runs use, terraform or OpenTofu, said of the organization, of a project
-- or of a workspace; the narrowest says. A table beside `execution`, because a column
-- that a released table gets later would be in none of the MACs of its rows. No tool
-- at all is a scope that says nothing of it any more.
CREATE TABLE execution_tool (
    scope TEXT PRIMARY KEY,
    tool TEXT,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
