-- Up to $2 rows of the journals of runs that are gone.
DELETE FROM journal j
USING (SELECT d.run_id, d.seq FROM journal d WHERE d.run_id = ANY($1::uuid[])
       ORDER BY d.run_id, d.seq LIMIT $2) AS few
WHERE j.run_id = few.run_id AND j.seq = few.seq AND j.run_id = ANY($1::uuid[])
