-- Times are microseconds since the Unix epoch, by the machine's clock. The tables keep by
-- themselves what must never be false of a run.

CREATE TABLE definitions (
    version   BLOB    PRIMARY KEY NOT NULL CHECK (length(version) = 32),
    name      TEXT    NOT NULL,
    canonical BLOB    NOT NULL,
    at        INTEGER NOT NULL
) STRICT;
CREATE INDEX definitions_by_name ON definitions (name, at);

-- A lease. `expired` is set by whoever sees first that the lease has run out and is never unset.
CREATE TABLE nodes (
    id          BLOB    PRIMARY KEY NOT NULL,
    name        TEXT    NOT NULL,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    expired     INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1))
) STRICT;

CREATE TABLE runs (
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
        ('pending', 'running', 'waiting', 'attention', 'completed', 'failed', 'cancelled')),
    CONSTRAINT an_ended_run_is_nobodys CHECK
        (status NOT IN ('completed', 'failed', 'cancelled') OR (owner IS NULL AND wake_at IS NULL)),
    CONSTRAINT a_person_has_no_alarm CHECK (status <> 'attention' OR wake_at IS NULL),
    CONSTRAINT work_is_owned_or_due CHECK
        (status NOT IN ('pending', 'running') OR owner IS NOT NULL OR wake_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX runs_by_key ON runs (workflow, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_root ON runs (root, id);
CREATE INDEX runs_by_parent ON runs (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX runs_owned ON runs (owner) WHERE owner IS NOT NULL;
CREATE INDEX runs_due ON runs (wake_at) WHERE owner IS NULL AND wake_at IS NOT NULL;

-- One row per turn. The dense sequence number is the fence between owners. Kept by row number, not
-- by its key: a batch then fills a few pages at the end, and only the small index is spread (twice
-- the rows per second of WITHOUT ROWID).
CREATE TABLE journal (
    run_id BLOB    NOT NULL,
    seq    INTEGER NOT NULL CHECK (seq >= 0),
    epoch  INTEGER NOT NULL CHECK (epoch >= 0),
    at     INTEGER NOT NULL,
    events BLOB    NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT;

CREATE TABLE inbox (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id BLOB NOT NULL,
    dedup  TEXT NOT NULL,
    body   BLOB NOT NULL,
    UNIQUE (run_id, dedup)
) STRICT;
