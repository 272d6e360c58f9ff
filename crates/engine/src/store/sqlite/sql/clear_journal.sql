-- Up to ?2 rows of the journals of runs that are gone; ?1: those runs.
DELETE FROM journal WHERE rowid IN (
    SELECT j.rowid FROM journal j
    WHERE j.run_id IN (SELECT unhex(r.value) FROM json_each(?1) AS r) LIMIT ?2)
