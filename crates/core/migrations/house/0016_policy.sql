-- Sets of policies, the bundles that were published for them, and what people said
-- against their verdicts. Where a set reaches is a column of its row and no table of
-- its own, as with sets of variables: one MAC binds it to the rest. A bundle is never
-- changed; the set names the one that is in force. An override names the plan, the set
-- and the words that it is about, so that it ends with any of them.
CREATE TABLE policy_set (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    global BIGINT NOT NULL,
    scopes TEXT NOT NULL,
    tags TEXT NOT NULL,
    excluded TEXT NOT NULL,
    enforcement TEXT NOT NULL,
    parameters TEXT NOT NULL,
    exceptions TEXT NOT NULL,
    bundle TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE policy_bundle (
    id TEXT PRIMARY KEY,
    policy_set TEXT NOT NULL,
    digest BYTEA NOT NULL,
    policies TEXT NOT NULL,
    size BIGINT NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX policy_bundle_set ON policy_bundle (policy_set, created_at);

CREATE TABLE policy_override (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    plan BYTEA NOT NULL,
    policy_set BYTEA NOT NULL,
    words BYTEA NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    withdrawn_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX policy_override_run ON policy_override (run);

-- A replay goes through all runs since a time.
CREATE INDEX run_created ON run (created_at, id);
