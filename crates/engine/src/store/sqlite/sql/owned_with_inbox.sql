SELECT DISTINCT i.run_id FROM inbox i
WHERE (SELECT r.owner FROM runs r WHERE r.id = i.run_id) = ?1
ORDER BY i.run_id LIMIT ?2
