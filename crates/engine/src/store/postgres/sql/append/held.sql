held AS MATERIALIZED (
    -- Whoever claims these runs now waits for us or has come first; then the epoch tells.
    SELECT id, epoch FROM runs WHERE id = ANY($18::uuid[]) ORDER BY id FOR NO KEY UPDATE
)
