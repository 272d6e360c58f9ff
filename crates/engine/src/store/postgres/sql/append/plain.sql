-- The hot path: rows alone. The conditions are scalar subqueries, not joins, so that a plan made
-- while the tables were small still probes the indexes when they have grown.
INSERT INTO journal (run_id, seq, epoch, at, events)
SELECT a.run_id, a.seq, a.epoch, a.at, a.events
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
    AS a (run_id, seq, epoch, at, events)
WHERE (SELECT r.epoch FROM runs r WHERE r.id = a.run_id) = a.epoch
  AND (SELECT j.seq FROM journal j WHERE j.run_id = a.run_id AND j.seq = a.seq - 1) IS NOT NULL
ON CONFLICT DO NOTHING
