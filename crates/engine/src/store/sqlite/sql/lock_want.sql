INSERT INTO lock_requests (run_id, step, label, claims, within, priority, message, wanted_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
