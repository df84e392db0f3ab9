-- Pools of agents: runners on other machines, for what this server cannot reach or
-- must not touch. Workspaces name a pool where they say that their runs happen; a
-- token of the pool is all that an agent has. Which agents there are is not stored.

CREATE TABLE agent_pool (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
