-- ?1 name, ?2 revision, ?3 state, ?4 due at.
UPDATE schedules SET state = ?3, due_at = ?4, held_until = NULL, revision = revision + 1
WHERE name = ?1 AND revision = ?2
