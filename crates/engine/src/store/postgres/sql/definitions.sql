SELECT version, name, canonical, at FROM definitions
WHERE $1::text IS NULL OR name = $1
ORDER BY name COLLATE "C", at DESC, version
