-- The site knows organizations, users and users' tokens; nothing of what is
-- inside an organization.

CREATE TABLE organization (
    id TEXT PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    operator BIGINT NOT NULL,
    disabled_at BIGINT,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- Apart from the account, so that an account can be exported and read without it.
CREATE TABLE password (
    account TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE api_token (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    handle TEXT NOT NULL UNIQUE,
    secret_mac BYTEA NOT NULL,
    label TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX api_token_account ON api_token (account);

-- The newest checkpoint of each house that the site's log holds: an older copy
-- of a house's database alone is then found when the house opens.
CREATE TABLE witness (
    house TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    origin TEXT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
