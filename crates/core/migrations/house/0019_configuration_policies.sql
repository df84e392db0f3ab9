-- That a configuration brings policies of its own, and which: found when its archive
-- is looked through. A table of its own beside the configuration, because a column
-- that a table gets later would be in none of the MACs of its rows.
CREATE TABLE configuration_policies (
    configuration TEXT PRIMARY KEY,
    files BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
