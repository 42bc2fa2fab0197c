//! A fresh database for each test.

use std::sync::Arc;

use dbconn::{Backend, Pool, PoolOptions};

use super::postgres;

/// A database that nobody else uses, migrated.
pub(crate) async fn fresh(options: PoolOptions) -> Pool {
    let clock = dbconn::Clock::system();
    let backend: Arc<dyn Backend> = match setting("TEST_DB").as_deref() {
        None | Some("sqlite") => Arc::new(db_memory::Memory::new()),
        Some("postgres") => {
            let url = postgres::empty_database().await.expect("TEST_DB=postgres needs TEST_POSTGRES_URL");
            Arc::new(db_url::Postgres::from_url(&url).unwrap())
        }
        Some(other) => panic!("TEST_DB={other}: there are sqlite and postgres"),
    };
    let pool = Pool::open(backend, options).unwrap();
    dbconn::migrate::up(&pool, undercroft::migrations::ALL, &clock).await.unwrap();
    pool
}

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one setting of these tests")]
    std::env::var(name).ok()
}
