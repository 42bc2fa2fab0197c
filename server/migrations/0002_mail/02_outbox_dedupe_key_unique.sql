CREATE UNIQUE INDEX outbox_dedupe_key ON outbox (dedupe_key)
