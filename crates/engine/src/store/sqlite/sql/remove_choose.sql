-- Notes up to ?2 runs of the family of ?1, if all of it is over: children first, the root last.
INSERT INTO removals (run_id)
SELECT r.id FROM runs r
WHERE r.root = ?1
  AND NOT EXISTS (SELECT 1 FROM runs c
                  WHERE c.root = ?1 AND c.status NOT IN ('completed', 'failed', 'cancelled'))
ORDER BY r.id = ?1, r.id LIMIT ?2
ON CONFLICT DO NOTHING
