-- Nodes that are gone and own nothing.
DELETE FROM nodes n
WHERE (n.expired OR n.lease_until <= rackwright_now())
  AND n.id <> $1
  AND NOT EXISTS (SELECT FROM runs r WHERE r.owner = n.id)
