-- A run can be paused: like one that waits for a person it has no alarm, a message wakes it.
-- SQLite can't change a table's conditions: the table is made anew.
CREATE TABLE new_runs (
    id              BLOB    PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    workflow        TEXT    NOT NULL,
    version         BLOB    NOT NULL CHECK (length(version) = 32),
    idempotency_key TEXT,
    parent          BLOB,
    root            BLOB    NOT NULL,
    labels          TEXT    NOT NULL CHECK (json_type(labels) = 'object'),
    status          TEXT    NOT NULL,
    owner           BLOB,
    epoch           INTEGER NOT NULL CHECK (epoch >= 0),
    wake_at         INTEGER,
    -- Which call of the owner took the run: a call whose answer was lost is answered later.
    claim_no        INTEGER NOT NULL DEFAULT 0,
    takeovers       INTEGER NOT NULL DEFAULT 0 CHECK (takeovers >= 0),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,

    CONSTRAINT status_is_known CHECK (status IN
        ('pending', 'running', 'waiting', 'paused', 'attention', 'completed', 'failed', 'cancelled')),
    CONSTRAINT an_ended_run_is_nobodys CHECK
        (status NOT IN ('completed', 'failed', 'cancelled') OR (owner IS NULL AND wake_at IS NULL)),
    CONSTRAINT a_person_has_no_alarm CHECK
        (status NOT IN ('paused', 'attention') OR wake_at IS NULL),
    CONSTRAINT work_is_owned_or_due CHECK
        (status NOT IN ('pending', 'running') OR owner IS NOT NULL OR wake_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

INSERT INTO new_runs (id, workflow, version, idempotency_key, parent, root, labels, status, owner,
                      epoch, wake_at, claim_no, takeovers, created_at, updated_at)
SELECT id, workflow, version, idempotency_key, parent, root, labels, status, owner,
       epoch, wake_at, claim_no, takeovers, created_at, updated_at
FROM runs;

DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;

CREATE UNIQUE INDEX runs_by_key ON runs (workflow, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_root ON runs (root, id);
CREATE INDEX runs_by_parent ON runs (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX runs_owned ON runs (owner) WHERE owner IS NOT NULL;
CREATE INDEX runs_due ON runs (wake_at) WHERE owner IS NULL AND wake_at IS NOT NULL;
