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
///
/// One connection is opened in this order:
///
/// 1. The pool reads the time and calls [`credentials`](Backend::credentials) with attempt 0.
/// 2. It looks at their end. What has expired is not sent: `Denied`, and the server never hears of
///    it, so that no account is locked on account of a clock that runs late.
/// 3. It connects and logs in with them.
/// 4. If the server refuses the login, and only then, it calls [`refused`](Backend::refused) and
///    does as the verdict says. Renewed credentials come with attempt 1.
///
/// All of this together takes the pool's connect timeout at most. Calls for different connections
/// overlap, in any order, from any thread: a backend that keeps something keeps it behind a lock,
/// and [`Rotating`](crate::Rotating) is the one that is already there.
///
/// Implement `Debug` by hand if a field holds a secret in another form than [`Secret`]. The pool
/// prints its backend.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// Where the database is and what its engine can do.
    ///
    /// The answer does not change during the backend's life: the pool prepares TLS from it once, and
    /// decides by it how many may write. A database that moves to another host is another backend.
    /// The call neither blocks nor fails, so an adapter checks its configuration when it is built.
    fn target(&self) -> &Target;

    /// Credentials for a connection that is about to be opened.
    ///
    /// The pool asks once for each new connection and never for one it uses again. SQLite has no users; the pool asks
    /// all the same and ignores the answer, so that a backend behaves alike everywhere. What comes back must be valid
    /// now: the pool refuses to send credentials whose `not_after` has passed. User name and password reach the server
    /// byte for byte.
    ///
    /// Errors reach whoever waits for the connection, as they are, and close nothing that is open:
    ///
    /// - `Denied`: the source will not give them, and asking again will not help.
    /// - `Unavailable`: the source cannot be reached, or is not ready. The caller may try later.
    /// - `Config`: what the source holds is not what was configured, such as a missing file.
    ///
    /// The outcome is always `NotApplied`, since nothing was sent. The text names neither the secret
    /// nor a URL that may hold one. The pool does not repeat the call by itself.
    ///
    /// The call is cut when the pool's connect timeout ends, and the caller gets `Timeout`. Dropping
    /// the future leaves the backend as it was: what was fetched may be lost, what is kept is not.
    async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error>;

    /// The server has refused these credentials: what now?
    ///
    /// Called once for each refusal of a login, never for other failures to connect. A [`Verdict::Renew`] is honoured
    /// once per connection, so a backend cannot cause a storm of logins. [`Verdict::Wait`] is honoured
    /// until the connect timeout ends. By default the refusal is final, and the caller gets `Denied`.
    ///
    /// Refusals are the failures of class 28 (wrong password, unknown role, no entry for this host)
    /// and a role that may not connect (`42501`). A database that does not exist, a server that is
    /// full or starting up and a certificate that does not verify are none, since other credentials
    /// would not mend them.
    ///
    /// A backend that keeps credentials must compare before it throws some away: connections are
    /// opened side by side, and the refused ones may have been replaced in the meantime.
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
///
/// A source that signs its tokens needs the host and the user's role from the target, and the time
/// for the signature. One that reads a file needs none of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// Where they will be used.
    pub target: &'a Target,
    /// The time now, by the clock that will judge their expiry. Use this one, and not the computer's:
    /// a test moves it, and two clocks in one decision disagree some day.
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
///
/// `Debug` shows the user, the end and the generation, and never the password.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use dbconn::{Credentials, Secret};
///
/// let mut credentials = Credentials::new("app", Secret::new("token"));
/// let end = UNIX_EPOCH + Duration::from_secs(900);
/// assert!(!credentials.expired_at(end), "without a known end they never expire");
/// credentials.not_after = Some(end);
/// assert!(!credentials.expired_at(end - Duration::from_nanos(1)));
/// assert!(credentials.expired_at(end), "the end itself is too late");
/// assert!(!format!("{credentials:?}").contains("token"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user, or database role. May change with a rotation, just as the password may.
    pub user: String,
    /// The password or token.
    pub password: Secret,
    /// When the server stops accepting them for *new* connections; `None` if that is not known. For a signed token
    /// this is the earlier of the token's own end and the end of whatever signed it. Sessions that are
    /// open by then go on; how long they may is [`Profile::max_session`](crate::Profile::max_session).
    pub not_after: Option<SystemTime>,
    /// Which of the source's credentials these are.
    pub generation: Generation,
}

/// Tells one set of credentials from the next. Larger means newer; what the numbers are is the source's affair.
///
/// The version of a secret in its store is a good one, or a counter. Sources that cannot tell leave
/// the default for all of them. The pool makes no decision by it: it is there for log lines, and
/// for tests that ask whether a rotation has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Credentials {
    /// A user and a password without a known end.
    pub fn new(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password, not_after: None, generation: Generation::default() }
    }

    /// For endpoints that have no users: an empty name, an empty password, no end.
    pub fn none() -> Self {
        Self::new("", Secret::default())
    }

    /// Whether the server would refuse them at this time, on account of their age. The end itself is
    /// refused already, as servers do.
    pub fn expired_at(&self, now: SystemTime) -> bool {
        self.not_after.is_some_and(|end| end <= now)
    }
}

/// Why the server refused a login.
///
/// This is what the server sent, for a backend to decide by. It holds no credentials; a server may
/// put the user's name into its words, so they belong into no message to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The server's five-character code: `28P01` for a wrong password, `28000` for other reasons.
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
    /// Try the same credentials again after this pause, within the connect timeout. For servers that
    /// take a moment to learn of credentials which were just made.
    Wait(Duration),
}
