UPDATE nodes SET lease_until = ?2 + ?3, renewed_at = ?2
WHERE id = ?1 AND expired = 0 AND lease_until > ?2
RETURNING draining
