SELECT id, name, host, pid, started, lease_until, expired = 0 AND lease_until > ?1 AS alive
FROM nodes ORDER BY id
