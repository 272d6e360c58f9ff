SELECT hash, bytes FROM blobs
WHERE run_id = ?1 AND hash IN (SELECT unhex(h.value) FROM json_each(?2) AS h)
