SELECT run_id FROM removals ORDER BY run_id LIMIT 50
