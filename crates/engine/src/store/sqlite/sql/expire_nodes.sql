UPDATE nodes SET expired = 1 WHERE expired = 0 AND lease_until <= ?2 AND id <> ?1
