-- Requests for locks and slots that are alive: granted or waiting. `step` is -1 for a run's own.
-- All changes are made under one advisory lock, so tickets are in the order of the commits.
CREATE TABLE lock_requests (
    ticket     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     uuid   NOT NULL,
    step       bigint NOT NULL CHECK (step >= -1),
    label      text   NOT NULL,
    claims     text   NOT NULL,
    within     text   NOT NULL,
    priority   bigint NOT NULL CHECK (priority BETWEEN 0 AND 255),
    -- What the run is sent when the request is granted.
    message    bytea  NOT NULL,
    wanted_at  bigint NOT NULL,
    granted_at bigint,
    UNIQUE (run_id, step)
);

-- The names in `claims`, to find neighbours by; `=NAME` is a limit. Byte order, for ranges.
CREATE TABLE lock_names (
    name   text   COLLATE "C" NOT NULL,
    ticket bigint NOT NULL,
    PRIMARY KEY (name, ticket)
);
CREATE INDEX lock_names_by_ticket ON lock_names (ticket);
