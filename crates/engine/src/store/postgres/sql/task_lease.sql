-- $1 pools, $2 worker, $3 limit, $4 time.
WITH free AS MATERIALIZED (
    SELECT id FROM tasks WHERE pool = ANY($1) AND lease_until IS NULL
    ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE tasks SET worker = $2, lease_until = t.now + $4, grip = tasks.grip + 1
FROM free, (SELECT rackwright_now() AS now OFFSET 0) t
WHERE tasks.id = free.id
RETURNING tasks.id, tasks.grip, tasks.run_id, tasks.call
