-- What nobody has is taken out and its run told; who has it learns of it. Not by what this
-- statement's snapshot says of leases: a worker may just be taking it.
WITH w AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::boolean[]) AS w (run_id, task, recall)
),
withdrawn AS (
    DELETE FROM tasks t USING w
    WHERE t.run_id = w.run_id AND t.task = w.task AND t.lease_until IS NULL
    RETURNING t.id, t.run_id, CASE WHEN w.recall THEN t.lost ELSE t.refused END AS said
),
told AS (
    UPDATE tasks t SET stop = true FROM w
    WHERE t.run_id = w.run_id AND t.task = w.task AND NOT w.recall
      AND t.id NOT IN (SELECT id FROM withdrawn)
)
INSERT INTO inbox (run_id, dedup, body)
SELECT run_id, 'task ' || id || ' taken back', said FROM withdrawn ORDER BY id
ON CONFLICT DO NOTHING
RETURNING run_id
