INSERT INTO tasks (run_id, task, pool, call, lost, refused, put_at)
SELECT t.run_id, t.task, t.pool, t.call, t.lost, t.refused, rackwright_now()
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[])
    WITH ORDINALITY AS t (run_id, task, pool, call, lost, refused, place)
ORDER BY t.place
ON CONFLICT (run_id, task) DO UPDATE SET
    pool = excluded.pool, call = excluded.call, lost = excluded.lost, refused = excluded.refused,
    put_at = excluded.put_at, worker = NULL, lease_until = NULL, stop = false,
    grip = tasks.grip + 1
