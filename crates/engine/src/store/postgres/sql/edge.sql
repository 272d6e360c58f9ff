-- The family of this workflow that is over and that $2 others outlived.
SELECT updated_at, id FROM runs
WHERE workflow = $1 AND parent IS NULL AND status IN ('completed', 'failed', 'cancelled')
ORDER BY workflow DESC, updated_at DESC, id DESC OFFSET $2 LIMIT 1
