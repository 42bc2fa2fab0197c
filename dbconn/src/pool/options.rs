//! How a pool behaves.

use std::{fmt, sync::Arc, time::Duration};

use super::watch::Observer;
use crate::Clock;

/// How a pool behaves. The defaults suit a server; SQLite in memory always has exactly one connection, kept for ever.
#[derive(Clone)]
pub struct PoolOptions {
    /// Never more connections than this.
    pub max_size: usize,
    /// How long a caller waits for a free connection.
    pub wait_timeout: Duration,
    /// How long opening a connection may take: credentials, name look-up, TCP, TLS, login and session start together.
    pub connect_timeout: Duration,
    /// Connections older than this are not used again; one in use is never cut. Each draws its own age between 85 %
    /// and 98 % of it, so that a pool filled at once does not empty at once. Below the engine's own limit, if it has one.
    pub max_age: Option<Duration>,
    /// Connections idle for longer than this are not used again.
    pub idle_timeout: Option<Duration>,
    /// How often a unit of work is begun in total when others keep getting in its way.
    pub attempts: u32,
    /// When to stop beginning it again.
    pub retry_deadline: Duration,
    /// Called with the text of each statement sent, without its bound values.
    pub observe: Option<Observer>,
    /// Judges expiry and age.
    pub clock: Clock,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_size: 10,
            wait_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            max_age: Some(Duration::from_mins(55)),
            idle_timeout: Some(Duration::from_mins(10)),
            attempts: 50,
            retry_deadline: Duration::from_secs(15),
            observe: None,
            clock: Clock::system(),
        }
    }
}

impl PoolOptions {
    /// The same with another number of connections.
    #[must_use]
    pub fn with_max_size(mut self, max_size: usize) -> Self {
        self.max_size = max_size;
        self
    }

    /// The same with an observer of statements.
    #[must_use]
    pub fn observed_by(mut self, observe: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.observe = Some(Arc::new(observe));
        self
    }
}

impl fmt::Debug for PoolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolOptions")
            .field("max_size", &self.max_size)
            .field("wait_timeout", &self.wait_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_age", &self.max_age)
            .field("idle_timeout", &self.idle_timeout)
            .field("attempts", &self.attempts)
            .field("retry_deadline", &self.retry_deadline)
            .field("observe", &self.observe.is_some())
            .finish_non_exhaustive()
    }
}
