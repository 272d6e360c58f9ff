-- What they say is opaque to the database: JSON.

CREATE TABLE windows (
    name       text   PRIMARY KEY,
    definition bytea  NOT NULL,
    updated_at bigint NOT NULL,
    updated_by text   NOT NULL
);

-- `due_at` is when a node has to look at the schedule. Who takes it holds it until `held_until`;
-- every change raises the revision, and a holder's change counts only at the revision it took.
CREATE TABLE schedules (
    name       text   PRIMARY KEY,
    definition bytea  NOT NULL,
    state      bytea  NOT NULL,
    due_at     bigint,
    held_until bigint,
    revision   bigint NOT NULL DEFAULT 1 CHECK (revision > 0),
    updated_at bigint NOT NULL,
    updated_by text   NOT NULL
);
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;
