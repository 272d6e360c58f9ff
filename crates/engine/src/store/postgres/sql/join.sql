INSERT INTO nodes (id, name, host, pid, started, lease_until, quarantine_after, labels, capacity,
                   renewed_at)
SELECT $1, $2, $3, $4, $5, t.now + $6, $7, $8::jsonb, $9, t.now
FROM (SELECT rackwright_now() AS now) t
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, renewed_at = excluded.renewed_at
WHERE NOT nodes.expired AND nodes.lease_until > excluded.lease_until - $6
RETURNING lease_until - $6 AS now
