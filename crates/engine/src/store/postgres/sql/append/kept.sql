kept AS (
    INSERT INTO blobs (run_id, hash, bytes)
    SELECT b.run_id, b.hash, b.bytes
    FROM unnest($31::uuid[], $32::bytea[], $33::bytea[]) AS b (run_id, hash, bytes)
    JOIN put ON put.run_id = b.run_id
    ON CONFLICT DO NOTHING
)
