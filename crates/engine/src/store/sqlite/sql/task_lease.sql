-- ?1 pools, ?2 worker, ?3 limit, ?4 until.
UPDATE tasks SET worker = ?2, lease_until = ?4, grip = grip + 1
WHERE id IN (SELECT t.id FROM tasks t
             WHERE t.pool IN (SELECT p.value FROM json_each(?1) AS p) AND t.lease_until IS NULL
             ORDER BY t.id LIMIT ?3)
RETURNING id, grip, run_id, call
