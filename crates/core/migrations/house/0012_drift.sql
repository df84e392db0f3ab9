-- Drift: how often it is looked for, and what was found. A look is a run, which
-- leaves one row here when it has ended; what it found in particular is in its plan.

-- Every so many hours, said of the organization, of a project or of a workspace;
-- the narrowest says. None at all is never.
CREATE TABLE drift_schedule (
    scope TEXT PRIMARY KEY,
    hours BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

-- What one run found: how many resources drifted, or without a number why nobody
-- knows. `sequence` is the run's place among those of its workspace.
CREATE TABLE drift_check (
    run TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    drifted BIGINT,
    resources BIGINT,
    checked_at BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE UNIQUE INDEX drift_check_sequence ON drift_check (workspace, sequence);

-- When a workspace was looked at last, and what was applied in it last.
CREATE INDEX run_drift ON run (workspace, sequence) WHERE kind = 'drift';
CREATE INDEX run_applied ON run (workspace, sequence) WHERE status = 'applied';
