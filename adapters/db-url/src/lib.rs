//! dbconn to the SQLite file or Postgres server that a URL names.
