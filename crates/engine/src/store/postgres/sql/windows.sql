SELECT name, definition, updated_at, updated_by FROM windows ORDER BY name
