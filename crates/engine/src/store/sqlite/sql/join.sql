INSERT INTO nodes (id, name, host, pid, started, lease_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6 + ?7)
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
WHERE nodes.expired = 0 AND nodes.lease_until > ?6
