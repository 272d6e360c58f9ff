-- The requests that touch one of the names $1, or one between $2 and $3.
WITH touched AS MATERIALIZED (
    SELECT n.ticket FROM lock_names n WHERE n.name = ANY($1::text[])
    UNION
    SELECT n.ticket FROM unnest($2::text[], $3::text[]) AS r (low, high)
    JOIN lock_names n ON n.name > r.low AND n.name < r.high
)
SELECT ticket, run_id, step, label, claims, within, priority, wanted_at, granted_at
FROM lock_requests
WHERE ticket = ANY(ARRAY(SELECT ticket FROM touched))
ORDER BY ticket
