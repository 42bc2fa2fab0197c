//! A fresh database for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dbconn::{Backend, Pool, PoolOptions};

/// A database that nobody else uses, migrated.
pub(crate) async fn fresh(options: PoolOptions) -> Pool {
    let clock = dbconn::Clock::system();
    let backend: Arc<dyn Backend> = match setting("TEST_DB").as_deref() {
        None | Some("sqlite") => Arc::new(db_memory::Memory::new()),
        Some("postgres") => Arc::new(postgres().await),
        Some(other) => panic!("TEST_DB={other}: there are sqlite and postgres"),
    };
    let pool = Pool::open(backend, options).unwrap();
    dbconn::migrate::up(&pool, undercroft::migrations::ALL, &clock).await.unwrap();
    pool
}

/// A new database on the server that `TEST_POSTGRES_URL` names. It is left behind: the server is a throw-away one.
async fn postgres() -> db_url::Postgres {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let url = setting("TEST_POSTGRES_URL").expect("TEST_DB=postgres needs TEST_POSTGRES_URL");
    let mut url = url::Url::parse(&url).expect("TEST_POSTGRES_URL must be a URL");
    let name = format!("api_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));

    let server = db_url::Postgres::from_url(&url).unwrap();
    let admin = Pool::open(Arc::new(server), PoolOptions::default().with_max_size(1)).unwrap();
    let create = format!("CREATE DATABASE {name}");
    admin.read(async move |conn| conn.batch_execute(&create).await).await.unwrap();
    admin.close();

    url.set_path(&name);
    db_url::Postgres::from_url(&url).unwrap()
}

fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one setting of these tests")]
    std::env::var(name).ok()
}
