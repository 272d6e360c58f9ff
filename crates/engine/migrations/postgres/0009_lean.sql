-- What each change of a run pays for.

-- Most runs carry no labels, and what asks for labels never means those: an index that holds them as
-- well costs several times its share.
DROP INDEX runs_by_labels;
CREATE INDEX runs_by_labels ON runs USING gin (labels jsonb_path_ops) WHERE labels <> '{}'::jsonb;

-- PostgreSQL reads the text of a table's constraints anew for every statement: five with lists of
-- words took most of the time of an update. One, with the lists as constants, says the same: every
-- status is known; an ended run is nobody's; what waits for a person or is paused has no alarm; what
-- has work to do is owned or due; what is in quarantine is nobody's.
ALTER TABLE runs
    DROP CONSTRAINT status_is_known,
    DROP CONSTRAINT an_ended_run_is_nobodys,
    DROP CONSTRAINT a_person_has_no_alarm,
    DROP CONSTRAINT work_is_owned_or_due,
    DROP CONSTRAINT a_quarantined_run_is_nobodys,
    ADD CONSTRAINT a_run_is_sound CHECK (
        (quarantined_at IS NULL AND (
            status = 'waiting'
            OR (status = ANY ('{pending,running}'::text[])
                AND (owner IS NOT NULL OR wake_at IS NOT NULL))
            OR (wake_at IS NULL AND (
                status = ANY ('{paused,attention}'::text[])
                OR (owner IS NULL AND status = ANY ('{completed,failed,cancelled}'::text[]))))))
        OR (status = 'attention' AND owner IS NULL AND wake_at IS NULL));
