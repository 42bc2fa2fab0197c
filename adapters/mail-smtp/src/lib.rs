//! A [`mailer`] backend that speaks SMTP.

#![deny(missing_docs)]
