-- Nodes that are gone and own nothing.
DELETE FROM nodes
WHERE (expired = 1 OR lease_until <= ?2)
  AND id <> ?1
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.owner = nodes.id)
