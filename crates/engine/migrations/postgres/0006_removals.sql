-- Runs that are gone, and whose journals and values have not been removed yet. A run leaves `runs`
-- in one small transaction; the rest follows in batches, whoever begins them.
CREATE TABLE removals (
    run_id uuid PRIMARY KEY
);

-- Families of runs that are over, by when: what retention looks at.
CREATE INDEX runs_over ON runs (workflow, updated_at, id)
    WHERE parent IS NULL AND status IN ('completed', 'failed', 'cancelled');
