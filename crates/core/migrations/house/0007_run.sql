-- Runs: what was to be done with a workspace, how far it came, and all that it
-- left behind. Everything is evidence: a run decides what is applied. Texts of
-- people and files of the tool are sealed objects of `blob`; what stands here is
-- ids, numbers, digests and enumerated words.

-- Where runs happen, and who must agree: said of the organization, of a project
-- or of a workspace. What a scope does not say is null. Without a row anywhere:
-- where the client is, and nobody.
CREATE TABLE execution (
    scope TEXT PRIMARY KEY,
    mode TEXT,
    approvals BIGINT,
    author_approves BIGINT,
    reverify TEXT,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- A configuration, from the moment its upload is wished. Its content is the
-- archive as it came; `digest` is of what is in it, however it was packed.
CREATE TABLE configuration (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    status TEXT NOT NULL,
    speculative BIGINT NOT NULL,
    provisional BIGINT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    size BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX configuration_workspace ON configuration (workspace, created_at);

CREATE TABLE run (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    configuration TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    auto_apply BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    losses BIGINT NOT NULL,
    capsule BYTEA,
    under_policies BIGINT NOT NULL,
    approvals_suffice BIGINT NOT NULL,
    confirmed BIGINT NOT NULL,
    cancel_requested BIGINT NOT NULL,
    holds_lock BIGINT NOT NULL,
    changes BIGINT,
    fence BIGINT,
    base TEXT,
    began_at BIGINT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE UNIQUE INDEX run_sequence ON run (workspace, sequence);
CREATE INDEX run_status ON run (status, created_at);

-- What happened to a run, in order.
CREATE TABLE run_event (
    run TEXT NOT NULL,
    number BIGINT NOT NULL,
    event TEXT NOT NULL,
    about TEXT NOT NULL,
    status TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (run, number)
);

-- What a run made or was given: its options, the plan file, its JSON, pieces of
-- its logs (`part` is then where a piece begins). Each is a sealed object.
CREATE TABLE run_file (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    part BIGINT NOT NULL,
    size BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE UNIQUE INDEX run_file_part ON run_file (run, kind, part);

-- Work for a runner: one of the server's own, or where a pool is named an agent's
-- of that pool. A lease ends by itself when nobody renews it.
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    step TEXT NOT NULL,
    status TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    log_start BIGINT NOT NULL,
    pool TEXT,
    holder TEXT,
    token TEXT,
    sandbox TEXT,
    lease_until BIGINT,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX job_status ON job (status, created_at);
CREATE INDEX job_run ON job (run);

-- What was planned and judged, bound by digests and signed; good for one apply.
-- Its text is a file of the run, because it names variables.
CREATE TABLE capsule (
    run TEXT PRIMARY KEY,
    digest BYTEA NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- Somebody's word about a capsule. What was said stays; that it was taken back
-- stands beside it.
CREATE TABLE approval (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    capsule BYTEA NOT NULL,
    decision TEXT NOT NULL,
    actor TEXT NOT NULL,
    capacity TEXT NOT NULL,
    is_authors BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    withdrawn_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX approval_run ON approval (run);
