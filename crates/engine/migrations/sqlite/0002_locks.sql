-- Requests for locks and slots that are alive: granted or waiting. `step` is -1 for a run's own.
CREATE TABLE lock_requests (
    ticket     INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id     BLOB    NOT NULL,
    step       INTEGER NOT NULL CHECK (step >= -1),
    label      TEXT    NOT NULL,
    claims     TEXT    NOT NULL,
    within     TEXT    NOT NULL,
    priority   INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 255),
    -- What the run is sent when the request is granted.
    message    BLOB    NOT NULL,
    wanted_at  INTEGER NOT NULL,
    granted_at INTEGER,
    UNIQUE (run_id, step)
) STRICT;

-- The names in `claims`, to find neighbours by; `=NAME` is a limit.
CREATE TABLE lock_names (
    name   TEXT    NOT NULL,
    ticket INTEGER NOT NULL REFERENCES lock_requests (ticket) ON DELETE CASCADE,
    PRIMARY KEY (name, ticket)
) STRICT, WITHOUT ROWID;
CREATE INDEX lock_names_by_ticket ON lock_names (ticket);
