INSERT INTO tasks (run_id, task, pool, call, lost, refused, put_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (run_id, task) DO UPDATE SET
    pool = excluded.pool, call = excluded.call, lost = excluded.lost, refused = excluded.refused,
    put_at = excluded.put_at, worker = NULL, lease_until = NULL, stop = 0, grip = tasks.grip + 1
