-- ?1 node, ?2 the runs, ?3 number of this call.
UPDATE runs SET
    takeovers = takeovers + (owner IS NOT NULL AND NOT EXISTS (
        -- Another was to blame for its owner's end.
        SELECT 1 FROM nodes n
        WHERE n.id = runs.owner AND n.suspect <> runs.id AND n.suspect_until > n.renewed_at)),
    owner     = ?1,
    epoch     = epoch + 1,
    claim_no  = ?3
WHERE id IN (SELECT unhex(c.value) FROM json_each(?2) AS c)
