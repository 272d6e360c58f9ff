made AS (
    SELECT NULL::uuid AS id WHERE false
)
