INSERT INTO definitions (version, name, canonical, at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING
