-- $1 task, $2 grip, $3 keys and $4 bodies of messages.
WITH ended AS (
    DELETE FROM tasks USING (SELECT rackwright_now() AS now OFFSET 0) t
    WHERE tasks.id = $1 AND tasks.grip = $2 AND tasks.lease_until > t.now
    RETURNING tasks.run_id
),
sent AS (
    INSERT INTO inbox (run_id, dedup, body)
    SELECT ended.run_id, s.dedup, s.body
    FROM ended, unnest($3::text[], $4::bytea[]) WITH ORDINALITY AS s (dedup, body, place)
    ORDER BY s.place
    ON CONFLICT DO NOTHING
)
SELECT run_id FROM ended
