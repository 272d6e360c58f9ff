-- ?1 is a JSON array with [place, length, seq, epoch, at] of each row, ?2 all rows' run ids and
-- events one after the other: two parameters for any number of rows, and bytes stay bytes.
INSERT INTO journal (run_id, seq, epoch, at, events)
SELECT a.run_id, a.seq, a.epoch, a.at, a.events
FROM (
    SELECT substr(?2, row.value ->> 0, 16) AS run_id,
           row.value ->> 2 AS seq,
           row.value ->> 3 AS epoch,
           row.value ->> 4 AS at,
           substr(?2, (row.value ->> 0) + 16, row.value ->> 1) AS events
    FROM json_each(?1) AS row
) AS a
WHERE (SELECT r.epoch FROM runs r WHERE r.id = a.run_id) = a.epoch
  AND (a.seq = 0 OR (SELECT 1 FROM journal j WHERE j.run_id = a.run_id AND j.seq = a.seq - 1))
ON CONFLICT DO NOTHING
