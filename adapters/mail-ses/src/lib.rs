//! A [`mailer`] backend for Amazon SES, version 2 of its interface, and the events that SES sends back.
//!
//! [`Ses`] hands each mail over in one request, as the bytes it was rendered to, for exactly the recipients of its
//! envelope. What fails is not repeated behind the caller's back; the error says whether the mail may have gone out.
//! [`events`] reads what SES tells later.
//!
//! # Opening
//!
//! From [`Options`], or from a URL, `ses://<region>?…`:
//!
//! | Key | Meaning | If absent |
//! |---|---|---|
//! | `set` | the configuration set | the identity's own |
//! | `feedback` | the address that SES mails bounces and complaints to | the author |
//! | `tags` | `name:value,name:value`, for every mail | none |
//! | `kind_tag` | the name of a tag that says what kind a mail is | no such tag |
//! | `endpoint` | where to ask | from the [`Environment`]; then the region's usual address |
//! | `connect_timeout`, `timeout` | such as `15s`, for connecting and for a whole call | 5 s, 30 s |
//! | `access_key_id`, `secret_access_key`, `session_token` | who asks | see `credentials` |
//! | `credentials` | `environment`, or `sdk` (the AWS SDK's own chain; needs the feature `aws-config`) | `environment` |
//! | `profile` | with `credentials=sdk`: this profile alone | the whole chain |
//!
//! Nothing reads the process's environment but `credentials=sdk`; the [`Environment`] is passed in. There is one client for
//! each region that is opened, and it keeps its connections. Its roots of trust are the operating system's.
//!
//! # What SES is and is not
//!
//! - At most 50 recipients, and 40 MiB of base64, which is 30 MiB of mail; a local part has to be ASCII. More is refused
//!   before any request.
//! - `Message-ID` and `Date` are replaced, so a signature (DKIM) must not cover them. The receipt names the id that readers
//!   see; [`Event::message_id`](mailer::events::Event::message_id) is the one that was handed over.
//! - There is no envelope sender of one's own; bounces go to `feedback` or to the author. Nor does a request name the author:
//!   where it does, SES writes that over the header, and a display name is lost.
//! - All recipients are given as `To`. For raw mails `To`, `Cc` and `Bcc` of a request are one list, and no header is made
//!   of them.
//! - A mail has no key by which SES would know it again, so nothing is deduplicated.
//! - A rate that is too high and a day's quota that is used up come under one name; they are told apart by SES's words.
//!   [`Ses::quota`] says what is allowed, counted in recipients.
//! - An id does not prove that the mail is sent: SES may still reject what it finds inside. That is an event.
//!
//! # When a mail counts as perhaps sent
//!
//! When the connection has taken the last byte of the request. An error before that is surely not sent, whatever it is:
//! credentials, names, TLS, an upload that was cut or stalled. After that it is unknown until SES answers with a code below
//! 500. So a function that was frozen in the middle of a call wakes up to an outcome that is unknown, and not to a guess.
//!
//! # Permissions
//!
//! `ses:SendRawEmail` on the identity, and on the configuration set where one is used. [`check`](mailer::Backend::check) and
//! [`Ses::quota`] need `ses:GetAccount`; without it a check answers [`Auth`](mailer::ErrorKind::Auth), though mails may
//! be taken.

#![deny(missing_docs)]

mod account;
mod backend;
mod config;
mod error;
pub mod events;
mod gate;
mod handover;
#[cfg(feature = "aws-config")]
mod sdk;

pub use account::{Account, Quota};
pub use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
pub use backend::Ses;
pub use config::{Environment, Options};
