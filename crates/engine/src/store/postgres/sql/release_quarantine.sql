-- $1 run, $2 key and $3 body of what it is sent.
WITH freed AS (
    UPDATE runs SET
        quarantined_at = NULL, takeovers = 0, status = 'waiting', wake_at = t.now, updated_at = t.now
    FROM (SELECT rackwright_now() AS now) t
    WHERE runs.id = $1 AND runs.quarantined_at IS NOT NULL
    RETURNING runs.id
),
told AS (
    INSERT INTO inbox (run_id, dedup, body) SELECT id, $2, $3 FROM freed ON CONFLICT DO NOTHING
)
SELECT id FROM freed
