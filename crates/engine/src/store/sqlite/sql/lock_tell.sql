-- Tells the runs of the tickets ?1 that they were granted.
INSERT INTO inbox (run_id, dedup, body)
SELECT r.run_id, 'lock ' || r.ticket, r.message
FROM json_each(?1) AS t JOIN lock_requests r ON r.ticket = t.value
WHERE true
ORDER BY t.key
ON CONFLICT DO NOTHING
