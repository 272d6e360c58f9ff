-- $4: [run, status, wake_at, release, at, version or null, seq, epoch] of each. Only with their rows:
-- what comes too late must not even try what the table forbids.
UPDATE runs SET
    status     = u.value ->> 1,
    wake_at    = u.value ->> 2,
    owner      = CASE WHEN u.value ->> 3 THEN NULL ELSE runs.owner END,
    takeovers  = 0,
    updated_at = u.value ->> 4,
    version    = coalesce(unhex(u.value ->> 5), runs.version)
FROM json_each($4) AS u
WHERE runs.id = unhex(u.value ->> 0)
  AND runs.epoch = u.value ->> 7
  AND EXISTS (SELECT 1 FROM journal j
              WHERE j.run_id = runs.id AND j.seq = u.value ->> 6 AND j.epoch = runs.epoch)
