SELECT id, run_id, dedup, body FROM inbox WHERE run_id = ANY($1::uuid[]) ORDER BY run_id, id
