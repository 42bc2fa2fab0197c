//! Contract for database connections whose credentials rotate.
//!
//! An application writes each query once and hands it to a pool as part of a unit of work. An
//! adapter answers two questions for the pool: where is the database, and as whom is the next
//! connection opened. So a password that changes every hour, a token of a cloud and a plain file
//! look alike to the application, and an adapter never sees a query.
//!
//! | Part | For whom |
//! |---|---|
//! | [`Backend`], [`Credentials`], [`Target`], [`Profile`] | authors of adapters |
//! | [`Rotating`] | sources whose credentials cost a call over the network |
//! | [`Registry`], [`UrlOptions`] | the program that turns a configured URL into a backend |
//! | `Pool`, `Conn`, `on_conn!`, `insert_all!`, `each_row!` | applications; feature `diesel` |
//! | `migrate` | whoever owns the schema; feature `diesel` |
//! | [`Error`] | everybody |
//!
//! Without the feature `diesel` the crate is the contract for credentials alone. It then builds in
//! seconds and links no database driver, which is what an adapter for a secret store wants.
//!
//! # How to write a backend
//!
//! Three rules cover it. Open no connection. Give credentials that are valid now, and say when
//! they end if the source tells. Report what went wrong as an [`Error`] without the secret in it.
//! Caching is not among them: wrap the backend in [`Rotating`].
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use async_trait::async_trait;
//! use dbconn::{
//!     Ask, Backend, Credentials, Error, ErrorKind, Generation, Refusal, Rotating, Secret, Target, Verdict,
//! };
//! # use dbconn::{Roots, Server, Tls};
//! # struct Token { text: String, number: u64, end: SystemTime }
//! # #[derive(Debug)]
//! # struct TokenService;
//! # impl TokenService {
//! #     async fn token(&self, now: SystemTime) -> Result<Token, std::io::Error> {
//! #         Ok(Token { text: "t".into(), number: 1, end: now + Duration::from_mins(15) })
//! #     }
//! # }
//!
//! /// A server where one logs in with tokens that last a quarter of an hour.
//! #[derive(Debug)]
//! struct Tokens {
//!     target: Target,
//!     service: TokenService,
//! }
//!
//! #[async_trait]
//! impl Backend for Tokens {
//!     fn target(&self) -> &Target {
//!         &self.target
//!     }
//!
//!     async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
//!         let token = self.service.token(ask.now).await.map_err(|_| {
//!             Error::new(ErrorKind::Unavailable, "credentials", "the token service does not answer")
//!         })?;
//!         let mut credentials = Credentials::new("app", Secret::new(token.text));
//!         credentials.not_after = Some(token.end);
//!         credentials.generation = Generation(token.number);
//!         Ok(credentials)
//!     }
//!
//!     async fn refused(&self, _: &Credentials, _: &Refusal) -> Verdict {
//!         // The service may have revoked the token before its end, so a new one is worth a try.
//!         Verdict::Renew
//!     }
//! }
//!
//! # let server = Server {
//! #     host: "localhost".into(),
//! #     port: 5432,
//! #     database: "app".into(),
//! #     tls: Tls::VerifyFull(Roots::Web),
//! #     application_name: "app".into(),
//! # };
//! let tokens = Tokens { target: Target::postgres(server), service: TokenService };
//! // Fetched once and kept; renewed by whoever opens a connection in the last two minutes.
//! let backend = Rotating::new(tokens, Duration::from_mins(2));
//! # fn is_backend(_: &impl Backend) {}
//! # is_backend(&backend);
//! ```
//!
//! # How to use a pool
//!
//! A unit of work is an asynchronous closure over a connection. `read` runs statements one by one,
//! `snapshot` shows them one moment, `write` is a transaction. The closure may run several times,
//! since the pool begins again on a conflict. Each query is written once; `on_conn!` compiles it
//! for both dialects.
//!
//! ```
//! # #[cfg(feature = "diesel")]
//! # mod example {
//! # use async_trait::async_trait;
//! # use dbconn::{Ask, Backend, Credentials, Location, Target};
//! # #[derive(Debug)]
//! # struct InMemory(Target);
//! # #[async_trait]
//! # impl Backend for InMemory {
//! #     fn target(&self) -> &Target { &self.0 }
//! #     async fn credentials(&self, _: &Ask<'_>) -> Result<Credentials, Error> { Ok(Credentials::none()) }
//! # }
//! # pub async fn run() -> Result<(), Error> {
//! #     let backend = InMemory(Target::sqlite(Location::Memory));
//! #     let pool = Pool::open(Arc::new(backend), PoolOptions::default())?;
//! #     let create = "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance BIGINT NOT NULL); \
//! #                   INSERT INTO accounts VALUES ('a', 10), ('b', 0)";
//! #     pool.write(async |conn: &mut Conn| conn.batch_execute(create).await).await?;
//! #     transfer(&pool, "a", "b", 4).await?;
//! #     assert_eq!(total(&pool).await?, [6, 4]);
//! #     Ok(())
//! # }
//! use std::sync::Arc;
//!
//! use dbconn::{Conn, Error, Pool, PoolOptions, on_conn};
//! use diesel::{ExpressionMethods, QueryDsl};
//! use diesel_async::RunQueryDsl;
//!
//! diesel::table! {
//!     accounts (id) {
//!         id -> Text,
//!         balance -> BigInt,
//!     }
//! }
//!
//! async fn add(conn: &mut Conn, id: &str, amount: i64) -> Result<usize, Error> {
//!     let changed = accounts::balance.eq(accounts::balance + amount);
//!     on_conn!(conn, |c| diesel::update(accounts::table.find(id)).set(changed).execute(c).await)
//! }
//!
//! /// Both accounts change, or neither does.
//! async fn transfer(pool: &Pool, from: &str, to: &str, amount: i64) -> Result<(), Error> {
//!     // The closure owns what it uses: on SQLite it runs on another thread.
//!     let (from, to) = (from.to_owned(), to.to_owned());
//!     pool.write(async move |conn: &mut Conn| -> Result<(), Error> {
//!         add(conn, &from, -amount).await?;
//!         add(conn, &to, amount).await?;
//!         Ok(())
//!     })
//!     .await
//! }
//!
//! async fn total(pool: &Pool) -> Result<Vec<i64>, Error> {
//!     pool.read(async |conn: &mut Conn| -> Result<Vec<i64>, Error> {
//!         let balances = accounts::table.order(accounts::id).select(accounts::balance);
//!         on_conn!(conn, |c| balances.load(c).await)
//!     })
//!     .await
//! }
//! # }
//! # #[tokio::main]
//! # async fn main() {
//! #     #[cfg(feature = "diesel")]
//! #     example::run().await.expect("the example runs");
//! # }
//! ```
//!
//! # What holds on every engine, and what does not
//!
//! - A `write` is atomic and sees a snapshot plus its own changes. No update is lost: a row that
//!   changed in the meantime is a conflict, and the body runs again.
//! - What a `write` committed survives a crash of the process and of the machine. On a server that
//!   is the server's setting (`synchronous_commit`), which the pool leaves alone.
//! - Write skew is *not* excluded. Two bodies that each read what the other changes may both
//!   commit on Postgres; SQLite has one writer at a time. Change a row in common where it matters.
//! - Foreign keys hold, and so do checks and not-null rules.
//! - A capability that is not declared in [`Capabilities`] is refused before anything is sent.
//! - Text is UTF-8, times have microseconds, integers have 64 bits. Text is compared byte by byte
//!   if the Postgres database has the collation `C`, as SQLite does by default; else the server's
//!   own order applies.
//!
//! # When a future is dropped
//!
//! Nothing half-done is ever committed, and no connection is handed on in the middle of something.
//! On SQLite the transaction is rolled back on its thread and the connection used again; on
//! Postgres the connection is closed, and the server rolls back. The one thing that cannot be
//! called back is a commit already under way: whoever drops a `write` does not learn its outcome.
//!
//! # Time
//!
//! Durations are [`std::time::Duration`], points in time [`std::time::SystemTime`]. Expiry and age
//! are judged by the [`Clock`] that is passed in, since the server judges by a wall clock too.
//! Timeouts and pauses run on the monotonic clock of the runtime.
//!
//! # How to prove an adapter
//!
//! The crate `undercroft-conformance-tests` holds this documentation as executable cases. An
//! adapter enrols with a harness that opens an empty database, one line, and `harness = false` for
//! that test in its manifest:
//!
//! ```ignore
//! struct InMemory;
//!
//! #[async_trait]
//! impl Harness for InMemory {
//!     async fn open(&self) -> Result<Setting, Absent> {
//!         Ok(Setting::new(Memory::new(), ()))
//!     }
//! }
//!
//! conformance_tests::dbconn!(InMemory);
//! ```
//!
//! The suite runs against whatever `open` gives, turns a case round where the target does not
//! declare its capability, and needs nothing else from the adapter.
#![deny(missing_docs)]

mod backend;
mod clock;
mod error;
#[cfg(feature = "diesel")]
pub mod migrate;
#[cfg(feature = "diesel")]
#[doc(hidden)]
pub mod pool;
mod registry;
mod rotating;
mod secret;
mod target;

pub use backend::{Ask, Backend, Credentials, Generation, Refusal, Verdict};
pub use clock::Clock;
pub use error::{Constraint, Error, ErrorKind, Outcome, Retry, Rule};
#[cfg(feature = "diesel")]
pub use pool::{Conn, Observer, PgConn, Pool, PoolOptions, RowSink, SqliteConn, Status, WorkError};
pub use registry::{Registry, UrlOptions};
pub use rotating::Rotating;
pub use secret::Secret;
pub use target::{Capabilities, Ddl, Dialect, Endpoint, Location, Profile, Roots, Server, Target, Tls};

// What the macros expand to.
#[cfg(feature = "diesel")]
#[doc(hidden)]
pub use {diesel, diesel_async};
