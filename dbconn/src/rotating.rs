//! Keeps credentials that are costly to fetch, and renews them before they end.

use std::{
    fmt::Debug,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::{Ask, Backend, Credentials, Error, Refusal, Target, Verdict};

/// A layer over a source whose credentials cost a network call: a secret store, a token service.
///
/// - Credentials are fetched when first needed and kept.
/// - They are renewed from `ahead` before their end, by whoever opens a connection then. There is no timer, so a
///   process that was frozen is right at its first breath.
/// - One renewal runs at a time, and everybody else who needs it waits for its result.
/// - If a renewal fails while the kept credentials are still valid, those are used.
/// - If the server refuses the kept credentials they are fetched anew at once, whatever their end.
///
/// Dropping a caller that is fetching lets the next one fetch.
///
/// What the source says is passed on: its target as it is, its errors as they are once nothing
/// valid is kept. The renewal is judged by the time in [`Ask::now`], never by a clock of its own.
/// Credentials without an end are kept until the server refuses them.
///
/// After a refusal the verdict is [`Verdict::Renew`], whatever the source said, unless the source
/// asks to wait. So a password that was changed before its announced end costs one refused login,
/// not an outage.
///
/// Sessions that are open are not touched by a renewal. To have them end as well, give the pool a
/// `max_age` below the time for which the server lets old sessions live.
///
/// ```
/// # use std::{sync::atomic::{AtomicU64, Ordering}, time::{Duration, UNIX_EPOCH}};
/// # use async_trait::async_trait;
/// # use dbconn::{Ask, Backend, Credentials, Error, Generation, Location, Rotating, Secret, Target};
/// # #[derive(Debug)]
/// # struct Store { target: Target, fetched: AtomicU64 }
/// # #[async_trait]
/// # impl Backend for Store {
/// #     fn target(&self) -> &Target { &self.target }
/// #     async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
/// #         let number = self.fetched.fetch_add(1, Ordering::Relaxed) + 1;
/// #         let mut credentials = Credentials::new("app", Secret::new("token"));
/// #         credentials.not_after = Some(ask.now + Duration::from_secs(900));
/// #         credentials.generation = Generation(number);
/// #         Ok(credentials)
/// #     }
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Error> {
/// # let store = Store { target: Target::sqlite(Location::Memory), fetched: AtomicU64::new(0) };
/// // A store whose credentials last fifteen minutes, renewed in the last two of them.
/// let kept = Rotating::new(store, Duration::from_secs(120));
/// let start = UNIX_EPOCH;
/// let at = |minutes: u64| Ask::new(kept.target(), start + Duration::from_mins(minutes));
/// assert_eq!(kept.credentials(&at(0)).await?.generation, Generation(1));
/// assert_eq!(kept.credentials(&at(12)).await?.generation, Generation(1));
/// assert_eq!(kept.credentials(&at(13)).await?.generation, Generation(2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Rotating<B> {
    source: B,
    ahead: Duration,
    kept: Mutex<Option<Credentials>>,
}

impl<B: Backend> Rotating<B> {
    /// Keeps what `source` gives, renewing it from this long before its end.
    ///
    /// Take `ahead` as several times what a renewal takes, and well below the credentials' life: two
    /// minutes for a token of fifteen. With zero they are kept to their very end. With more than
    /// their life each connection fetches anew. Fetches nothing yet.
    pub fn new(source: B, ahead: Duration) -> Self {
        Self { source, ahead, kept: Mutex::new(None) }
    }

    /// Whether these credentials end within `ahead` of this time.
    fn is_due(&self, credentials: &Credentials, now: SystemTime) -> bool {
        credentials.expired_at(now + self.ahead)
    }
}

#[async_trait]
impl<B: Backend> Backend for Rotating<B> {
    fn target(&self) -> &Target {
        self.source.target()
    }

    async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
        // The lock is held while fetching: that is the "one at a time".
        let mut kept = self.kept.lock().await;
        match &*kept {
            Some(credentials) if !self.is_due(credentials, ask.now) => return Ok(credentials.clone()),
            _ => {}
        }
        match (self.source.credentials(ask).await, &*kept) {
            (Ok(fresh), _) => Ok(kept.insert(fresh).clone()),
            (Err(_), Some(old)) if !old.expired_at(ask.now) => Ok(old.clone()),
            (Err(error), _) => Err(error),
        }
    }

    async fn refused(&self, credentials: &Credentials, refusal: &Refusal) -> Verdict {
        let verdict = self.source.refused(credentials, refusal).await;
        if matches!(verdict, Verdict::Wait(_)) {
            return verdict;
        }
        let mut kept = self.kept.lock().await;
        // Ten callers refused together cause one renewal: the first to come here throws the credentials away, and the
        // others find that newer ones have been fetched.
        if kept.as_ref() == Some(credentials) {
            *kept = None;
        }
        Verdict::Renew
    }
}
