-- ?1 node, ?2 the runs that it is about to take, ?3 until when it takes no other suspect.
UPDATE nodes SET suspect = s.id, suspect_until = ?3
FROM (SELECT r.id FROM runs r
      WHERE r.id IN (SELECT unhex(c.value) FROM json_each(?2) AS c)
        AND r.owner IS NOT NULL AND r.takeovers > 0) AS s
WHERE nodes.id = ?1
