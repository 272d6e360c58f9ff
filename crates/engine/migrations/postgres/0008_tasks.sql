-- Calls that a worker of a pool makes; `call`, `lost` and `refused` are opaque to the database.
CREATE TABLE tasks (
    id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      uuid    NOT NULL,
    task        text    NOT NULL,
    pool        text    NOT NULL,
    call        bytea   NOT NULL,
    -- What the run is sent if the worker is lost, and if nobody has taken the call when it is to stop.
    lost        bytea   NOT NULL,
    refused     bytea   NOT NULL,
    put_at      bigint  NOT NULL,
    worker      text,
    lease_until bigint,
    -- How often it was taken: the fence between workers.
    grip        bigint  NOT NULL DEFAULT 0,
    stop        boolean NOT NULL DEFAULT false,
    UNIQUE (run_id, task),
    CONSTRAINT who_has_it_has_a_lease CHECK ((worker IS NULL) = (lease_until IS NULL))
);
CREATE INDEX tasks_free ON tasks (pool, id) WHERE lease_until IS NULL;
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE lease_until IS NOT NULL;
