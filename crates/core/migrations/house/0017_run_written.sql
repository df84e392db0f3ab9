-- What policies say of the state that an apply left. A row is there from when an
-- apply ends whose workspace has policies that judge states; its outcome is empty
-- until they were asked. What they said in particular is a file of the run.
CREATE TABLE run_written (
    run TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    judged_at BIGINT,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE UNIQUE INDEX run_written_sequence ON run_written (workspace, sequence);
CREATE INDEX run_written_waiting ON run_written (ended_at) WHERE outcome = '';
