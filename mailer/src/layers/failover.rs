//! Turns to another backend if one cannot be reached.

use std::time::Duration;

use async_trait::async_trait;

use super::several::Several;
use crate::{Backend, Capabilities, Context, Error, Outgoing, Receipt};

/// The first backend that works, of several in order of preference.
///
/// It turns to the next one only for a fault of the transport ([`Scope::Transport`](crate::Scope::Transport)) that
/// surely sent nothing ([`Outcome::NotApplied`](crate::Outcome::NotApplied)). A bad mail stays bad elsewhere, a refused
/// recipient says nothing about the transport, and what was perhaps sent is not sent once more by another way.
///
/// | A backend answers with | This mail | The backend |
/// |---|---|---|
/// | a receipt | is sent | lives |
/// | a fault of the message or of a recipient | has failed | lives |
/// | a fault of the transport, surely not sent | goes to the next | is dead for a while |
/// | a fault of the transport, perhaps sent | has perhaps been sent | is dead for a while |
/// | a timeout before anything was tried | has failed | lives: the caller had no time |
///
/// A dead one is passed over for [`dead_for`](Self::dead_for), or for as long as it asked
/// ([`Disposition::After`](crate::Disposition::After)), and then it is asked first again. If nobody else is left, it is
/// asked at once all the same: a mail is never given up because of what happened to another one.
///
/// If all fail, the error is the last one's. [`Error::earlier`] holds what the others said, its text lists them, and it
/// may pass if any of them may. The receipt's `attempts` count every backend that was asked.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use mailer::{Backend, Error, layers::Failover};
/// # fn example(ses: Arc<dyn Backend>, smtp: Arc<dyn Backend>) -> Result<Failover<Arc<dyn Backend>>, Error> {
/// Ok(Failover::new([ses, smtp])?.dead_for(Duration::from_secs(120)))
/// # }
/// ```
///
/// The deadline is for all of them together. A backend that stalls until then leaves nothing for the next, so give each
/// a time limit of its own, well below it. A stalled one is dead afterwards, which helps the mails that follow.
#[derive(Debug)]
pub struct Failover<B>(Several<B>);

impl<B: Backend> Failover<B> {
    /// These backends, the preferred one first. None at all answers [`Config`](crate::ErrorKind::Config).
    pub fn new(backends: impl IntoIterator<Item = B>) -> Result<Self, Error> {
        Ok(Self(Several::new(backends)?))
    }

    /// Sets for how long a backend that failed is passed over; 60 seconds unless said otherwise.
    #[must_use]
    pub fn dead_for(mut self, pause: Duration) -> Self {
        self.0.dead_for = pause;
        self
    }
}

#[async_trait]
impl<B: Backend> Backend for Failover<B> {
    /// What all of them can do.
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.0.deliver(mail, cx, 0).await
    }

    /// One that works will do; asked in order, also those that are thought dead.
    async fn check(&self) -> Result<(), Error> {
        self.0.check().await
    }

    /// Closes all at once.
    async fn close(&self) {
        self.0.close().await;
    }
}
