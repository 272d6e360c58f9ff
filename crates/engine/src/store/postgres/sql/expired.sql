-- Families of $1 that are over, up to the one that ended at ($2, $3), the oldest end first.
SELECT r.id FROM runs r
WHERE r.workflow = $1 AND r.parent IS NULL AND r.status IN ('completed', 'failed', 'cancelled')
  AND (r.updated_at, r.id) <= ($2::bigint, $3::uuid)
  AND NOT EXISTS (SELECT 1 FROM runs c
                  WHERE c.root = r.id AND c.status NOT IN ('completed', 'failed', 'cancelled'))
ORDER BY r.workflow, r.updated_at, r.id LIMIT $4
