-- ?1: [place, length, run, key] of each; ?2: all bodies one after the other.
INSERT INTO inbox (run_id, dedup, body)
SELECT unhex(s.value ->> 2), s.value ->> 3, substr(?2, s.value ->> 0, s.value ->> 1)
FROM json_each(?1) AS s
WHERE coalesce((SELECT r.status FROM runs r WHERE r.id = unhex(s.value ->> 2)), 'pending')
      NOT IN ('completed', 'failed', 'cancelled')
ORDER BY s.key
ON CONFLICT DO NOTHING
