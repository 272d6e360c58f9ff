INSERT INTO windows (name, definition, updated_at, updated_by) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (name) DO UPDATE SET
    definition = excluded.definition,
    updated_at = excluded.updated_at,
    updated_by = excluded.updated_by
