-- $5: the runs that have ended.
DELETE FROM inbox WHERE run_id IN (SELECT unhex(e.value) FROM json_each($5) AS e)
