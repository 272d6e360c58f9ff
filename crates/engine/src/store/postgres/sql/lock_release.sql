-- $1–$2 holders (step -1: the run itself), $3 runs that give up everything.
WITH gone AS MATERIALIZED (
    SELECT r.ticket FROM unnest($1::uuid[], $2::bigint[]) AS h (run_id, step)
    JOIN lock_requests r ON r.run_id = h.run_id AND r.step = h.step
    UNION
    SELECT r.ticket FROM lock_requests r WHERE r.run_id = ANY($3::uuid[])
),
names AS (
    DELETE FROM lock_names n WHERE n.ticket = ANY(ARRAY(SELECT ticket FROM gone))
)
DELETE FROM lock_requests r WHERE r.ticket = ANY(ARRAY(SELECT ticket FROM gone))
RETURNING r.claims
