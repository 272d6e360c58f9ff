UPDATE nodes SET lease_until = t.now + $2, renewed_at = t.now
FROM (SELECT rackwright_now() AS now OFFSET 0) t
WHERE nodes.id = $1 AND NOT nodes.expired AND nodes.lease_until > t.now
RETURNING t.now, nodes.draining
