-- $1 root or null, $2 node: what asks for labels that it lacks is not for it.
SELECT min(wake_at) FROM runs
WHERE owner IS NULL AND wake_at IS NOT NULL AND ($1::uuid IS NULL OR root = $1)
  AND (requires IS NULL OR requires <@ (SELECT n.labels FROM nodes n WHERE n.id = $2))
