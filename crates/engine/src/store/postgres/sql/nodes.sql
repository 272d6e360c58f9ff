SELECT id, name, host, pid, started, lease_until, quarantine_after, labels::text AS labels, capacity,
       renewed_at, draining, NOT expired AND lease_until > rackwright_now() AS alive,
       (SELECT count(*) FROM runs r WHERE r.owner = nodes.id) AS runs
FROM nodes ORDER BY id
