//! Shares mails out among several backends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::several::Several;
use crate::{Backend, Capabilities, Context, Entropy, Error, Outgoing, Receipt};

/// Several backends in turn, one mail each.
///
/// Each living backend gets as many mails as any other, give or take one. Who begins is drawn, so that many processes
/// that start together do not all begin with the same. A backend in trouble is passed over, and the mail goes to the
/// next, by the same rule and for the same time as in [`Failover`](super::Failover); its share goes to all others.
///
/// Mails of one reader take different ways, so they may arrive in another order.
///
/// ```
/// # use std::sync::Arc;
/// # use mailer::{Backend, Entropy, Error, layers::RoundRobin};
/// # fn example(relays: Vec<Arc<dyn Backend>>) -> Result<RoundRobin<Arc<dyn Backend>>, Error> {
/// RoundRobin::new(relays, &Entropy::system())
/// # }
/// ```
#[derive(Debug)]
pub struct RoundRobin<B> {
    several: Several<B>,
    turn: AtomicUsize,
}

impl<B: Backend> RoundRobin<B> {
    /// These backends; the randomness draws who begins. None at all answers [`Config`](crate::ErrorKind::Config).
    pub fn new(backends: impl IntoIterator<Item = B>, entropy: &Entropy) -> Result<Self, Error> {
        let [high, low, ..] = entropy.next();
        let turn = AtomicUsize::new(u16::from_be_bytes([high, low]).into());
        Ok(Self { several: Several::new(backends)?, turn })
    }

    /// Sets for how long a backend that failed is passed over; 60 seconds unless said otherwise.
    #[must_use]
    pub fn dead_for(mut self, pause: Duration) -> Self {
        self.several.dead_for = pause;
        self
    }
}

#[async_trait]
impl<B: Backend> Backend for RoundRobin<B> {
    /// What all of them can do.
    fn capabilities(&self) -> Capabilities {
        self.several.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.several.deliver(mail, cx, turn).await
    }

    /// One that works will do.
    async fn check(&self) -> Result<(), Error> {
        self.several.check().await
    }

    /// Closes all at once.
    async fn close(&self) {
        self.several.close().await;
    }
}
