//! The suite over a SQLite file, and over Postgres without and with TLS.
//!
//! Postgres is taken from `TEST_POSTGRES_URL`, whose user must be allowed to make databases and roles, and TLS is tested
//! with the authority in the PEM file `TEST_POSTGRES_CA`. The server has to accept both at the host of the URL; let it be
//! on this machine to have the network faults tested under TLS too. Without the variables the cases are skipped, which is
//! a failure if `TEST_REQUIRE` names `postgres`.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    dbconn::{Harness, Setting},
};
use db_url::{Postgres, PostgresOptions, Sqlite};
use dbconn::{Conn, Error, Pool, PoolOptions, Roots, Tls};
use url::Url;

/// A file in a folder of its own.
struct File;

#[async_trait]
impl Harness for File {
    async fn open(&self) -> Result<Setting, Absent> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        Ok(Setting::new(Sqlite::file(folder.path().join("data.db")), folder))
    }
}

/// A database of its own on the server.
struct Server(Result<PostgresOptions, Absent>);

#[async_trait]
impl Harness for Server {
    async fn open(&self) -> Result<Setting, Absent> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = self.0.clone()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance_{}_{number}", std::process::id());
        // A database under this name can only be left over from a run that was killed.
        let anew =
            [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")];
        administer(&server, anew.into()).await;
        let backend = Postgres::new(PostgresOptions { database: name.clone(), ..server.clone() });
        Ok(Setting::new(backend, Database { server, name }))
    }
}

/// Drops the database when the case is over.
struct Database {
    server: PostgresOptions,
    name: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own, since the one that drops may be driving a runtime already.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let sql = format!("DROP DATABASE {name} WITH (FORCE)");
            runtime.expect("a runtime can be built").block_on(administer(&server, vec![sql]));
        });
        dropping.join().expect("the database can be dropped");
    }
}

/// Runs these statements one by one, with one login for all of them.
async fn administer(server: &PostgresOptions, statements: Vec<String>) {
    let backend = Arc::new(Postgres::new(server.clone()));
    let pool = Pool::open(backend, PoolOptions::default()).expect("a pool opens");
    let run = async move |conn: &mut Conn| -> Result<(), Error> {
        for sql in statements {
            conn.batch_execute(&sql).await?;
        }
        Ok(())
    };
    pool.read(run).await.expect("the user may make and drop databases");
}

/// The server of the environment, protected like this.
fn server(tls: Result<Tls, Absent>) -> Server {
    Server(variable("TEST_POSTGRES_URL").and_then(|url| {
        let url = Url::parse(&url).expect("TEST_POSTGRES_URL is a URL");
        let options = PostgresOptions::from_url(&url).expect("TEST_POSTGRES_URL is a Postgres URL");
        Ok(PostgresOptions { tls: tls?, ..options })
    }))
}

/// TLS, believing the authority of the environment.
fn verified() -> Result<Tls, Absent> {
    let path = variable("TEST_POSTGRES_CA")?;
    let pem = std::fs::read(path).expect("TEST_POSTGRES_CA can be read");
    Ok(Tls::VerifyFull(Roots::Pem(pem)))
}

/// What the environment says; panics if it says nothing and Postgres is required.
fn variable(name: &str) -> Result<String, Absent> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge: the test is the program, and reads it once"
    )]
    let [value, required] = [name, "TEST_REQUIRE"].map(std::env::var);
    let required = required.is_ok_and(|names| names.split(',').any(|name| name.trim() == "postgres"));
    assert!(value.is_ok() || !required, "TEST_REQUIRE names postgres, and {name} is not set");
    value.map_err(|_| Absent::because(format!("{name} is not set")))
}

conformance_tests::dbconn!("sqlite" => File, "postgres" => server(Ok(Tls::Off)), "postgres-tls" => server(verified()));
