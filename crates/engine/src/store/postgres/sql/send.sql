INSERT INTO inbox (run_id, dedup, body)
SELECT s.run_id, s.dedup, s.body
FROM unnest($1::uuid[], $2::text[], $3::bytea[])
    WITH ORDINALITY AS s (run_id, dedup, body, place)
WHERE coalesce((SELECT r.status FROM runs r WHERE r.id = s.run_id), 'pending')
      NOT IN ('completed', 'failed', 'cancelled')
ORDER BY s.run_id, s.place
ON CONFLICT DO NOTHING
