-- A version whose bytes were removed, and those of its JSON form. The row of the
-- version and its leaf stay. Why, says the sealed text of the leaf that removed them.
CREATE TABLE version_removal (
    version TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    removed_by TEXT NOT NULL,
    who TEXT NOT NULL,
    since TEXT NOT NULL,
    removed_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
