UPDATE nodes SET expired = 1, lease_until = min(lease_until, ?2) WHERE id = ?1
