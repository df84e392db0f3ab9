-- Notifications of runs: where they are sent, how far each receiver was told, and
-- what came of it. The address and the token of a receiver are one sealed object of
-- `blob`. How far a receiver was told is evidence too: who moved it by SQL would keep
-- from people what they asked to be told.
CREATE TABLE notification (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    triggers TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    destination TEXT NOT NULL,
    size BIGINT NOT NULL,
    body_digest BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX notification_workspace ON notification (workspace, created_at);
CREATE UNIQUE INDEX notification_destination ON notification (destination);

-- The last event that was told or given up: its leaf, its run and its number there.
CREATE TABLE notification_cursor (
    notification TEXT PRIMARY KEY,
    after_leaf BIGINT NOT NULL,
    after_run TEXT NOT NULL,
    after_number BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- What came of the last deliveries. Of an answer nothing is kept but its status.
CREATE TABLE notification_delivery (
    id TEXT PRIMARY KEY,
    notification TEXT NOT NULL,
    run TEXT,
    number BIGINT NOT NULL,
    triggers TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code BIGINT,
    trouble TEXT,
    attempts BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX notification_delivery_notification ON notification_delivery (notification, sent_at);

-- What happened to runs since a leaf: asked after each change, for whoever is told.
CREATE INDEX run_event_leaf ON run_event (leaf, run, number);
