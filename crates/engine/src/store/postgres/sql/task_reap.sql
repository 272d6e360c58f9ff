WITH gone AS (
    DELETE FROM tasks USING (SELECT rackwright_now() AS now OFFSET 0) t
    WHERE tasks.lease_until <= t.now
    RETURNING tasks.id, tasks.run_id, tasks.lost
),
sent AS (
    INSERT INTO inbox (run_id, dedup, body)
    SELECT run_id, 'task ' || id || ' lost', lost FROM gone ORDER BY id
    ON CONFLICT DO NOTHING
)
SELECT DISTINCT run_id FROM gone
