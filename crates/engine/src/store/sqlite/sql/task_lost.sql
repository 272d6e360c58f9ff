-- What is about to be taken out because its lease ran out by ?1: its run is told.
INSERT INTO inbox (run_id, dedup, body)
SELECT run_id, 'task ' || id || ' lost', lost FROM tasks
WHERE lease_until <= ?1
ORDER BY id
ON CONFLICT DO NOTHING
