SELECT run_id, seq, epoch, at, events FROM journal
WHERE run_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3
