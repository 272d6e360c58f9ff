SELECT id, workflow, version, idempotency_key, parent, root, labels, status, owner, epoch, wake_at,
       takeovers, quarantined_at, requires, created_at, updated_at
FROM runs
WHERE (json_array_length(?1) = 0 OR status IN (SELECT s.value FROM json_each(?1) AS s))
  AND (?2 IS NULL OR workflow = ?2)
  AND (?3 IS NULL OR root = ?3)
  AND (?4 IS NULL OR parent = ?4)
  AND (?5 IS NULL OR id < ?5)
  AND NOT EXISTS (SELECT 1 FROM json_each(?7) AS w
                  WHERE NOT EXISTS (SELECT 1 FROM json_each(runs.labels) AS l
                                    WHERE l.key = w.key AND l.value = w.value))
ORDER BY id DESC LIMIT ?6
