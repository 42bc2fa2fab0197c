//! Opens connections, and decides which of the open ones may be used again.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel_async::AsyncPgConnection;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::sync::Mutex;
use tokio_postgres::{NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{classify, conn::Conn, options::PoolOptions, postgres::PgConn, sqlite::SqliteConn};
use crate::{
    Ask, Backend, Clock, Credentials, Endpoint, Error, ErrorKind, Location, Outcome, Refusal, Retry, Roots,
    Server, Tls, Verdict,
};

/// A server that acknowledges nothing for this long is gone, and so is the connection: without it, a network that falls
/// silent would hold a unit of work until the operating system gives up, a quarter of an hour later.
const SILENCE: Duration = Duration::from_secs(30);

/// deadpool's view of a [`Backend`].
#[derive(Debug)]
pub(crate) struct Manager {
    backend: Arc<dyn Backend>,
    options: PoolOptions,
    tls: Option<Encryption>,
    /// Two connections that switch a new file to write-ahead logging at once get in each other's way.
    opening: Mutex<()>,
}

/// A connection and what is known about it.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) conn: Conn,
    born: Moment,
    used: Moment,
    retire_at: Option<Duration>,
}

/// A point in time on both clocks. The monotonic one may stand still while a process is frozen, and the wall clock may
/// be set; what has passed is the larger of the two.
#[derive(Debug, Clone, Copy)]
struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

/// What rustls needs to know, built once.
#[derive(Clone)]
struct Encryption(MakeRustlsConnect);

impl Manager {
    pub(crate) fn new(backend: Arc<dyn Backend>, options: PoolOptions) -> Result<Self, Error> {
        let tls = match &backend.target().endpoint {
            Endpoint::Postgres(Server { tls: Tls::VerifyFull(roots), .. }) => Some(encryption(roots)?),
            _ => None,
        };
        Ok(Self { backend, options, tls, opening: Mutex::new(()) })
    }

    async fn open(&self) -> Result<Conn, Error> {
        let target = self.backend.target();
        let now = self.options.clock.now();
        let mut ask = Ask::new(target, now);
        let mut credentials = self.ask(&ask).await?;
        loop {
            let (error, refusal) = match self.connect(&credentials).await {
                Ok(conn) => return Ok(conn),
                Err(failed) => failed,
            };
            let Some(refusal) = refusal else { return Err(error) };
            match self.backend.refused(&credentials, &refusal).await {
                Verdict::Renew if ask.attempt == 0 => {
                    ask.attempt = 1;
                    ask.now = self.options.clock.now();
                    credentials = self.ask(&ask).await?;
                }
                // The connect timeout, which deadpool applies around all this, ends the waiting.
                Verdict::Wait(pause) => tokio::time::sleep(pause).await,
                Verdict::Renew | Verdict::GiveUp => return Err(error),
            }
        }
    }

    async fn ask(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
        let credentials = self.backend.credentials(ask).await?;
        if credentials.expired_at(self.options.clock.now()) {
            return Err(Error::new(
                ErrorKind::Denied,
                "connect",
                "the source of credentials gave some that have expired",
            )
            .with_retry(Retry::Backoff));
        }
        Ok(credentials)
    }

    async fn connect(&self, credentials: &Credentials) -> Result<Conn, (Error, Option<Refusal>)> {
        let target = self.backend.target();
        match &target.endpoint {
            Endpoint::Sqlite(location) => self.open_file(location).await.map_err(|error| (error, None)),
            Endpoint::Postgres(server) => {
                let conn = self.log_in(server, credentials).await?;
                let savepoints = target.profile.savepoints;
                Ok(Conn::Postgres(PgConn::new(conn, savepoints, self.options.observe.clone())))
            }
        }
    }

    async fn open_file(&self, location: &Location) -> Result<Conn, Error> {
        let _alone = self.opening.lock().await;
        let location = location.clone();
        let savepoints = self.backend.target().profile.savepoints;
        let observe = self.options.observe.clone();
        let opened =
            tokio::task::spawn_blocking(move || SqliteConn::open(&location, savepoints, observe)).await;
        match opened {
            Ok(Ok(conn)) => Ok(Conn::Sqlite(conn)),
            Ok(Err(error)) => Err(classify::open(&error)),
            Err(_) => Err(Error::new(ErrorKind::Other, "connect", "opening the file was interrupted")),
        }
    }

    async fn log_in(
        &self,
        server: &Server,
        credentials: &Credentials,
    ) -> Result<AsyncPgConnection, (Error, Option<Refusal>)> {
        // Nothing but these becomes a startup parameter; some engines refuse those they do not know.
        let mut config = tokio_postgres::Config::new();
        config
            .host(&server.host)
            .port(server.port)
            .dbname(&server.database)
            .user(&credentials.user)
            .password(credentials.password.expose())
            .application_name(&server.application_name)
            .keepalives_idle(SILENCE)
            .tcp_user_timeout(SILENCE);
        let failed = |error| classify::connect(&error);
        let set_up = if let Some(Encryption(tls)) = &self.tls {
            config.ssl_mode(SslMode::Require);
            let (client, driver) = config.connect(tls.clone()).await.map_err(failed)?;
            AsyncPgConnection::try_from_client_and_connection(client, driver).await
        } else {
            config.ssl_mode(SslMode::Disable);
            let (client, driver) = config.connect(NoTls).await.map_err(failed)?;
            AsyncPgConnection::try_from_client_and_connection(client, driver).await
        };
        set_up.map_err(|_| {
            (Error::new(ErrorKind::Unavailable, "connect", "the session could not be set up"), None)
        })
    }

    fn keeps_for_ever(&self) -> bool {
        matches!(self.backend.target().endpoint, Endpoint::Sqlite(Location::Memory))
    }
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = Error;

    async fn create(&self) -> Result<Pooled, Error> {
        let conn = self.open().await?;
        let now = Moment::now(&self.options.clock);
        let retire_at = self.options.max_age.map(|age| age.mul_f64(0.85 + 0.13 * spread()));
        Ok(Pooled { conn, born: now, used: now, retire_at })
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<Error> {
        if self.keeps_for_ever() {
            return Ok(());
        }
        let clock = &self.options.clock;
        let too_old = pooled.retire_at.is_some_and(|limit| pooled.born.passed(clock) >= limit);
        let too_idle = self.options.idle_timeout.is_some_and(|limit| pooled.used.passed(clock) >= limit);
        if too_old || too_idle || pooled.conn.is_closed() {
            return Err(RecycleError::message("retired"));
        }
        Ok(())
    }
}

impl Pooled {
    /// Notes that its work has ended now.
    pub(crate) fn touch(&mut self, clock: &Clock) {
        self.used = Moment::now(clock);
    }
}

impl Moment {
    fn now(clock: &Clock) -> Self {
        Self { monotonic: Instant::now(), wall: clock.now() }
    }

    fn passed(&self, clock: &Clock) -> Duration {
        let wall = clock.now().duration_since(self.wall).unwrap_or_default();
        self.monotonic.elapsed().max(wall)
    }
}

/// A number from 0 to 1 that differs from call to call and from process to process.
///
/// It spreads load and decides nothing, so the randomness with which the standard library seeds its hash maps will do.
pub(crate) fn spread() -> f64 {
    let bits = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

/// Verified TLS with ring.
fn encryption(roots: &Roots) -> Result<Encryption, Error> {
    let refused = |why: &str| Error::new(ErrorKind::Config, "open", why);
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Web => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Roots::Pem(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate =
                    certificate.map_err(|_| refused("the root certificates are not valid PEM"))?;
                store.add(certificate).map_err(|_| refused("a root certificate cannot be used"))?;
            }
        }
    }
    if store.is_empty() {
        return Err(refused("there is no root certificate, so no server could be verified"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| refused("this build has no TLS version in common with itself"))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Encryption(MakeRustlsConnect::new(config)))
}

/// A pool's error in our terms.
pub(crate) fn checked_out(error: managed::PoolError<Error>) -> Error {
    use managed::{PoolError, TimeoutType};
    match error {
        PoolError::Backend(error) => error,
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::new(ErrorKind::Timeout, "wait", "no connection became free in time")
        }
        PoolError::Timeout(_) => {
            Error::new(ErrorKind::Timeout, "connect", "no connection was opened in time")
        }
        PoolError::Closed => {
            Error::new(ErrorKind::Unavailable, "wait", "the pool is closed").with_retry(Retry::Never)
        }
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::new(ErrorKind::Other, "wait", "the pool is misconfigured")
        }
    }
    .with_outcome(Outcome::NotApplied)
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encryption")
    }
}
