-- Takes up to $2 runs out of the family of $1, if all of it is over: children first, the root last.
WITH chosen AS MATERIALIZED (
    SELECT r.id FROM runs r
    WHERE r.root = $1 AND r.status IN ('completed', 'failed', 'cancelled')
      AND NOT EXISTS (SELECT 1 FROM runs c
                      WHERE c.root = $1 AND c.status NOT IN ('completed', 'failed', 'cancelled'))
    ORDER BY r.id = $1, r.id LIMIT $2
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM runs r USING chosen c WHERE r.id = c.id RETURNING r.id
),
noted AS (
    INSERT INTO removals (run_id) SELECT id FROM gone ON CONFLICT DO NOTHING
),
unread AS (
    DELETE FROM inbox i USING gone g WHERE i.run_id = g.id
)
SELECT count(*) FROM gone
