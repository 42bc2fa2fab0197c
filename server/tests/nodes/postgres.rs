//! A Postgres database for one test, on the server that `TEST_POSTGRES_URL` names.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dbconn::{Pool, PoolOptions};
use url::Url;

/// An empty database that nobody else uses; it is left behind, since the server is a throw-away one.
///
/// `None` where there is no server: then the test has nothing to test, which is said where it is seen.
///
/// # Panics
///
/// If there is no server though `TEST_REQUIRE` names `postgres`.
pub(crate) async fn empty_database() -> Option<Url> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let Some(url) = setting("TEST_POSTGRES_URL") else {
        let required = setting("TEST_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name.trim() == "postgres"), "TEST_POSTGRES_URL is not set");
        skipped();
        return None;
    };
    let mut url = Url::parse(&url).expect("TEST_POSTGRES_URL is a URL");
    // What goes over the wire is looked into.
    url.set_query(Some("sslmode=disable"));
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}_{}_{number}", env!("CARGO_CRATE_NAME"), std::process::id());

    let server = pool(&url, PoolOptions::default());
    for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
        let made = server.read(async move |conn| conn.batch_execute(&sql).await).await;
        made.expect("the user may make databases");
    }
    server.close();
    url.set_path(&name);
    Some(url)
}

/// A pool of connections to the database that the URL names.
pub(crate) fn pool(url: &Url, options: PoolOptions) -> Pool {
    let backend = db_url::Postgres::from_url(url).expect("the URL is one of Postgres");
    Pool::open(Arc::new(backend), options).expect("a pool opens")
}

/// Past the test harness, which shows what a test prints only when it has failed.
fn skipped() {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "skipped: {name}: TEST_POSTGRES_URL is not set");
}

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the settings of these tests")]
    std::env::var(name).ok()
}
