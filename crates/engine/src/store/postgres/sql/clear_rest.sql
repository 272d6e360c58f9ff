-- What else runs that are gone have left, once their journals are empty.
WITH large AS (DELETE FROM blobs WHERE run_id = ANY($1::uuid[]))
DELETE FROM removals WHERE run_id = ANY($1::uuid[])
