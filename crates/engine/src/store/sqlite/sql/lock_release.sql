-- ?1 run, ?2 step (-1: the run's own request), or null for all of the run.
DELETE FROM lock_requests WHERE run_id = ?1 AND (?2 IS NULL OR step = ?2) RETURNING claims
