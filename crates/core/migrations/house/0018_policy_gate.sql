-- That a set takes no bundle into force of which nobody knows what it would have
-- said of past plans, and what replays found. A table of its own beside the set: a
-- column that a table gets later would be in none of the MACs of its rows. A replay
-- names what it was made with, bundle and set, and goes on page by page until it is
-- finished.
CREATE TABLE policy_gate (
    policy_set TEXT PRIMARY KEY,
    hours BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE policy_replay (
    policy_set TEXT NOT NULL,
    bundle TEXT NOT NULL,
    digest BYTEA NOT NULL,
    since BIGINT NOT NULL,
    reached TEXT,
    plans BIGINT NOT NULL,
    passed_over BIGINT NOT NULL,
    newly_blocked BIGINT NOT NULL,
    newly_allowed BIGINT NOT NULL,
    actor TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (policy_set, bundle)
);
