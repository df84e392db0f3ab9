-- An organization: who may do what, and the states. The lock and the head of
-- a workspace are columns of its row, so that one MAC binds them together: a
-- lock cannot be deleted, nor a head moved, without the row refusing to read.

CREATE TABLE role_grant (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX role_grant_subject ON role_grant (subject);

CREATE TABLE project (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE workspace (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    head TEXT,
    sequence BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    lock_id TEXT,
    lock_holder TEXT,
    locked_at BIGINT,
    unlocked_id TEXT,
    unlocked_by TEXT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    lock_info BYTEA
);

CREATE INDEX workspace_project ON workspace (project, name);

CREATE TABLE version (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    sequence BIGINT,
    status TEXT NOT NULL,
    opaque BIGINT NOT NULL,
    lineage TEXT NOT NULL,
    serial BIGINT,
    size BIGINT NOT NULL,
    resources BIGINT NOT NULL,
    tool_version TEXT NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    actor TEXT NOT NULL,
    fence BIGINT NOT NULL,
    base TEXT,
    marks TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX version_workspace ON version (workspace, created_at);
CREATE UNIQUE INDEX version_sequence ON version (workspace, sequence);

-- Sealed bytes. The header carries the wrapped key and changes when keys
-- rotate; the body never does, and the version's row binds its digest. A body
-- that is null lies in the blob directory under the version's id.
CREATE TABLE blob (
    version TEXT PRIMARY KEY,
    header BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    body BYTEA
);

CREATE INDEX blob_epoch ON blob (epoch, version);
