sent AS (
    INSERT INTO inbox (run_id, dedup, body)
    SELECT s.run_id, s.dedup, s.body
    FROM unnest($26::uuid[], $27::uuid[], $28::text[], $29::bytea[])
        WITH ORDINALITY AS s (sender, run_id, dedup, body, place)
    JOIN put ON put.run_id = s.sender
    WHERE coalesce((SELECT r.status FROM runs r WHERE r.id = s.run_id), 'pending')
          NOT IN ('completed', 'failed', 'cancelled')
    ORDER BY s.run_id, s.place
    ON CONFLICT DO NOTHING
)
