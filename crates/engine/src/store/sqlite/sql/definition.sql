SELECT version, name, canonical, at FROM definitions WHERE version = ?1
