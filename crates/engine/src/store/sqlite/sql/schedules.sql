SELECT name, definition, state, due_at, revision, updated_at, updated_by FROM schedules
WHERE ?1 IS NULL OR name = ?1
ORDER BY name
