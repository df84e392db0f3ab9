-- Why a job was not done in the strict sandbox. Who takes one at a weaker level says
-- it; the words are sealed beside the leaf that wrote the row, as every reason is, and
-- this row is how they are found again. It is never changed. A job in the strict
-- sandbox has none, nor has one that was taken before reasons were told.

CREATE TABLE job_reason (
    job TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
