INSERT INTO schedules (name, definition, state, due_at, updated_at, updated_by)
VALUES ($1, $2, $3, $4, rackwright_now(), $5)
ON CONFLICT (name) DO UPDATE SET
    definition = excluded.definition,
    state      = excluded.state,
    due_at     = excluded.due_at,
    held_until = NULL,
    revision   = schedules.revision + 1,
    updated_at = excluded.updated_at,
    updated_by = excluded.updated_by
