-- Every house, the site included, begins with its ledger and its keys: nothing
-- can be stored before there is a place to record it and a key to seal it.
-- Rows that count as evidence end in `salt`, `leaf`, `mac`: the salt of their
-- digest, the index of the leaf that last changed them, and a MAC under the
-- house's row key.

-- One row. `retained` is a hash over `ledger_checkpoint` with a MAC, so that no
-- retained checkpoint is taken away unseen.
CREATE TABLE ledger_head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    origin TEXT NOT NULL,
    note TEXT NOT NULL,
    retained BYTEA NOT NULL
);

CREATE TABLE ledger_leaf (
    seq BIGINT PRIMARY KEY,
    hash BYTEA NOT NULL,
    body TEXT NOT NULL,
    detail BYTEA
);

-- Hashes of a level in rows of 256, as in C2SP tiles. Level 0 has full rows
-- only; the others grow each time a row below them is full.
CREATE TABLE ledger_tile (
    level BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (level, idx)
);

CREATE TABLE ledger_checkpoint (
    size BIGINT NOT NULL,
    origin TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (size, origin)
);

CREATE TABLE key_epoch (
    epoch BIGINT PRIMARY KEY,
    wrapped BYTEA,
    vkey TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
