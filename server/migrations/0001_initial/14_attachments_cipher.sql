CREATE INDEX attachments_cipher ON attachments (cipher_id, id)
