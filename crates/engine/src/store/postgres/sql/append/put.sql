put AS (
    INSERT INTO journal (run_id, seq, epoch, at, events)
    SELECT a.run_id, a.seq, a.epoch, a.at, a.events
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
        AS a (run_id, seq, epoch, at, events)
    LEFT JOIN made ON made.id = a.run_id
    LEFT JOIN held ON held.id = a.run_id
    WHERE CASE
        WHEN a.seq = 0 THEN made.id IS NOT NULL
        ELSE coalesce(held.epoch, (SELECT r.epoch FROM runs r WHERE r.id = a.run_id)) = a.epoch
         AND (SELECT j.seq FROM journal j WHERE j.run_id = a.run_id AND j.seq = a.seq - 1)
             IS NOT NULL
        END
    ON CONFLICT DO NOTHING
    RETURNING run_id
)
