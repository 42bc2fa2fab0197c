//! What happens when the network fails.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use ::dbconn::{Endpoint, Error, ErrorKind, Outcome, Pool, PoolOptions, Retry, Server, Tls};

use super::{
    Harness,
    desk::{Desk, SERVER, Twisted, body, count, increment, n_of, set_n},
    proxy::{Proxy, Trap},
};
use crate::{Absent, Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases![
        "faults" needs SERVER;
        a_read_on_a_dead_connection_is_repeated_on_another,
        a_write_whose_connection_dies_before_the_commit_is_repeated,
        a_commit_that_never_reached_the_server_is_unknown,
        a_commit_whose_answer_was_lost_is_unknown_and_not_repeated,
        every_connection_of_a_pool_may_die_at_once,
    ]
}

/// A desk, and a second pool to the same database through a proxy.
struct Wired<'h> {
    desk: Desk<'h>,
    proxy: Proxy,
    pool: Pool,
}

/// The body runs once more if the connection turns out to be dead.
async fn a_read_on_a_dead_connection_is_repeated_on_another(harness: &dyn Harness) -> Checked {
    let wired = wired(harness).await?;
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let proxy = Arc::new(wired.proxy);
    let network = Arc::clone(&proxy);
    let work = body(move |conn| {
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        let network = Arc::clone(&network);
        Box::pin(async move {
            if first {
                network.cut();
            }
            Ok(n_of(conn, 1).await?.unwrap_or(-1))
        })
    });
    assert_eq!(harness.read(&wired.pool, work).await.expect("healed"), 0);
    assert_eq!(count(&runs), 2);
    Ok(())
}

/// A write is repeated, once, if the connection is lost before the commit was sent.
async fn a_write_whose_connection_dies_before_the_commit_is_repeated(harness: &dyn Harness) -> Checked {
    let wired = wired(harness).await?;
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let proxy = Arc::new(wired.proxy);
    let network = Arc::clone(&proxy);
    let work = body(move |conn| {
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        let network = Arc::clone(&network);
        Box::pin(async move {
            let n = n_of(conn, 1).await?.unwrap_or(-1) + 1;
            set_n(conn, 1, n).await?;
            if first {
                network.cut();
            }
            Ok(n_of(conn, 1).await?.unwrap_or(-1))
        })
    });
    assert_eq!(harness.write(&wired.pool, work).await.expect("healed"), 1);
    assert_eq!(count(&runs), 2);
    assert_eq!(wired.desk.counter(1).await, Some(1), "the first attempt left nothing");
    Ok(())
}

/// If the connection is lost while committing, the outcome is unknown; here nothing was committed.
async fn a_commit_that_never_reached_the_server_is_unknown(harness: &dyn Harness) -> Checked {
    lost_commit(harness, Trap::Before(b"COMMIT"), 0).await
}

/// If the connection is lost while committing, the outcome is unknown; here it was committed, and a repetition would
/// count twice.
async fn a_commit_whose_answer_was_lost_is_unknown_and_not_repeated(harness: &dyn Harness) -> Checked {
    lost_commit(harness, Trap::After(b"COMMIT"), 1).await
}

async fn lost_commit(harness: &dyn Harness, trap: Trap, total: i64) -> Checked {
    let wired = wired(harness).await?;
    wired.proxy.set(trap);
    if !matches!(server_of(&wired.desk.pool), Server { tls: Tls::Off, .. }) {
        // The proxy looks for the word on the wire, and TLS is there so that nobody finds it.
        assert_eq!(harness.write(&wired.pool, increment()).await.expect("the trap is blind"), 1);
        return Ok(());
    }
    let error = harness.write(&wired.pool, increment()).await.expect_err("nobody heard the answer");
    assert_eq!((error.kind(), error.outcome()), (&ErrorKind::Unavailable, Outcome::Unknown));
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(wired.desk.counter(1).await, Some(total));
    let next = harness.write(&wired.pool, increment()).await.expect("the pool goes on");
    assert_eq!(next, total + 1);
    Ok(())
}

/// A server that went away and came back is used again, by everybody, without opening the pool anew.
async fn every_connection_of_a_pool_may_die_at_once(harness: &dyn Harness) -> Checked {
    let wired = wired(harness).await?;
    let all = async || {
        let checks = (0..8).map(|_| wired.pool.check());
        futures_util::future::join_all(checks).await.into_iter().collect::<Result<Vec<()>, Error>>()
    };
    all().await.expect("eight connections work");
    wired.proxy.cut();
    all().await.expect("and eight others after them");
    Ok(())
}

async fn wired(harness: &dyn Harness) -> Result<Wired<'_>, Absent> {
    let desk = Desk::new(harness).await?;
    let Server { host, port, tls, .. } = server_of(&desk.pool).clone();
    // The proxy is on this machine, and has to go by a name that is in the server's certificate.
    let name = match host.as_str() {
        "localhost" | "127.0.0.1" => host.clone(),
        _ if matches!(tls, Tls::Off) => "localhost".to_owned(),
        _ => return Err(Absent::because("the proxy is not named as the server's certificate says")),
    };
    let proxy = Proxy::to(host, port).await.map_err(|error| Absent::because(error.to_string()))?;
    let through = Twisted::counting(&desk.setting.backend).at(&name, proxy.address.port());
    let pool = harness.pool(Arc::new(through), PoolOptions::default()).expect("a pool opens");
    pool.check().await.expect("the proxy relays");
    Ok(Wired { desk, proxy, pool })
}

fn server_of(pool: &Pool) -> &Server {
    match &pool.target().endpoint {
        Endpoint::Postgres(server) => server,
        Endpoint::Sqlite(_) => panic!("there is no network to SQLite"),
    }
}
