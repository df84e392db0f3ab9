-- Variables of workspaces, of terraform and of the environment of its runs. The
-- row says whose a variable is, what it is called and how it is read; its value
-- is a sealed object of `blob`, under an id of its own for each value that it had.
CREATE TABLE variable (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    category TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    hcl BIGINT NOT NULL,
    sensitive BIGINT NOT NULL,
    value TEXT NOT NULL,
    size BIGINT NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE UNIQUE INDEX variable_name ON variable (owner, category, name);
CREATE UNIQUE INDEX variable_value ON variable (value);
