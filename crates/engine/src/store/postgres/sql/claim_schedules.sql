-- $1 for how long, $2 limit.
WITH t AS MATERIALIZED (
    SELECT rackwright_now() AS now
),
due AS MATERIALIZED (
    SELECT s.name FROM schedules s
    WHERE s.due_at IS NOT NULL AND s.due_at <= (SELECT now FROM t)
      AND (s.held_until IS NULL OR s.held_until <= (SELECT now FROM t))
    ORDER BY s.due_at
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE schedules s SET held_until = t.now + $1
FROM t, due
WHERE s.name = due.name
RETURNING s.name, s.definition, s.state, s.due_at, s.revision, s.updated_at, s.updated_by
