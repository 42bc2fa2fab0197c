ALTER TABLE outbox ADD COLUMN dedupe_key TEXT
