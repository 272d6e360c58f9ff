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
)
