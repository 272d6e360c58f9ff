-- What they say is opaque to the database: JSON.

CREATE TABLE windows (
    name       TEXT    PRIMARY KEY NOT NULL,
    definition BLOB    NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- `due_at` is when a node has to look at the schedule. Who takes it holds it until `held_until`;
-- every change raises the revision, and a holder's change counts only at the revision it took.
CREATE TABLE schedules (
    name       TEXT    PRIMARY KEY NOT NULL,
    definition BLOB    NOT NULL,
    state      BLOB    NOT NULL,
    due_at     INTEGER,
    held_until INTEGER,
    revision   INTEGER NOT NULL DEFAULT 1 CHECK (revision > 0),
    updated_at INTEGER NOT NULL,
    updated_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;
