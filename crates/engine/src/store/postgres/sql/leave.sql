WITH t AS MATERIALIZED (SELECT rackwright_now() AS now),
released AS (
    UPDATE runs SET
        owner     = NULL,
        takeovers = 0,
        wake_at   = CASE WHEN runs.status IN ('paused', 'attention') THEN NULL ELSE t.now END
    FROM t WHERE runs.owner = $1
)
DELETE FROM nodes WHERE id = $1
