-- What terraform's `cloud` block knows of a workspace beside its state: settings,
-- tags, a version that was announced and not uploaded yet, its JSON form, and
-- the addresses under which both travel. All of it is evidence: settings decide
-- how a workspace is treated, tags which ones a command works on, an address
-- who may write. The row of a workspace stays as it was; what has no row here
-- has the defaults.

CREATE TABLE workspace_setting (
    workspace TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    terraform_version TEXT NOT NULL,
    working_directory TEXT NOT NULL,
    auto_apply BIGINT NOT NULL,
    structured_run_output BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- A key with a value, or a plain tag: a key with an empty one. The row's own
-- key is an id, because leaves name rows by their keys and a tag is content.
CREATE TABLE workspace_tag (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    tag TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE UNIQUE INDEX workspace_tag_once ON workspace_tag (workspace, tag);
CREATE INDEX workspace_tag_tag ON workspace_tag (tag, value);

-- A deleted workspace keeps its row, its versions and its tags. Its name is
-- free: the row carries its own id instead, and what it was called stands here.
CREATE TABLE workspace_deletion (
    workspace TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    deleted_by TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- A version whose bytes are on their way. The row goes when they are stored as
-- the version of this id; it stays, with the id of the other one, when the
-- bytes were there already.
CREATE TABLE version_announcement (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    serial BIGINT NOT NULL,
    lineage TEXT NOT NULL,
    md5 BYTEA NOT NULL,
    actor TEXT NOT NULL,
    stored_as TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX version_announcement_workspace ON version_announcement (workspace, expires_at);

-- The JSON form of a version, sealed like the version itself, under an id of
-- its own in `blob`.
CREATE TABLE version_json (
    version TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    workspace TEXT NOT NULL,
    size BIGINT NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE signed_url (
    id TEXT PRIMARY KEY,
    actor TEXT NOT NULL,
    token TEXT NOT NULL,
    purpose TEXT NOT NULL,
    version TEXT NOT NULL,
    workspace TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX signed_url_expires ON signed_url (expires_at);
CREATE INDEX signed_url_version ON signed_url (version, purpose, token);
