//! The cases for backends that speak SMTP, against a server that misbehaves on purpose.
//!
//! A backend joins by [`Harness::open_smtp`](super::Harness::open_smtp). Every case sends a mail into some trouble, looks
//! at what the error says, and then sends another one, which must arrive as itself.
//!
//! # What a server's no means
//!
//! The first digit of the reply says whether it may pass: 4 is [`Transient`](::mailer::Disposition::Transient), 5 is
//! [`Permanent`](::mailer::Disposition::Permanent). A clear no is always [`NotApplied`](::mailer::Outcome::NotApplied).
//! Where it came, and to what, says the rest; the stage is that of the command which was answered.
//!
//! | Reply | To | Kind | Scope | Stage |
//! |---|---|---|---|---|
//! | 4xx, 5xx | the connection, `EHLO`, `HELO` | `Unavailable` | transport | connect |
//! | 4xx, 5xx | `STARTTLS` | `Tls` | transport | tls |
//! | 4xx, 5xx | `AUTH` | `Auth` | transport | auth |
//! | 421 | any command | `Unavailable` | transport | of the command |
//! | 530 | any command | `Auth` | transport | of the command |
//! | 4xx | `MAIL`, `DATA`, the mail | `Unavailable` | transport | envelope, data, verdict |
//! | 5xx | `MAIL`, `DATA`, the mail | `Refused` | message | envelope, data, verdict |
//! | 4xx, 5xx | every `RCPT` | `Refused` | recipients | envelope |
//! | 552, or any with 5.3.4 | `MAIL`, `DATA`, the mail | `TooLarge` | message | envelope, data, verdict |
//! | 454 that speaks of throttling and a rate | `MAIL`, `DATA`, the mail | `Throttled` | transport | envelope, data, verdict |
//! | 454 that speaks of throttling and a quota | `MAIL`, `DATA`, the mail | `Quota` | transport | envelope, data, verdict |
//! | what is no reply, or of no known class | anything | `Protocol` | transport | of the command |
//!
//! Before the dot that ends the mail is written, `Protocol`, `Timeout` and `Unavailable` are `NotApplied`; after it, and
//! before a clear answer, they are `Unknown`.

mod auth;
mod cancellation;
mod errors;
mod odd;
mod partial;
mod pool;
mod post;
mod rude;
mod target;
mod tls;

use crate::Case;

use super::Harness;

pub use target::{Login, Mechanism, Provider, Secret, Security, Target};

/// All cases for backends that speak SMTP.
pub fn cases() -> Vec<Case<dyn Harness>> {
    [
        errors::cases(),
        partial::cases(),
        rude::cases(),
        odd::cases(),
        tls::cases(),
        auth::cases(),
        pool::cases(),
        cancellation::cases(),
    ]
    .concat()
}
