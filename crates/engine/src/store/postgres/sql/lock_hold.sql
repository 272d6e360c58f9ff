-- Whoever changes locks does so alone: the order of tickets is the order of commits, and no two
-- grants look past each other. The number is ours alone in the database ("rwlock" in ASCII).
SELECT pg_advisory_xact_lock(125857245913963)
