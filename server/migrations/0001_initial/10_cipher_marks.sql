CREATE TABLE cipher_marks (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    cipher_id TEXT NOT NULL REFERENCES ciphers (id) ON DELETE CASCADE,
    folder_id TEXT REFERENCES folders (id) ON DELETE SET NULL,
    favorite BOOLEAN NOT NULL,
    archived_at TIMESTAMP,
    PRIMARY KEY (user_id, cipher_id)
)
