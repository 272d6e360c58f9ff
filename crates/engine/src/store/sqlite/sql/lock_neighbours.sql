-- The requests that touch one of the names ?1, or one in the ranges ?2: [low, high] of each.
SELECT ticket, run_id, step, label, claims, within, priority, wanted_at, granted_at
FROM lock_requests
WHERE ticket IN (
    SELECT n.ticket FROM json_each(?1) AS e JOIN lock_names n ON n.name = e.value
    UNION
    SELECT n.ticket FROM json_each(?2) AS r
    JOIN lock_names n ON n.name > r.value ->> 0 AND n.name < r.value ->> 1)
ORDER BY ticket
