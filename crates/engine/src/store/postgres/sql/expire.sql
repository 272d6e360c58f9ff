UPDATE nodes SET expired = true, lease_until = least(lease_until, rackwright_now()) WHERE id = $1
