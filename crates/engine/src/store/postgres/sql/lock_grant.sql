-- Grants the tickets $1 at $2 and tells their runs.
WITH given AS (
    UPDATE lock_requests SET granted_at = $2 WHERE ticket = ANY($1::bigint[])
    RETURNING ticket, run_id, message
)
INSERT INTO inbox (run_id, dedup, body)
SELECT g.run_id, 'lock ' || g.ticket, g.message FROM given g
ORDER BY g.run_id, g.ticket
ON CONFLICT DO NOTHING
