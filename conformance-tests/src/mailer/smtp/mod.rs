//! The cases for backends that speak SMTP, against a server that misbehaves on purpose.
//!
//! A backend joins by [`Harness::open_smtp`]. Every case sends a mail into some trouble, looks
//! at what the error says, and then sends another one, which must arrive as itself.
//!
//! What a server's no means, the [documentation of `mailer`](::mailer) says. Beside it these cases hold a backend to what
//! everybody expects who has run a mail server:
//!
//! - Before the dot that ends the mail is written, whatever goes wrong is `NotApplied`; after it, and before a clear
//!   answer, it is `Unknown`, and the mail is not sent again.
//! - Each step ends in time, and the deadline of the call bounds all of them together.
//! - A connection that lies idle may say goodbye or be closed, and that costs no mail.
//! - What was announced is heeded: `SIZE`, `SMTPUTF8`, `8BITMIME`; what was not is not used.
//! - Where privacy was asked for, nobody who listens learns more than a name. Credentials are sent in clear only to those
//!   who say so, and told in no error.
//! - A secret that is refused with 535 is asked for once more, and no third time.
//! - No more connections are open than allowed, and none is left behind by a call, however it ends.

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
