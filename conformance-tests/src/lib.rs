//! Conformance suites for the contracts persistent-fs, mailer and dbconn.
