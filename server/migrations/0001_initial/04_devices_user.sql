CREATE UNIQUE INDEX devices_user ON devices (user_id, identifier)
