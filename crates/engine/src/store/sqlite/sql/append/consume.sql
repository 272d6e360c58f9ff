-- $6: [run, id] of each.
DELETE FROM inbox
WHERE id IN (SELECT c.value ->> 1 FROM json_each($6) AS c)
  AND run_id = (SELECT unhex(c.value ->> 0) FROM json_each($6) AS c WHERE c.value ->> 1 = inbox.id)
