INSERT INTO blobs (run_id, hash, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING
