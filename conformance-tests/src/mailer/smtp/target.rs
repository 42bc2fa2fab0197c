//! What the suite asks of a backend that speaks SMTP: to whom, how safely, as whom, and within which bounds.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;

/// A server of the suite, and how a backend shall speak to it.
///
/// A harness makes a backend of it. What the adapter has no setting for, and does not do by itself either, the harness
/// answers with [`Absent`](crate::Absent), naming the setting, if it differs from what [`plain`](Self::plain) says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The name under which it is addressed and which its certificate must bear. It resolves to a loopback address, so
    /// an adapter that takes names only can connect to it with the port of `address`.
    pub host: String,
    /// How the connection is made private.
    pub security: Security,
    /// The only authority to trust, as PEM; `None` for those that the adapter trusts by itself.
    pub authority: Option<String>,
    /// Take any certificate, whoever signed it, for whatever name and time.
    pub accept_invalid_certificates: bool,
    /// Who we are; `None` to send no `AUTH`.
    pub login: Option<Login>,
    /// Say who we are even though the connection is not private.
    pub login_in_clear: bool,
    /// The most connections that may be open at the same time; never 0.
    pub connections: usize,
    /// After how many mails a connection is given up; `None` for no limit.
    pub mails_per_connection: Option<usize>,
    /// How long a connection may lie unused and still be used again.
    pub idle: Duration,
    /// How long one step may take: connecting, the greeting, the handshake, an answer. What a
    /// [`Context`](::mailer::Context) says bounds the whole call beside it.
    pub step_timeout: Duration,
    /// A mail that is refused for one recipient goes to none.
    pub all_or_nothing: bool,
}

/// How a connection is made private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// By `STARTTLS`, without which nothing is sent.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// Who we are, and how to prove it.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// Where the password or the token comes from.
    pub secret: Secret,
    /// The only mechanism to use; `None` for the best that both sides know.
    pub mechanism: Option<Mechanism>,
}

/// A way to prove who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// User and password in one line.
    Plain,
    /// User and password in a line each.
    Login,
    /// A token.
    Xoauth2,
}

/// A password or a token.
#[derive(Clone)]
pub enum Secret {
    /// Always the same.
    Fixed(String),
    /// Whatever this says when asked, which is for each new connection and once more if the server refuses it.
    Asked(Arc<dyn Provider>),
}

/// Knows the secret of the moment.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The secret, or why there is none now.
    async fn secret(&self) -> Result<String, String>;
}

impl Target {
    /// In clear, as nobody, over at most 4 connections, without any bound that is met in a sound run.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            host: "localhost".into(),
            security: Security::None,
            authority: None,
            accept_invalid_certificates: false,
            login: None,
            login_in_clear: false,
            connections: 4,
            mails_per_connection: None,
            idle: Duration::from_mins(1),
            step_timeout: Duration::from_mins(1),
            all_or_nothing: false,
        }
    }
}

impl Login {
    /// A user with a password, by any mechanism but that for tokens.
    pub fn fixed(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), secret: Secret::Fixed(password.to_owned()), mechanism: None }
    }

    /// A user whose secret is asked for.
    pub fn asked(user: &str, provider: Arc<dyn Provider>) -> Self {
        Self { user: user.to_owned(), secret: Secret::Asked(provider), mechanism: None }
    }

    /// By this mechanism alone.
    #[must_use]
    pub fn by(mut self, mechanism: Mechanism) -> Self {
        self.mechanism = Some(mechanism);
        self
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed(…)",
            Self::Asked(_) => "Asked(…)",
        })
    }
}
