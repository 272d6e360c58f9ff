INSERT INTO journal (run_id, seq, epoch, at, events)
SELECT ?1, ?2, ?3, ?4, ?5
WHERE (SELECT r.epoch FROM runs r WHERE r.id = ?1) = ?3
  AND (?2 = 0 OR (SELECT 1 FROM journal j WHERE j.run_id = ?1 AND j.seq = ?2 - 1))
ON CONFLICT DO NOTHING
