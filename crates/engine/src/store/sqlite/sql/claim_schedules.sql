-- ?1 now, ?2 for how long, ?3 limit.
UPDATE schedules SET held_until = ?1 + ?2
WHERE name IN (
    SELECT name FROM schedules
    WHERE due_at IS NOT NULL AND due_at <= ?1 AND (held_until IS NULL OR held_until <= ?1)
    ORDER BY due_at
    LIMIT ?3)
RETURNING name, definition, state, due_at, revision, updated_at, updated_by
