-- A run can be paused: like one that waits for a person it has no alarm, a message wakes it.
ALTER TABLE runs
    DROP CONSTRAINT status_is_known,
    DROP CONSTRAINT a_person_has_no_alarm,
    ADD CONSTRAINT status_is_known CHECK (status IN
        ('pending', 'running', 'waiting', 'paused', 'attention', 'completed', 'failed', 'cancelled')),
    ADD CONSTRAINT a_person_has_no_alarm CHECK
        (status NOT IN ('paused', 'attention') OR wake_at IS NULL);

-- Orders go to all runs that carry some labels.
CREATE INDEX runs_by_labels ON runs USING gin (labels jsonb_path_ops);
