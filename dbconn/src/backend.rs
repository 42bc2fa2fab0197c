//! The contract that adapters implement: who am I to this endpoint, and until when.

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;

use crate::{Error, Secret, Target};

/// A source of credentials for one database.
///
/// Adapters implement this; applications hold a `Pool` over it. A backend opens no connection itself: it says where
/// the database is and, whenever a connection is about to be opened, as whom.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// Where the database is and what its engine can do.
    ///
    /// The answer does not change during the backend's life.
    fn target(&self) -> &Target;

    /// Credentials for a connection that is about to be opened.
    ///
    /// The pool asks once for each new connection and never for one it uses again. SQLite has no users; the pool asks
    /// all the same and ignores the answer, so that a backend behaves alike everywhere. What comes back must be valid
    /// now: the pool refuses to send credentials whose `not_after` has passed. User name and password reach the server
    /// byte for byte.
    ///
    /// Errors reach whoever waits for the connection, as they are. `Denied`: the source will not give them.
    /// `Unavailable`: the source cannot be reached. The call is cut when the pool's connect timeout ends.
    ///
    /// Dropping the future leaves the backend as it was.
    async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error>;

    /// The server has refused these credentials: what now?
    ///
    /// Called once for each refusal of a login, never for other failures to connect. A [`Verdict::Renew`] is honoured
    /// once per connection, so a backend cannot cause a storm of logins. By default the refusal is final.
    ///
    /// Dropping the future leaves the backend as it was.
    async fn refused(&self, credentials: &Credentials, refusal: &Refusal) -> Verdict {
        let _ = (credentials, refusal);
        Verdict::GiveUp
    }
}

#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn target(&self) -> &Target {
        (**self).target()
    }

    async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
        (**self).credentials(ask).await
    }

    async fn refused(&self, credentials: &Credentials, refusal: &Refusal) -> Verdict {
        (**self).refused(credentials, refusal).await
    }
}

/// For what credentials are wanted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// Where they will be used.
    pub target: &'a Target,
    /// The time now, by the clock that will judge their expiry.
    pub now: SystemTime,
    /// 0 for the first attempt at a connection, 1 after a refusal that was answered by [`Verdict::Renew`].
    pub attempt: u32,
}

impl<'a> Ask<'a> {
    /// A first request for this target.
    pub fn new(target: &'a Target, now: SystemTime) -> Self {
        Self { target, now, attempt: 0 }
    }
}

/// Who we are to the server, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user, or database role. May change with a rotation, just as the password may.
    pub user: String,
    /// The password or token.
    pub password: Secret,
    /// When the server stops accepting them for *new* connections; `None` if that is not known. For a signed token
    /// this is the earlier of the token's own end and the end of whatever signed it.
    pub not_after: Option<SystemTime>,
    /// Which of the source's credentials these are.
    pub generation: Generation,
}

/// Tells one set of credentials from the next. Larger means newer; what the numbers are is the source's affair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Credentials {
    /// A user and a password without a known end.
    pub fn new(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password, not_after: None, generation: Generation::default() }
    }

    /// For endpoints that have no users.
    pub fn none() -> Self {
        Self::new("", Secret::default())
    }

    /// Whether the server would refuse them at this time.
    pub fn expired_at(&self, now: SystemTime) -> bool {
        self.not_after.is_some_and(|end| end <= now)
    }
}

/// Why the server refused a login.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The server's five-character code.
    pub sqlstate: String,
    /// The server's words.
    pub message: String,
    /// The server's advice. Some servers say only here that a token has expired.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal with the given code and words.
    pub fn new(sqlstate: impl Into<String>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self { sqlstate: sqlstate.into(), message: message.into(), hint }
    }
}

/// What to do about a refused login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Report it to the caller.
    GiveUp,
    /// Ask for credentials again, and try once more.
    Renew,
    /// Try the same credentials again after this pause, within the connect timeout.
    Wait(Duration),
}
