SELECT run_id, seq, epoch, at, events FROM journal
WHERE run_id = ANY($1::uuid[]) ORDER BY run_id, seq
