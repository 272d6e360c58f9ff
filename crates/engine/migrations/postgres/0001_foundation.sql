-- Times are microseconds since the Unix epoch, by this database's clock. The tables keep by
-- themselves what must never be false of a run.

CREATE FUNCTION rackwright_now() RETURNS bigint LANGUAGE sql VOLATILE
    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

CREATE TABLE definitions (
    version   bytea  PRIMARY KEY CHECK (octet_length(version) = 32),
    name      text   NOT NULL,
    canonical bytea  NOT NULL,
    at        bigint NOT NULL
);
CREATE INDEX definitions_by_name ON definitions (name, at);

-- A lease. `expired` is set by whoever sees first that the lease has run out and is never unset:
-- that write, and not a comparison of clocks, decides between a late renewal and a taker.
CREATE TABLE nodes (
    id          uuid    PRIMARY KEY,
    name        text    NOT NULL,
    host        text    NOT NULL,
    pid         bigint  NOT NULL,
    started     bigint  NOT NULL,
    lease_until bigint  NOT NULL,
    expired     boolean NOT NULL DEFAULT false
);

-- No foreign keys from here to `nodes` or `definitions`, and none from the journal: each would take
-- a row lock per append. The appends' own conditions keep the journal whole.
CREATE TABLE runs (
    id              uuid   PRIMARY KEY,
    workflow        text   NOT NULL,
    version         bytea  NOT NULL CHECK (octet_length(version) = 32),
    idempotency_key text,
    parent          uuid,
    root            uuid   NOT NULL,
    labels          jsonb  NOT NULL CHECK (jsonb_typeof(labels) = 'object'),
    status          text   NOT NULL,
    owner           uuid,
    epoch           bigint NOT NULL CHECK (epoch >= 0),
    wake_at         bigint,
    -- Which call of the owner took the run: a call whose answer was lost is answered later.
    claim_no        bigint NOT NULL DEFAULT 0,
    takeovers       bigint NOT NULL DEFAULT 0 CHECK (takeovers >= 0),
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,

    CONSTRAINT status_is_known CHECK (status IN
        ('pending', 'running', 'waiting', 'attention', 'completed', 'failed', 'cancelled')),
    CONSTRAINT an_ended_run_is_nobodys CHECK
        (status NOT IN ('completed', 'failed', 'cancelled') OR (owner IS NULL AND wake_at IS NULL)),
    CONSTRAINT a_person_has_no_alarm CHECK (status <> 'attention' OR wake_at IS NULL),
    CONSTRAINT work_is_owned_or_due CHECK
        (status NOT IN ('pending', 'running') OR owner IS NOT NULL OR wake_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX runs_by_key ON runs (workflow, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_root ON runs (root, id);
CREATE INDEX runs_by_parent ON runs (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX runs_owned ON runs (owner) WHERE owner IS NOT NULL;
CREATE INDEX runs_due ON runs (wake_at) WHERE owner IS NULL AND wake_at IS NOT NULL;

-- One row per turn. The dense sequence number is the fence between owners.
CREATE TABLE journal (
    run_id uuid   NOT NULL,
    seq    bigint NOT NULL CHECK (seq >= 0),
    epoch  bigint NOT NULL CHECK (epoch >= 0),
    at     bigint NOT NULL,
    events bytea  NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE inbox (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid  NOT NULL,
    dedup  text  NOT NULL,
    body   bytea NOT NULL,
    UNIQUE (run_id, dedup)
);
