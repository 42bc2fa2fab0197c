CREATE TABLE mail_events (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    received_at TIMESTAMP NOT NULL
)
