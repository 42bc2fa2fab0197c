//! A [`mailer`] backend that hands mails to an SMTP server.
//!
//! ```
//! # use std::sync::Arc;
//! use mailer::{Backend, Registry};
//!
//! # fn main() -> Result<(), mailer::Error> {
//! let open = |url: &mut _| mail_smtp::Smtp::from_url(url).map(|smtp| Arc::new(smtp) as Arc<dyn Backend>);
//! let registry = Registry::new().with("smtp", open).with("smtps", open);
//! let backend = registry.open("smtp://vault:secret@smtp.example.org?pool=4")?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - **Two round trips for a mail** where the server takes commands in a row: sender, recipients and the wish to send
//!   go out in one write, and mail and final dot in another. An open connection is used again, and asked whether it
//!   still works only if it lay unused for a while.
//! - **A true outcome.** Until the connection has taken the final dot, the mail was surely not sent. From then on the
//!   outcome is [`Unknown`](mailer::Outcome::Unknown) until a clear answer is read; it is not repeated then.
//! - **A refused recipient stops nobody else's mail**: the receipt names whoever was refused. With `partial=false` it stops
//!   all, at the price of a round trip.
//! - **At most `pool` connections** are open at the same time, those included that are being opened. A call
//!   waits for its turn no longer than its deadline.
//! - **A call that is dropped takes its connection along.** Nobody else will read the answers it was waiting for.
//! - **Nothing is sent in clear** that was not said to be: neither mail nor credentials before TLS, unless the URL
//!   spells it. What was said in clear before `STARTTLS` is forgotten after it, and bytes that came too early end the
//!   connection.
//! - **What a server says cannot hurt**: a reply of more than 64 KiB, one that nobody asked for, and what is no reply
//!   end the connection.
//! - An idle connection that the server has closed is replaced within the same attempt, if the server had
//!   answered nothing about the mail yet.
//!
//! The receipt's provider id is the name in the server's last answer (`queued as …`), or else that answer's first line.
//!
//! # What depends on the server
//!
//! | The server does not offer | Then |
//! |---|---|
//! | `STARTTLS` | [`Tls`](mailer::ErrorKind::Tls), unless the URL says `tls=off` |
//! | `PIPELINING` | each command waits for its answer |
//! | `SIZE` | a mail that is too large is refused only after it was sent |
//! | `SMTPUTF8` | [`Unsupported`](mailer::ErrorKind::Unsupported) for local parts that are not ASCII |
//! | `8BITMIME` | `Unsupported` for mails with bytes over 127, which no mail has that was rendered here |
//! | a mechanism of `AUTH` that is known here | [`Auth`](mailer::ErrorKind::Auth), with the list of both sides |
//! | `EHLO` | `HELO`, and nothing of the above |
//! | a name for the mail in its last answer | the receipt has that answer's first line, or nothing if it is a bare `OK` |
//!
//! # The URL
//!
//! `smtp://user:password@host:port?key=value&…` begins in clear and demands `STARTTLS`, on port 587 if none is named;
//! `smtps://` is TLS from the first byte, on port 465. User and password are percent-encoded. What is not listed here is an
//! error that names it. Times are written as `250ms`, `15s` or `2m`.
//!
//! | Key | Means | Without it |
//! |---|---|---|
//! | `tls` | `off`: in clear; `starttls` | `starttls` |
//! | `ca_file` | a file of root certificates (PEM) to trust, and no others | those of the web |
//! | `accept_invalid_certs` | `true` takes any certificate | `false` |
//! | `accept_invalid_hostnames` | `true` takes a sound certificate of another name | `false` |
//! | `password_file` | a file that holds the password; read for each new connection | |
//! | `auth` | the only mechanism to use: `plain`, `login`, `xoauth2`; for the last the password is a token | `plain`, else `login` |
//! | `auth_in_clear` | `true` sends the credentials also with `tls=off` | `false` |
//! | `helo` | the name to greet with | our address, in brackets |
//! | `pool` | the most connections | `8` |
//! | `mails_per_connection` | after how many a connection is given up | `100` |
//! | `idle` | how long a connection may lie unused | `60s` |
//! | `ping_after` | after how long unused it is asked whether it works | `15s` |
//! | `partial` | `false`: to all recipients or to none | `true` |
//! | `connect_timeout` | reaching the server; and again, the handshake | `10s` |
//! | `greeting_timeout` | its first words | `30s` |
//! | `command_timeout` | the answer to a command | `30s` |
//! | `data_timeout` | each 64 KiB of a mail | `1m` |
//! | `verdict_timeout` | the answer to the whole mail | `5m` |
//! | `timeout` | a whole call, beside the caller's own deadline | none |
//!
//! Credentials that change, such as tokens, come from a [`CredentialsProvider`]. It is asked for each new connection, and
//! once more if the server answers 535; then it is over.
//!
//! # What it cannot do
//!
//! - It speaks to one host. Finding the servers of a recipient's domain is a relay's business.
//! - A server that takes fewer connections than `pool` sends those above away with 421, and their mails are answered with
//!   [`Unavailable`](mailer::ErrorKind::Unavailable), surely not sent. Set `pool` to what the server allows.
//! - A server that says yes before the dot, or nothing after it, is not second-guessed: the former is
//!   [`Protocol`](mailer::ErrorKind::Protocol), the latter `Unknown`.
//! - A port that wants TLS from the start says nothing when it is spoken to in clear, so that mistake costs
//!   `greeting_timeout`. The error says what to try. The other way round it is noticed at once.
//! - `SCRAM`, `OAUTHBEARER` and client certificates.
//!
//! The futures need a tokio runtime with I/O and time; opening the backend needs none. Connections are used by the runtime
//! they were opened in, and not by another. Closing idle connections in time takes a task, which ends with the last of
//! them; where it cannot run, as in a function that is frozen between calls, an old connection is found out when it is next
//! wanted.

#![deny(missing_docs)]

mod auth;
mod backend;
mod body;
mod config;
mod connect;
mod credentials;
mod error;
mod exchange;
mod extensions;
mod pool;
mod provider_id;
mod reply;
mod session;
mod tls;
mod wire;

pub use backend::Smtp;
pub use config::{Mechanism, Options, Roots, Security, Timeouts};
pub use credentials::{Ask, Credentials, CredentialsProvider, PasswordFile, from_fn};
