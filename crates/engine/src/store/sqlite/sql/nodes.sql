SELECT id, name, host, pid, started, lease_until, quarantine_after, labels, capacity, renewed_at,
       draining, expired = 0 AND lease_until > ?1 AS alive,
       (SELECT count(*) FROM runs r WHERE r.owner = nodes.id) AS runs
FROM nodes ORDER BY id
