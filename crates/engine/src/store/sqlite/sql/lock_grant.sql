-- Grants the tickets ?1 at ?2.
UPDATE lock_requests SET granted_at = ?2
WHERE ticket IN (SELECT t.value FROM json_each(?1) AS t)
