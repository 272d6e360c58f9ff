SELECT id, workflow, version, idempotency_key, parent, root, labels, status, owner, epoch, wake_at,
       takeovers, quarantined_at, requires, created_at, updated_at
FROM runs
WHERE workflow = ?1 AND idempotency_key = ?2
