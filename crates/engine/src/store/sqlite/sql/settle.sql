-- ?1: [place, length, seq, epoch, workflow, key] of each row; ?2: run id and events of each, one
-- after the other.
SELECT
    coalesce((SELECT j.epoch = a.value ->> 3
                 AND j.events = substr(?2, (a.value ->> 0) + 16, a.value ->> 1)
              FROM journal j
              WHERE j.run_id = substr(?2, a.value ->> 0, 16) AND j.seq = a.value ->> 2), 0) AS same,
    (SELECT r.id FROM runs r
     WHERE r.workflow = a.value ->> 4 AND r.idempotency_key = a.value ->> 5) AS taken
FROM json_each(?1) AS a
ORDER BY a.key
