//! A [`mailer`] backend for Amazon SES, version 2 of its interface.

#![deny(missing_docs)]
