-- $1–$7 the requests, in the order of their tickets; $8 when; $9–$11 the names of their claims.
WITH made AS (
    INSERT INTO lock_requests (run_id, step, label, claims, within, priority, message, wanted_at)
    SELECT w.run_id, w.step, w.label, w.claims, w.within, w.priority, w.message, $8
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                $7::bytea[])
        WITH ORDINALITY AS w (run_id, step, label, claims, within, priority, message, place)
    ORDER BY w.place
    RETURNING ticket, run_id, step
)
INSERT INTO lock_names (name, ticket)
SELECT n.name, made.ticket
FROM unnest($9::uuid[], $10::bigint[], $11::text[]) AS n (run_id, step, name)
JOIN made ON made.run_id = n.run_id AND made.step = n.step
ON CONFLICT DO NOTHING
