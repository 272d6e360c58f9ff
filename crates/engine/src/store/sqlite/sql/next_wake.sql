-- ?1 root or null, ?2 node: what asks for labels that it lacks is not for it.
SELECT min(wake_at) FROM runs
WHERE owner IS NULL AND wake_at IS NOT NULL AND (?1 IS NULL OR root = ?1)
  AND NOT EXISTS (SELECT 1 FROM json_each(runs.requires) AS w
                  WHERE NOT EXISTS (SELECT 1 FROM nodes n, json_each(n.labels) AS l
                                    WHERE n.id = ?2 AND l.key = w.key AND l.value = w.value))
