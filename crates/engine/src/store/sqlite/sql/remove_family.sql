-- Takes the noted runs of the family of ?1 away.
DELETE FROM runs WHERE root = ?1 AND id IN (SELECT run_id FROM removals)
