-- What became of each row: `same` if the journal holds it, `taken` who has its idempotency key.
SELECT
    coalesce((SELECT j.epoch = a.epoch AND j.events = a.events
              FROM journal j WHERE j.run_id = a.run_id AND j.seq = a.seq), false) AS same,
    (SELECT r.id FROM runs r
     WHERE r.workflow = a.workflow AND r.idempotency_key = a.key) AS taken
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[], $6::text[])
    WITH ORDINALITY AS a (run_id, seq, epoch, events, workflow, key, place)
ORDER BY a.place
