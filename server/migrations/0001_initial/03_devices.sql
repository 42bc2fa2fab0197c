CREATE TABLE devices (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    identifier TEXT NOT NULL,
    name TEXT NOT NULL,
    type INTEGER NOT NULL,
    push_token TEXT,
    refresh_hash TEXT,
    created_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP NOT NULL
)
