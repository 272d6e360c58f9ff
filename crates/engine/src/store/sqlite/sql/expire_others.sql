-- Nodes that did not join through this process: it holds the lock, so they are dead. ?1: those that did.
UPDATE nodes SET expired = 1, lease_until = min(lease_until, ?2)
WHERE expired = 0 AND id NOT IN (SELECT unhex(n.value) FROM json_each(?1) AS n)
