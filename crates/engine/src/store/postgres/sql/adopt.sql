-- Runs that an earlier call took for $1 without its answer being heard, now under this call's number.
UPDATE runs r SET claim_no = $3
WHERE r.owner = $1 AND r.claim_no = ANY($2::bigint[])
RETURNING r.id, r.epoch, r.status, r.version, r.root, r.parent, NULL::uuid AS taken_from,
          r.takeovers
