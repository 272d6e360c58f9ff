-- $1 node, $2 root or null, $3 limit, $4 number of this call, $5 time for which a suspect is alone.
WITH RECURSIVE t AS MATERIALIZED (
    SELECT rackwright_now() AS now
),
gone AS (
    -- Marks leases that have run out. A renewal that is under way has locked its row: then this
    -- waits, looks again and finds the lease extended; or comes first, and the renewal finds it lost.
    UPDATE nodes SET expired = true FROM t
    WHERE NOT nodes.expired AND nodes.lease_until <= t.now AND nodes.id <> $1
    RETURNING nodes.id
),
alive AS MATERIALIZED (
    SELECT n.id FROM nodes n, t
    WHERE NOT n.expired AND n.lease_until > t.now AND n.id NOT IN (SELECT id FROM gone)
),
-- The caller, if it may take anything.
me AS MATERIALIZED (
    SELECT n.labels, n.suspect, n.suspect_until FROM nodes n
    WHERE n.id = $1 AND n.draining IS NULL AND n.id IN (SELECT id FROM alive)
),
-- The owners of runs, one index probe each.
owners (id) AS (
    (SELECT owner FROM runs WHERE owner IS NOT NULL ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT r.owner FROM runs r WHERE r.owner > o.id ORDER BY r.owner LIMIT 1)
    FROM owners o WHERE o.id IS NOT NULL
),
dead AS MATERIALIZED (
    -- Not by the clock: a lease that only looks over to this snapshot may just have been renewed.
    SELECT o.id FROM owners o
    WHERE o.id IS NOT NULL
      AND (o.id IN (SELECT id FROM gone)
           OR NOT EXISTS (SELECT FROM nodes n WHERE n.id = o.id AND NOT n.expired))
),
-- What owners died over too often is nobody's any more. The epoch rises: a late append of the last
-- owner must not go in.
spent AS MATERIALIZED (
    SELECT r.id FROM runs r
    WHERE r.owner = ANY(ARRAY(SELECT id FROM dead))
      AND ($2::uuid IS NULL OR r.root = $2)
      AND (r.status NOT IN ('paused', 'attention') OR EXISTS (SELECT FROM inbox i WHERE i.run_id = r.id))
      AND r.takeovers >= (SELECT n.quarantine_after FROM nodes n WHERE n.id = $1)
      AND $1 IN (SELECT id FROM alive)
    LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
),
quarantined AS (
    UPDATE runs r SET
        owner = NULL, wake_at = NULL, status = 'attention', epoch = r.epoch + 1,
        quarantined_at = t.now, updated_at = t.now
    FROM spent, t WHERE r.id = spent.id
),
-- An owner died over it before: one at a time, until that gets on or some time has passed.
suspect AS MATERIALIZED (
    SELECT r.id, r.owner FROM runs r
    WHERE r.owner = ANY(ARRAY(SELECT id FROM dead))
      AND ($2::uuid IS NULL OR r.root = $2)
      AND (r.status NOT IN ('paused', 'attention') OR EXISTS (SELECT FROM inbox i WHERE i.run_id = r.id))
      AND (r.requires IS NULL OR r.requires <@ (SELECT labels FROM me))
      AND r.takeovers > 0
      AND r.takeovers < coalesce((SELECT n.quarantine_after FROM nodes n WHERE n.id = $1),
                                 9223372036854775807)
      AND NOT EXISTS (SELECT FROM me, t, runs s
                      WHERE me.suspect_until > t.now
                        AND s.id = me.suspect AND s.owner = $1 AND s.takeovers > 0)
    ORDER BY r.id
    LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
),
orphaned AS MATERIALIZED (
    SELECT r.id, r.owner FROM runs r
    WHERE r.owner = ANY(ARRAY(SELECT id FROM dead))
      AND ($2::uuid IS NULL OR r.root = $2)
      AND (r.status NOT IN ('paused', 'attention') OR EXISTS (SELECT FROM inbox i WHERE i.run_id = r.id))
      AND (r.requires IS NULL OR r.requires <@ (SELECT labels FROM me))
      AND r.takeovers = 0
    LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
),
due AS MATERIALIZED (
    SELECT r.id, r.owner FROM runs r
    WHERE r.owner IS NULL AND r.wake_at IS NOT NULL AND r.wake_at <= (SELECT now FROM t)
      AND ($2::uuid IS NULL OR r.root = $2)
      AND (r.requires IS NULL OR r.requires <@ (SELECT labels FROM me))
    ORDER BY r.wake_at
    LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
),
mailed AS MATERIALIZED (
    SELECT r.id, r.owner FROM runs r
    WHERE r.owner IS NULL
      AND r.id IN (SELECT i.run_id FROM inbox i)
      AND r.status NOT IN ('completed', 'failed', 'cancelled')
      AND r.quarantined_at IS NULL
      AND (r.requires IS NULL OR r.requires <@ (SELECT labels FROM me))
      AND ($2::uuid IS NULL OR r.root = $2)
    LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
),
wanted AS MATERIALIZED (
    SELECT u.id, u.owner FROM (
        SELECT id, owner FROM orphaned
        UNION SELECT id, owner FROM suspect
        UNION SELECT id, owner FROM due
        UNION SELECT id, owner FROM mailed
    ) u
    WHERE EXISTS (SELECT FROM me)
    LIMIT $3
),
marked AS (
    UPDATE nodes SET suspect = s.id, suspect_until = t.now + $5
    FROM suspect s, t WHERE nodes.id = $1 AND s.id IN (SELECT id FROM wanted)
)
UPDATE runs r SET
    owner     = $1,
    epoch     = r.epoch + 1,
    claim_no  = $4,
    takeovers = r.takeovers + (wanted.owner IS NOT NULL AND NOT EXISTS (
        -- Another was to blame for its owner's end.
        SELECT FROM nodes n
        WHERE n.id = wanted.owner AND n.suspect <> r.id AND n.suspect_until > n.renewed_at))::int
FROM wanted
WHERE r.id = wanted.id
RETURNING r.id, r.epoch, r.status, r.version, r.root, r.parent, wanted.owner AS taken_from,
          r.takeovers
