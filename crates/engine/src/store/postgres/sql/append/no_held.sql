held AS (
    SELECT NULL::uuid AS id, NULL::bigint AS epoch WHERE false
)
