-- People hold roles together: a team is a subject of grants, and whoever is in
-- it holds what it holds. Teams and the organization have tokens of their own,
-- so that a pipeline needs no person's account. The team of the owners has no
-- row: it is whoever holds the role `owner` over the whole organization.

CREATE TABLE team (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    visibility TEXT NOT NULL,
    flags TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE team_member (
    team TEXT NOT NULL,
    account TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (team, account)
);

CREATE INDEX team_member_account ON team_member (account);

CREATE TABLE house_token (
    id TEXT PRIMARY KEY,
    team TEXT,
    handle TEXT NOT NULL UNIQUE,
    secret_mac BYTEA NOT NULL,
    last_four TEXT NOT NULL,
    label TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX house_token_team ON house_token (team);
