-- What is about to be taken out before anybody has it: its run is told. ?3: it is only taken back.
INSERT INTO inbox (run_id, dedup, body)
SELECT run_id, 'task ' || id || ' taken back', CASE WHEN ?3 THEN lost ELSE refused END FROM tasks
WHERE run_id = ?1 AND task = ?2 AND lease_until IS NULL
ON CONFLICT DO NOTHING
