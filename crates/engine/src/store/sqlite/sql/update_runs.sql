-- ?1: [run, status, wake_at, release, at, version or null] of each.
UPDATE runs SET
    status     = u.value ->> 1,
    wake_at    = u.value ->> 2,
    owner      = CASE WHEN u.value ->> 3 THEN NULL ELSE runs.owner END,
    takeovers  = 0,
    updated_at = u.value ->> 4,
    version    = coalesce(unhex(u.value ->> 5), runs.version)
FROM json_each(?1) AS u
WHERE runs.id = unhex(u.value ->> 0)
