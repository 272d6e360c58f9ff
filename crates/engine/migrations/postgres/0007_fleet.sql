-- A run whose owners died again and again is set aside until a person lets it go on.
ALTER TABLE runs
    ADD COLUMN quarantined_at bigint,
    -- Labels that the run's node has to have; null: none.
    ADD COLUMN requires jsonb CHECK (jsonb_typeof(requires) = 'object'),
    ADD CONSTRAINT a_quarantined_run_is_nobodys CHECK
        (quarantined_at IS NULL OR (status = 'attention' AND owner IS NULL AND wake_at IS NULL));

-- What nodes are, what they do with runs over which nodes die, and which take nothing more.
ALTER TABLE nodes
    ADD COLUMN labels     jsonb  NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
    ADD COLUMN capacity   bigint NOT NULL DEFAULT 0,
    ADD COLUMN renewed_at bigint NOT NULL DEFAULT 0,
    -- After how many take-overs without progress it sets a run aside; null: never.
    ADD COLUMN quarantine_after bigint CHECK (quarantine_after > 0),
    -- The last run that it took of which an owner had died before, and until when it takes no other:
    -- if the node dies before, that run is to blame and the others that it has are not.
    ADD COLUMN suspect       uuid,
    ADD COLUMN suspect_until bigint,
    -- Who wants it empty; null: nobody.
    ADD COLUMN draining text;
