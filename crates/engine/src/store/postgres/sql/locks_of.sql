SELECT ticket, run_id, step, label, claims, within, priority, wanted_at, granted_at
FROM lock_requests
WHERE run_id = $1 ORDER BY ticket
