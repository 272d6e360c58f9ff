SELECT version, name, canonical, at FROM definitions
WHERE ?1 IS NULL OR name = ?1
ORDER BY name, at DESC, version
