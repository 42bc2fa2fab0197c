CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    kind TEXT,
    mail TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    generation BIGINT NOT NULL,
    due_at TIMESTAMP NOT NULL,
    created_at TIMESTAMP NOT NULL,
    settled_at TIMESTAMP,
    last_error TEXT
)
