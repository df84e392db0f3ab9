-- What plans cost: the inputs of estimates, which of them are in force where, and
-- what each run was estimated to. An input is never changed: it is stored once for
-- each content and found by its digest, so that an estimate can be made again from
-- what it names. A setting is never changed either: to say something else is another
-- row, and the newest of a scope counts. Amounts are whole millionths, by currency.
CREATE TABLE cost_input (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    digest BYTEA NOT NULL,
    name TEXT NOT NULL,
    about TEXT NOT NULL,
    size BIGINT NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE UNIQUE INDEX cost_input_digest ON cost_input (kind, digest);

CREATE TABLE cost_setting (
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    word TEXT,
    name TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (scope, kind, number)
);

CREATE TABLE cost_estimate (
    run TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    project TEXT NOT NULL,
    digest BYTEA NOT NULL,
    complete BIGINT NOT NULL,
    totals TEXT NOT NULL,
    resources BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- Costs over time are asked for by workspace, by project and over the organization.
CREATE INDEX cost_estimate_workspace ON cost_estimate (workspace, created_at, run);
CREATE INDEX cost_estimate_project ON cost_estimate (project, created_at, run);
CREATE INDEX cost_estimate_created ON cost_estimate (created_at, run);
