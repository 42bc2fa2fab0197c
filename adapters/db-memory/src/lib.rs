//! dbconn to a SQLite database in memory.
