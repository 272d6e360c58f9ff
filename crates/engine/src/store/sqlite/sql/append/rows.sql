-- $2 is all rows, one after the other; $1 is a JSON array with the place of each in it. A row is its
-- run id (16 bytes), its sequence number, epoch and time (20 decimal digits each), the length of its
-- events (10 digits) and the events: two parameters for any number of rows, bytes stay bytes, and
-- cutting at fixed places takes half the time of reading numbers out of JSON. MATERIALIZED, since
-- each column would else be cut out anew wherever it is used.
WITH a AS MATERIALIZED (
    SELECT row.value AS place,
           substr($2, row.value, 16) AS run_id,
           CAST(substr($2, row.value + 16, 20) AS INTEGER) AS seq,
           CAST(substr($2, row.value + 36, 20) AS INTEGER) AS epoch
    FROM json_each($1) AS row
)
INSERT INTO journal (run_id, seq, epoch, at, events)
SELECT a.run_id, a.seq, a.epoch,
       CAST(substr($2, a.place + 56, 20) AS INTEGER),
       substr($2, a.place + 86, CAST(substr($2, a.place + 76, 10) AS INTEGER))
FROM a
WHERE (SELECT r.epoch FROM runs r WHERE r.id = a.run_id) = a.epoch
  AND (a.seq = 0 OR (SELECT 1 FROM journal j WHERE j.run_id = a.run_id AND j.seq = a.seq - 1))
ON CONFLICT DO NOTHING
