SELECT hash, bytes FROM blobs WHERE run_id = $1 AND hash = ANY($2::bytea[])
