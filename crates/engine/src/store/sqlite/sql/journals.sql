SELECT run_id, seq, epoch, at, events FROM journal
WHERE run_id IN (SELECT unhex(r.value) FROM json_each(?1) AS r) ORDER BY run_id, seq
