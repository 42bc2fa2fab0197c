CREATE INDEX folders_user ON folders (user_id, id)
