-- ?1 node, ?2 root or null, ?3 now. What owners died over too often is nobody's any more. The epoch
-- rises: a late append of the last owner must not go in.
WITH RECURSIVE
owners (id) AS (
    SELECT min(owner) FROM runs WHERE owner IS NOT NULL
    UNION ALL
    SELECT (SELECT min(r.owner) FROM runs r WHERE r.owner > o.id) FROM owners o
    WHERE o.id IS NOT NULL
)
UPDATE runs SET
    owner          = NULL,
    wake_at        = NULL,
    status         = 'attention',
    epoch          = epoch + 1,
    quarantined_at = ?3,
    updated_at     = ?3
WHERE owner IN (SELECT o.id FROM owners o
                WHERE o.id NOT IN (SELECT n.id FROM nodes n WHERE n.expired = 0))
  AND takeovers >= (SELECT n.quarantine_after FROM nodes n
                    WHERE n.id = ?1 AND n.expired = 0 AND n.lease_until > ?3)
  AND (?2 IS NULL OR root = ?2)
  AND (status NOT IN ('paused', 'attention') OR EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = runs.id))
