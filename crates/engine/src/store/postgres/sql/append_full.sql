-- Rows with what rides along, whole or not at all.
--   $1–$5    every row, sorted by run
--   $6–$17   the runs that rows 0 begin, sorted by key: two writers wait for keys in one order
--   $18–$23  changes of runs
--   $24–$25  inbox rows that are consumed
--   $26–$29  messages: from, to, key, body
--   $30      whether to say which rows went in
--   $31–$33  large values: run, hash, bytes
--   $34      what the runs of rows 0 ask of their nodes
--   $35      the versions that runs of $18 are moved to
-- Where a table is joined, its rows are named by ANY as well: then an index is probed, however the
-- planner joins, also by a plan that was made while the tables were empty.
WITH held AS MATERIALIZED (
    -- Whoever claims these runs now waits for us or has come first; then the epoch tells.
    SELECT id, epoch FROM runs WHERE id = ANY($18::uuid[]) ORDER BY id FOR NO KEY UPDATE
),
made AS (
    INSERT INTO runs (id, workflow, version, idempotency_key, parent, root, labels, status, owner,
                      epoch, wake_at, created_at, updated_at, requires)
    SELECT n.id, n.workflow, n.version, n.key, n.parent, n.root, n.labels::jsonb, n.status,
           n.owner, n.epoch, n.wake_at, n.at, n.at, n.requires::jsonb
    FROM unnest($6::uuid[], $7::text[], $8::bytea[], $9::text[], $10::uuid[], $11::uuid[],
                $12::text[], $13::text[], $14::uuid[], $15::bigint[], $16::bigint[], $17::bigint[],
                $34::text[])
        AS n (id, workflow, version, key, parent, root, labels, status, owner, epoch, wake_at, at,
              requires)
    ON CONFLICT DO NOTHING
    RETURNING id
),
put AS (
    INSERT INTO journal (run_id, seq, epoch, at, events)
    SELECT a.run_id, a.seq, a.epoch, a.at, a.events
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
        AS a (run_id, seq, epoch, at, events)
    LEFT JOIN made ON made.id = a.run_id
    LEFT JOIN held ON held.id = a.run_id
    WHERE CASE
        WHEN a.seq = 0 THEN made.id IS NOT NULL
        ELSE coalesce(held.epoch, (SELECT r.epoch FROM runs r WHERE r.id = a.run_id)) = a.epoch
         AND (SELECT j.seq FROM journal j WHERE j.run_id = a.run_id AND j.seq = a.seq - 1)
             IS NOT NULL
        END
    ON CONFLICT DO NOTHING
    RETURNING run_id
),
changed AS (
    UPDATE runs r SET
        status     = u.status,
        wake_at    = u.wake_at,
        owner      = CASE WHEN u.release THEN NULL ELSE r.owner END,
        takeovers  = 0,
        updated_at = u.at,
        version    = coalesce(u.version, r.version)
    FROM unnest($18::uuid[], $19::text[], $20::bigint[], $21::boolean[], $22::bigint[],
                $23::boolean[], $35::bytea[])
        AS u (run_id, status, wake_at, release, at, ended, version)
    JOIN put ON put.run_id = u.run_id
    WHERE r.id = u.run_id AND r.id = ANY($18::uuid[])
),
read AS (
    DELETE FROM inbox i
    USING unnest($24::uuid[], $25::bigint[]) AS c (run_id, id)
    JOIN put ON put.run_id = c.run_id
    WHERE i.id = c.id AND i.run_id = c.run_id AND i.id = ANY($25::bigint[])
),
cleared AS (
    DELETE FROM inbox i
    USING unnest($18::uuid[], $23::boolean[]) AS u (run_id, ended)
    JOIN put ON put.run_id = u.run_id
    WHERE u.ended AND i.run_id = u.run_id AND i.run_id = ANY($18::uuid[])
),
sent AS (
    INSERT INTO inbox (run_id, dedup, body)
    SELECT s.run_id, s.dedup, s.body
    FROM unnest($26::uuid[], $27::uuid[], $28::text[], $29::bytea[])
        WITH ORDINALITY AS s (sender, run_id, dedup, body, place)
    JOIN put ON put.run_id = s.sender
    WHERE coalesce((SELECT r.status FROM runs r WHERE r.id = s.run_id), 'pending')
          NOT IN ('completed', 'failed', 'cancelled')
    ORDER BY s.run_id, s.place
    ON CONFLICT DO NOTHING
),
kept AS (
    INSERT INTO blobs (run_id, hash, bytes)
    SELECT b.run_id, b.hash, b.bytes
    FROM unnest($31::uuid[], $32::bytea[], $33::bytea[]) AS b (run_id, hash, bytes)
    JOIN put ON put.run_id = b.run_id
    ON CONFLICT DO NOTHING
)
SELECT count(*), CASE WHEN $30 THEN array_agg(run_id) END FROM put
