//! [`mailer`] backends that hand mails to this computer: to a program, or into files.
//!
//! | | opened by | one mail is |
//! |---|---|---|
//! | [`Sendmail`] | `sendmail:`, `sendmail:///usr/bin/msmtp` | a run of the program, with the bytes on its standard input |
//! | [`Maildir`] | `maildir:///var/mail-drop` | a file in `new/`: the envelope in lines at the top, then the bytes |
//! | [`Eml`] | `eml:///var/mail-drop` | `<name>.eml`, the bytes and nothing else, and `<name>.json`, the envelope |
//!
//! # Files
//!
//! For development, for tests of whole programs, and for hosts where something else picks the mails up. A mail
//! appears under its final name at once and whole, and only after its bytes are on the disk; then the folder
//! is synced too, so a mail that was taken survives a power cut.
//!
//! Files are written with mode 0600 and folders made with 0700: mails hold codes and links. Whoever may read the
//! folder sees all recipients, those of hidden copies included.
//!
//! Both can be looked at in a browser: each is a [`Source`](mailer::preview::Source). A maildir does not say of what
//! kind its mails are.
//!
//! The futures need a tokio runtime with its timer on; files are written on its threads for blocking work.

#![deny(missing_docs)]

mod config;
mod drop_box;
mod eml;
mod error;
mod gate;
mod maildir;
mod preview;
#[cfg(unix)]
mod sendmail;

pub use config::SendmailOptions;
pub use eml::{Eml, EnvelopeFile};
pub use maildir::{Maildir, Trace};
#[cfg(unix)]
pub use sendmail::Sendmail;
