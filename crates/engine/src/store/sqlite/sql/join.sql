INSERT INTO nodes (id, name, host, pid, started, lease_until, quarantine_after, labels, capacity,
                   renewed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6 + ?7, ?8, ?9, ?10, ?6)
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, renewed_at = excluded.renewed_at
WHERE nodes.expired = 0 AND nodes.lease_until > ?6
