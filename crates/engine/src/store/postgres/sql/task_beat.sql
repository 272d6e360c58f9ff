-- $1 task, $2 grip, $3 time, $4 keys and $5 bodies of messages.
WITH held AS (
    UPDATE tasks SET lease_until = t.now + $3
    FROM (SELECT rackwright_now() AS now OFFSET 0) t
    WHERE tasks.id = $1 AND tasks.grip = $2 AND tasks.lease_until > t.now
    RETURNING tasks.run_id, tasks.stop
),
sent AS (
    INSERT INTO inbox (run_id, dedup, body)
    SELECT held.run_id, s.dedup, s.body
    FROM held, unnest($4::text[], $5::bytea[]) WITH ORDINALITY AS s (dedup, body, place)
    ORDER BY s.place
    ON CONFLICT DO NOTHING
)
SELECT stop FROM held
