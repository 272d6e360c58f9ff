INSERT INTO runs (id, workflow, version, idempotency_key, parent, root, labels, status, owner,
                  epoch, wake_at, created_at, updated_at, requires)
SELECT unhex(n.value ->> 'id'), n.value ->> 'workflow', unhex(n.value ->> 'version'),
       n.value ->> 'key', unhex(n.value ->> 'parent'), unhex(n.value ->> 'root'),
       n.value -> 'labels', n.value ->> 'status', unhex(n.value ->> 'owner'),
       n.value ->> 'epoch', n.value ->> 'wake_at', n.value ->> 'at', n.value ->> 'at',
       nullif(n.value -> 'requires', 'null')
FROM json_each($3) AS n
WHERE true
ON CONFLICT DO NOTHING
