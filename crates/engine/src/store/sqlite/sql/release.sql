UPDATE runs SET
    owner     = NULL,
    takeovers = 0,
    wake_at   = CASE WHEN status IN ('paused', 'attention') THEN NULL ELSE ?2 END
WHERE owner = ?1
