SELECT ticket, run_id, step, label, claims, within, priority, wanted_at, granted_at
FROM lock_requests
ORDER BY ticket LIMIT $1
