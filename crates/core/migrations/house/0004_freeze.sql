-- A workspace whose state nobody may change until somebody thaws it: a policy,
-- apart from the lock, which is a protocol. Without a row it is not frozen.
-- It is evidence, because writes are refused by it. Why, says the sealed text
-- of the leaf that froze it.
CREATE TABLE workspace_freeze (
    workspace TEXT PRIMARY KEY,
    frozen_by TEXT NOT NULL,
    who TEXT NOT NULL,
    since TEXT NOT NULL,
    frozen_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
