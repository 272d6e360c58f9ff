-- The names ?1 of the request that was made last.
INSERT INTO lock_names (name, ticket)
SELECT n.value, last_insert_rowid() FROM json_each(?1) AS n
WHERE true
ON CONFLICT DO NOTHING
