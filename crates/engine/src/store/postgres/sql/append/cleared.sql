cleared AS (
    DELETE FROM inbox i
    USING unnest($18::uuid[], $23::boolean[]) AS u (run_id, ended)
    JOIN put ON put.run_id = u.run_id
    WHERE u.ended AND i.run_id = u.run_id AND i.run_id = ANY($18::uuid[])
)
