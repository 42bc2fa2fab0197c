//! mailer into a maildir or a folder of .eml files.
