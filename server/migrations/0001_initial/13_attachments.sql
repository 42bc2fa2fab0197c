CREATE TABLE attachments (
    id TEXT NOT NULL PRIMARY KEY,
    cipher_id TEXT NOT NULL REFERENCES ciphers (id) ON DELETE CASCADE,
    file_name TEXT NOT NULL,
    item_key TEXT,
    size BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    uploaded_at TIMESTAMP
)
