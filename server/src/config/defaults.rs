//! What holds where the operator says nothing. What is not here follows from these and the data folder.

pub(super) const DATA: &str = "./data";
pub(super) const LISTEN: &str = "127.0.0.1:8443";
pub(super) const DATABASE_CONNECTIONS: &str = "10";
pub(super) const MAIL_FROM: &str = "Undercroft <noreply@localhost>";
/// Whoever can read the mails can take over the accounts.
pub(super) const MAIL_PREVIEW: &str = "off";
pub(super) const TLS: &str = "self-signed";
/// A server that somebody tries out must not be open to strangers by accident.
pub(super) const SIGNUPS: &str = "closed";
pub(super) const UPLOADS: &str = "ticket";
pub(super) const LOG: &str = "info";
