DELETE FROM removals WHERE run_id IN (SELECT unhex(r.value) FROM json_each(?1) AS r)
