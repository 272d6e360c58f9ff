INSERT INTO nodes (id, name, host, pid, started, lease_until)
SELECT $1, $2, $3, $4, $5, t.now + $6 FROM (SELECT rackwright_now() AS now) t
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
WHERE NOT nodes.expired AND nodes.lease_until > excluded.lease_until - $6
RETURNING lease_until - $6 AS now
