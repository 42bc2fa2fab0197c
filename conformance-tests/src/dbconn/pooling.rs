//! How connections are shared.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::dbconn::{Conn, Endpoint, Error, ErrorKind, Location, PoolOptions, Retry};
use tokio::sync::{Notify, oneshot};

use super::{
    Harness,
    desk::{Desk, Hands, Twisted, add, body, counter_of},
};
use crate::{Case, Checked, Need, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases![
        "pool";
        never_more_connections_than_allowed_under_100_tasks,
        a_caller_without_a_free_connection_times_out,
        a_dropped_unit_of_work_leaves_nothing_behind,
        a_panicking_body_leaves_nothing_behind,
        a_closed_pool_finishes_its_work_and_takes_no_more,
        statements_are_observed_without_their_values,
    ]
}

pub(super) fn reopening_cases() -> Vec<Case<dyn Harness>> {
    cases![
        "pool" needs SURVIVES;
        what_was_committed_survives_a_reopening,
        an_old_connection_is_not_used_again,
        an_idle_connection_is_not_used_again,
    ]
}

/// Whether data outlives the last connection. Where it does not, the one connection is never retired, and a second
/// pool sees nothing of the first one's data.
const SURVIVES: Need<dyn Harness> = Need {
    declared: |harness| {
        Box::pin(async move { Ok(harness.open().await?.backend.target().capabilities().survives_reopen) })
    },
    undeclared: |harness| {
        Box::pin(async move {
            let hands = Hands::new();
            let desk =
                Desk::with(harness, PoolOptions { clock: hands.clock(), ..PoolOptions::default() }).await?;
            hands.forward(Duration::from_hours(24 * 365));
            assert_eq!(desk.counter(1).await, Some(0), "the connection outlives every limit");
            let second = harness.pool(Arc::clone(&desk.setting.backend), PoolOptions::default());
            let select = async |conn: &mut Conn| conn.batch_execute("SELECT * FROM counters").await;
            let error = second.expect("a pool opens").read(select).await.expect_err("there is no such table");
            assert_eq!(*error.kind(), ErrorKind::Invalid);
            Ok(())
        })
    },
};

/// Never more connections than `max_size`.
async fn never_more_connections_than_allowed_under_100_tasks(harness: &dyn Harness) -> Checked {
    let desk = Desk::with(harness, PoolOptions::default().with_max_size(4)).await?;
    let allowed = match desk.pool.target().endpoint {
        Endpoint::Sqlite(Location::Memory) => 1,
        _ => 4,
    };
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (pool, busy, most) = (desk.pool.clone(), Arc::clone(&busy), Arc::clone(&most));
            tokio::spawn(async move {
                let work = async move |conn: &mut Conn| -> Result<(), Error> {
                    let now = busy.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    let answer = conn.batch_execute("SELECT 1").await;
                    tokio::task::yield_now().await;
                    busy.fetch_sub(1, Ordering::SeqCst);
                    answer
                };
                pool.read(work).await
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("everybody is served");
    }
    assert!(most.load(Ordering::SeqCst) <= allowed, "{most:?} at once");
    let status = desk.pool.status();
    assert_eq!(status.max_size, allowed);
    assert!(status.open <= allowed && status.idle == status.open, "{status:?}");
    Ok(())
}

/// A caller waits for a free connection for `wait_timeout` at most.
async fn a_caller_without_a_free_connection_times_out(harness: &dyn Harness) -> Checked {
    let options = PoolOptions { wait_timeout: Duration::from_millis(50), ..PoolOptions::default() };
    let desk = Desk::with(harness, options.with_max_size(1)).await?;
    let (holding, release) = hold(&desk).await;
    let error = desk.pool.check().await.expect_err("the only connection is in use");
    assert_eq!((error.kind(), error.retry()), (&ErrorKind::Timeout, Retry::Backoff));
    release.notify_one();
    holding.await.expect("no panic").expect("the holder is not disturbed");
    desk.pool.check().await.expect("it is free again");
    Ok(())
}

/// Dropping the future rolls back, and the connection is never handed on in the middle of something.
async fn a_dropped_unit_of_work_leaves_nothing_behind(harness: &dyn Harness) -> Checked {
    let desk = Desk::with(harness, PoolOptions::default().with_max_size(1)).await?;
    let reached = Arc::new(Notify::new());
    let there = Arc::clone(&reached);
    let stuck = body(move |conn| {
        let there = Arc::clone(&there);
        Box::pin(async move {
            add(conn, 2, 0).await?;
            there.notify_one();
            std::future::pending().await
        })
    });
    {
        let write = desk.write(stuck);
        tokio::select! {
            _ = write => panic!("the body never ends"),
            () = reached.notified() => {}
        }
    }
    assert_eq!(desk.counter(2).await, None, "the change is gone");
    let added = body(|conn| Box::pin(async move { Ok(i64::try_from(add(conn, 2, 7).await?).unwrap_or(0)) }));
    desk.write(added).await.expect("no transaction was left open");
    assert_eq!(desk.counter(2).await, Some(7));
    Ok(())
}

/// A panic in a body reaches its caller, its changes are rolled back, and the pool goes on.
async fn a_panicking_body_leaves_nothing_behind(harness: &dyn Harness) -> Checked {
    let desk = Desk::with(harness, PoolOptions::default().with_max_size(1)).await?;
    let pool = desk.pool.clone();
    let panicking = tokio::spawn(async move {
        let work = async |conn: &mut Conn| -> Result<(), Error> {
            add(conn, 2, 0).await?;
            panic!("on purpose");
        };
        pool.write(work).await
    });
    assert!(panicking.await.expect_err("it panicked").is_panic());
    assert_eq!(desk.counter(2).await, None, "the change is gone");
    assert_eq!(desk.counter(1).await, Some(0), "and nothing else is");
    Ok(())
}

/// `close`: work under way ends in peace, and whoever comes later gets `Unavailable`.
async fn a_closed_pool_finishes_its_work_and_takes_no_more(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let (holding, release) = hold(&desk).await;
    desk.pool.close();
    desk.pool.close();
    let error = desk.pool.check().await.expect_err("the pool is closed");
    assert_eq!((error.kind(), error.retry()), (&ErrorKind::Unavailable, Retry::Never));
    release.notify_one();
    holding.await.expect("no panic").expect("the work ends in peace");
    Ok(())
}

/// The observer sees the text of each statement, without its bound values.
async fn statements_are_observed_without_their_values(harness: &dyn Harness) -> Checked {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let options = PoolOptions::default()
        .observed_by(move |sql| log.lock().expect("the log is not poisoned").push(sql.to_owned()));
    let desk = Desk::with(harness, options).await?;
    seen.lock().expect("the log is not poisoned").clear();
    let work =
        body(|conn| Box::pin(async move { Ok(i64::try_from(add(conn, 424_242, 0).await?).unwrap_or(0)) }));
    desk.write(work).await.expect("it is added");
    let seen = seen.lock().expect("the log is not poisoned").join("\n");
    assert!(seen.contains("INSERT INTO"), "{seen}");
    assert!(!seen.contains("424242"), "{seen}");
    Ok(())
}

/// `survives_reopen`: what was committed is there after the last connection closed.
async fn what_was_committed_survives_a_reopening(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    desk.pool.close();
    let again =
        harness.pool(Arc::clone(&desk.setting.backend), PoolOptions::default()).expect("a pool opens");
    assert_eq!(counter_of(&again, 1).await, Some(0));
    Ok(())
}

/// Connections older than `max_age` are not used again.
async fn an_old_connection_is_not_used_again(harness: &dyn Harness) -> Checked {
    let limits = PoolOptions {
        max_age: Some(Duration::from_secs(1000)),
        idle_timeout: None,
        ..PoolOptions::default()
    };
    replaced_between(harness, limits, Duration::from_secs(849), Duration::from_secs(981)).await
}

/// Connections idle for longer than `idle_timeout` are not used again.
async fn an_idle_connection_is_not_used_again(harness: &dyn Harness) -> Checked {
    let limits = PoolOptions {
        max_age: None,
        idle_timeout: Some(Duration::from_secs(1000)),
        ..PoolOptions::default()
    };
    replaced_between(harness, limits, Duration::from_secs(990), Duration::from_secs(1001 + 990)).await
}

/// The same connection serves up to the first age and not from the second.
async fn replaced_between(
    harness: &dyn Harness,
    options: PoolOptions,
    kept: Duration,
    gone: Duration,
) -> Checked {
    let hands = Hands::new();
    let setting = harness.open().await?;
    let counting = Arc::new(Twisted::counting(&setting.backend));
    let options = PoolOptions { clock: hands.clock(), ..options };
    let pool = harness.pool(Arc::clone(&counting) as _, options).expect("a pool opens");
    pool.check().await.expect("an answer");
    hands.forward(kept);
    pool.check().await.expect("an answer");
    assert_eq!(counting.asked(), 1);
    hands.forward(gone.saturating_sub(kept));
    pool.check().await.expect("an answer");
    assert_eq!(counting.asked(), 2);
    Ok(())
}

/// A unit of work that holds its connection until it is released.
async fn hold(desk: &Desk<'_>) -> (tokio::task::JoinHandle<Result<(), Error>>, Arc<Notify>) {
    let release = Arc::new(Notify::new());
    let (begun, has_begun) = oneshot::channel();
    let begun = Arc::new(std::sync::Mutex::new(Some(begun)));
    let (pool, released) = (desk.pool.clone(), Arc::clone(&release));
    let holding = tokio::spawn(async move {
        let work = async move |conn: &mut Conn| -> Result<(), Error> {
            conn.batch_execute("SELECT 1").await?;
            if let Some(begun) = begun.lock().expect("the lock is not poisoned").take() {
                let _ = begun.send(());
            }
            released.notified().await;
            Ok(())
        };
        pool.read(work).await
    });
    has_begun.await.expect("the holder begins");
    (holding, release)
}
