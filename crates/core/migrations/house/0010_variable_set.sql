-- Sets of variables, given to the runs of many workspaces. A set owns variables as
-- a workspace does. Where it reaches is a column of its row and no table of its
-- own: one MAC binds it to the rest, so that no place can be taken from a set, or
-- given to it, by a row alone.

CREATE TABLE variable_set (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    global BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
