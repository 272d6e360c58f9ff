SELECT id, workflow, version, idempotency_key, parent, root, labels, status, owner, epoch, wake_at,
       takeovers, quarantined_at, requires, created_at, updated_at
FROM runs
WHERE id = ?1
