-- ?1 run, ?2 now.
UPDATE runs SET
    quarantined_at = NULL,
    takeovers      = 0,
    status         = 'waiting',
    wake_at        = ?2,
    updated_at     = ?2
WHERE id = ?1 AND quarantined_at IS NOT NULL
