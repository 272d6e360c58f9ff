-- Calls that a worker of a pool makes; `call`, `lost` and `refused` are opaque to the database.
CREATE TABLE tasks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id      BLOB    NOT NULL,
    task        TEXT    NOT NULL,
    pool        TEXT    NOT NULL,
    call        BLOB    NOT NULL,
    -- What the run is sent if the worker is lost, and if nobody has taken the call when it is to stop.
    lost        BLOB    NOT NULL,
    refused     BLOB    NOT NULL,
    put_at      INTEGER NOT NULL,
    worker      TEXT,
    lease_until INTEGER,
    -- How often it was taken: the fence between workers.
    grip        INTEGER NOT NULL DEFAULT 0,
    stop        INTEGER NOT NULL DEFAULT 0 CHECK (stop IN (0, 1)),
    UNIQUE (run_id, task),
    CONSTRAINT who_has_it_has_a_lease CHECK ((worker IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE INDEX tasks_free ON tasks (pool, id) WHERE lease_until IS NULL;
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE lease_until IS NOT NULL;
