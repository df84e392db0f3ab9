-- People sign in with a browser, and terraform asks for a token through it.
-- Both leave rows that later decisions rest on: who is signed in, until when,
-- and which token a code was changed for.

CREATE TABLE session (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    secret_mac BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX session_account ON session (account);

-- A code stays for a while after it was used: who shows it a second time has
-- stolen it, or was stolen from, and the token it gave must end.
CREATE TABLE oauth_code (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    session TEXT NOT NULL,
    secret_mac BYTEA NOT NULL,
    client TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    life_us BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    token TEXT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX oauth_code_account ON oauth_code (account);
