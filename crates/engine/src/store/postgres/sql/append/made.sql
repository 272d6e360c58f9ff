made AS (
    INSERT INTO runs (id, workflow, version, idempotency_key, parent, root, labels, status, owner,
                      epoch, wake_at, created_at, updated_at, requires)
    SELECT n.id, n.workflow, n.version, n.key, n.parent, n.root, n.labels::jsonb, n.status,
           n.owner, n.epoch, n.wake_at, n.at, n.at, n.requires::jsonb
    FROM unnest($6::uuid[], $7::text[], $8::bytea[], $9::text[], $10::uuid[], $11::uuid[],
                $12::text[], $13::text[], $14::uuid[], $15::bigint[], $16::bigint[], $17::bigint[],
                $34::text[])
        AS n (id, workflow, version, key, parent, root, labels, status, owner, epoch, wake_at, at,
              requires)
    ON CONFLICT DO NOTHING
    RETURNING id
)
