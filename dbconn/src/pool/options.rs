//! How a pool behaves.

use std::{fmt, sync::Arc, time::Duration};

use super::watch::Observer;
use crate::Clock;

/// How a pool behaves. The defaults suit a server; SQLite in memory always has exactly one connection, kept for ever.
#[derive(Clone)]
pub struct PoolOptions {
    /// Never more connections than this; at least 1, or `Pool::open` answers `Config`. The sum over
    /// all nodes stays below the server's own limit. Default: 10.
    pub max_size: usize,
    /// How long a caller waits for a free connection, and, where there is one writer at a time, for its
    /// turn before that. Then `Timeout`. Default: 10 seconds, less than clients wait for an answer.
    pub wait_timeout: Duration,
    /// How long opening a connection may take: credentials, name look-up, TCP, TLS, login and session start together.
    /// Then `Timeout`, and what was half open is closed. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// Connections older than this are not used again; one in use is never cut. Each draws its own age between 85 %
    /// and 98 % of it, so that a pool filled at once does not empty at once. Below the engine's own limit, if it has one.
    /// `None`: they live for as long as they work. Default: 55 minutes, below the hour of those engines
    /// that cut sessions, and often enough to notice a server that moved.
    pub max_age: Option<Duration>,
    /// Connections idle for longer than this are not used again. They are closed when one would be
    /// taken, not before: there is no timer. `None`: they may be idle for ever. Default: 10 minutes,
    /// since firewalls between forget connections on which nothing moves.
    pub idle_timeout: Option<Duration>,
    /// How often a unit of work is begun in total when others keep getting in its way. 0 counts as 1.
    /// Default: 50, which is to say until the deadline.
    pub attempts: u32,
    /// When to stop beginning it again, counted from the call. An attempt under way is not cut by it.
    /// Default: 15 seconds.
    pub retry_deadline: Duration,
    /// Called with the text of each statement sent, without its bound values, before it is carried out.
    /// It runs on the thread of the query and so must not block. Those that begin and end
    /// transactions are among them. For counting statements in tests, and for logs.
    pub observe: Option<Observer>,
    /// Judges expiry and age. Pauses and timeouts go by the runtime's own clock.
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
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use async_trait::async_trait;
    /// # use dbconn::{Ask, Backend, Conn, Credentials, Error, Location, Pool, PoolOptions, Target};
    /// # #[derive(Debug)]
    /// # struct InMemory(Target);
    /// # #[async_trait]
    /// # impl Backend for InMemory {
    /// #     fn target(&self) -> &Target { &self.0 }
    /// #     async fn credentials(&self, _: &Ask<'_>) -> Result<Credentials, Error> { Ok(Credentials::none()) }
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Error> {
    /// # let backend = InMemory(Target::sqlite(Location::Memory));
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let log = Arc::clone(&seen);
    /// let options = PoolOptions::default()
    ///     .observed_by(move |sql| log.lock().expect("not poisoned").push(sql.to_owned()));
    /// let pool = Pool::open(Arc::new(backend), options)?;
    /// pool.write(async |conn: &mut Conn| conn.batch_execute("CREATE TABLE t (n BIGINT)").await).await?;
    /// assert_eq!(
    ///     *seen.lock().expect("not poisoned"),
    ///     ["BEGIN IMMEDIATE", "CREATE TABLE t (n BIGINT)", "COMMIT"]
    /// );
    /// # Ok(())
    /// # }
    /// ```
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
