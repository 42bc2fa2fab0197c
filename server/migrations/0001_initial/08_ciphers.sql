CREATE TABLE ciphers (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    type INTEGER NOT NULL,
    name TEXT NOT NULL,
    notes TEXT,
    item_key TEXT,
    content TEXT NOT NULL,
    fields TEXT,
    password_history TEXT,
    reprompt INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    revised_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP
)
