INSERT INTO definitions (version, name, canonical, at) VALUES ($1, $2, $3, rackwright_now())
ON CONFLICT DO NOTHING
