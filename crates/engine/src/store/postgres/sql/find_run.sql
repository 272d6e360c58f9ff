SELECT id, workflow, version, idempotency_key, parent, root, labels::text AS labels, status, owner,
       epoch, wake_at, takeovers, quarantined_at, requires::text AS requires, created_at, updated_at
FROM runs
WHERE workflow = $1 AND idempotency_key = $2
