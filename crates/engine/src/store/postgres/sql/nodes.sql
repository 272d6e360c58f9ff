SELECT id, name, host, pid, started, lease_until,
       NOT expired AND lease_until > rackwright_now() AS alive
FROM nodes ORDER BY id
