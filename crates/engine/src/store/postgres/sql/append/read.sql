read AS (
    DELETE FROM inbox i
    USING unnest($24::uuid[], $25::bigint[]) AS c (run_id, id)
    JOIN put ON put.run_id = c.run_id
    WHERE i.id = c.id AND i.run_id = c.run_id AND i.id = ANY($25::bigint[])
)
