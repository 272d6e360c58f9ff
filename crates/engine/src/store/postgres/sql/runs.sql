SELECT id, workflow, version, idempotency_key, parent, root, labels::text AS labels, status, owner,
       epoch, wake_at, takeovers, quarantined_at, requires::text AS requires, created_at, updated_at
FROM runs
WHERE (cardinality($1::text[]) = 0 OR status = ANY($1))
  AND ($2::text IS NULL OR workflow = $2)
  AND ($3::uuid IS NULL OR root = $3)
  AND ($4::uuid IS NULL OR parent = $4)
  AND ($5::uuid IS NULL OR id < $5)
  AND ($7::text IS NULL OR (labels <> '{}'::jsonb AND labels @> $7::text::jsonb))
ORDER BY id DESC LIMIT $6
