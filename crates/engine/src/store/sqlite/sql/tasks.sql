SELECT id, run_id, task, pool, worker, lease_until, stop, put_at FROM tasks
WHERE ?1 IS NULL OR run_id = ?1
ORDER BY id LIMIT ?2
