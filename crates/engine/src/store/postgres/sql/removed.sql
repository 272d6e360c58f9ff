-- Some runs that are gone, for this transaction alone.
SELECT run_id FROM removals ORDER BY run_id LIMIT 50 FOR UPDATE SKIP LOCKED
