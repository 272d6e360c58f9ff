-- ?1 node, ?2 root or null, ?3 limit, ?4 now. Runs after leases that are over have been marked,
-- and what owners died over too often has been set aside.
WITH RECURSIVE
-- The owners of runs, one index probe each.
owners (id) AS (
    SELECT min(owner) FROM runs WHERE owner IS NOT NULL
    UNION ALL
    SELECT (SELECT min(r.owner) FROM runs r WHERE r.owner > o.id) FROM owners o
    WHERE o.id IS NOT NULL
),
labels (key, value) AS (
    SELECT l.key, l.value FROM nodes n, json_each(n.labels) AS l WHERE n.id = ?1
),
free (id) AS (
    SELECT * FROM (
        SELECT r.id FROM runs r
        WHERE r.owner IN (SELECT o.id FROM owners o
                          WHERE o.id NOT IN (SELECT n.id FROM nodes n WHERE n.expired = 0))
          AND (?2 IS NULL OR r.root = ?2)
          AND (r.status NOT IN ('paused', 'attention') OR EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = r.id))
          AND NOT EXISTS (SELECT 1 FROM json_each(r.requires) AS w WHERE w.key NOT IN
                          (SELECT l.key FROM labels l WHERE l.value = w.value))
          AND r.takeovers = 0
        LIMIT ?3)
    UNION
    -- An owner died over it before: one at a time, until that gets on or some time has passed.
    SELECT * FROM (
        SELECT r.id FROM runs r
        WHERE r.owner IN (SELECT o.id FROM owners o
                          WHERE o.id NOT IN (SELECT n.id FROM nodes n WHERE n.expired = 0))
          AND (?2 IS NULL OR r.root = ?2)
          AND (r.status NOT IN ('paused', 'attention') OR EXISTS (SELECT 1 FROM inbox i WHERE i.run_id = r.id))
          AND NOT EXISTS (SELECT 1 FROM json_each(r.requires) AS w WHERE w.key NOT IN
                          (SELECT l.key FROM labels l WHERE l.value = w.value))
          AND r.takeovers > 0
          AND NOT EXISTS (SELECT 1 FROM nodes n JOIN runs s ON s.id = n.suspect
                          WHERE n.id = ?1 AND n.suspect_until > ?4
                            AND s.owner = ?1 AND s.takeovers > 0)
        ORDER BY r.id
        LIMIT 1)
    UNION
    SELECT * FROM (
        SELECT r.id FROM runs r
        WHERE r.owner IS NULL AND r.wake_at IS NOT NULL AND r.wake_at <= ?4
          AND (?2 IS NULL OR r.root = ?2)
          AND NOT EXISTS (SELECT 1 FROM json_each(r.requires) AS w WHERE w.key NOT IN
                          (SELECT l.key FROM labels l WHERE l.value = w.value))
        ORDER BY r.wake_at
        LIMIT ?3)
    UNION
    SELECT * FROM (
        SELECT r.id FROM runs r
        WHERE r.id IN (SELECT i.run_id FROM inbox i)
          AND r.owner IS NULL
          AND r.status NOT IN ('completed', 'failed', 'cancelled')
          AND NOT EXISTS (SELECT 1 FROM json_each(r.requires) AS w WHERE w.key NOT IN
                          (SELECT l.key FROM labels l WHERE l.value = w.value))
          AND r.quarantined_at IS NULL
          AND (?2 IS NULL OR r.root = ?2)
        LIMIT ?3)
)
SELECT r.id, r.epoch + 1 AS epoch, r.status, r.version, r.root, r.parent, r.owner AS taken_from,
       r.takeovers + (r.owner IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM nodes n
           WHERE n.id = r.owner AND n.suspect <> r.id AND n.suspect_until > n.renewed_at
       )) AS takeovers
FROM runs r
WHERE r.id IN (SELECT id FROM free)
  AND EXISTS (SELECT 1 FROM nodes n WHERE n.id = ?1 AND n.expired = 0 AND n.lease_until > ?4
                AND n.draining IS NULL)
LIMIT ?3
