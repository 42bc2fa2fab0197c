//! mailer in memory, for tests.
