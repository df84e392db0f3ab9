-- Bounds of what runs take: how long a job may work, and for how long what a look
-- for drift left behind is kept. Tables of their own, because the rows of jobs and
-- of files that there are have MACs over their columns.

-- When somebody took a job: from then on counts how long it may take.
CREATE TABLE job_term (
    job TEXT PRIMARY KEY,
    taken_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- That the bytes of a run's file were removed. Its row stays.
CREATE TABLE run_file_removal (
    file TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    removed_by TEXT NOT NULL,
    since TEXT NOT NULL,
    removed_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE INDEX run_file_removal_run ON run_file_removal (run);
