-- Runs that an earlier call took for ?1 without its answer being heard, now under this call's number.
UPDATE runs SET claim_no = ?3
WHERE owner = ?1 AND claim_no IN (SELECT l.value FROM json_each(?2) AS l)
RETURNING id, epoch, status, version, root, parent, NULL AS taken_from, takeovers
