SELECT id, run_id, dedup, body FROM inbox
WHERE run_id IN (SELECT unhex(r.value) FROM json_each(?1) AS r) ORDER BY run_id, id
