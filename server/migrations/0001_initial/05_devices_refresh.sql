CREATE UNIQUE INDEX devices_refresh ON devices (refresh_hash)
