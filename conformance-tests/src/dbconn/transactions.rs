//! What a unit of work guarantees.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ::dbconn::{Error, ErrorKind, Outcome, PoolOptions, Rule, on_conn};
use diesel_async::{AsyncConnection, RunQueryDsl};
use tokio::sync::Notify;

use super::{
    Harness,
    desk::{Desk, add, body, count, increment, n_of, set_n},
};
use crate::{Case, Checked, Need, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases![
        "transactions";
        ok_commits_and_err_rolls_back,
        sixty_four_writers_on_one_counter_lose_nothing,
        a_conflict_is_retried_as_often_as_allowed,
        the_bodys_own_error_is_not_retried,
        a_broken_constraint_is_named_and_not_retried,
        a_failed_statement_that_is_passed_over_commits_nothing,
        a_body_can_neither_begin_nor_end_a_transaction,
        a_snapshot_sees_one_moment_while_others_write,
        a_snapshot_refuses_changes_and_the_next_write_does_not,
    ]
}

pub(super) fn savepoint_cases() -> Vec<Case<dyn Harness>> {
    cases!["transactions" needs SAVEPOINTS; a_savepoint_undoes_its_part_alone]
}

/// Without savepoints a nested transaction is refused before anything is sent.
const SAVEPOINTS: Need<dyn Harness> = Need {
    declared: |harness| {
        Box::pin(async move { Ok(harness.open().await?.backend.target().capabilities().savepoints) })
    },
    undeclared: |harness| {
        Box::pin(async move {
            let desk = Desk::new(harness).await?;
            let error = desk.write(nested()).await.expect_err("transactions do not nest");
            assert_eq!(*error.kind(), ErrorKind::Unsupported);
            assert_eq!(desk.counter(2).await, None);
            Ok(())
        })
    },
};

/// `Ok` from the body commits, `Err` rolls back and is returned as it is.
async fn ok_commits_and_err_rolls_back(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let fine = body(|conn| {
        Box::pin(async move {
            add(conn, 2, 5).await?;
            assert_eq!(n_of(conn, 2).await?, Some(5), "the body sees its own changes");
            Ok(17)
        })
    });
    assert_eq!(desk.write(fine).await.expect("it commits"), 17);
    assert_eq!(desk.counter(2).await, Some(5));

    let failing = body(|conn| {
        Box::pin(async move {
            add(conn, 3, 5).await?;
            Err(Error::new(ErrorKind::Other, "application", "changed its mind"))
        })
    });
    let error = desk.write(failing).await.expect_err("the body failed");
    assert_eq!(error.operation(), "application");
    assert_eq!(desk.counter(3).await, None);
    Ok(())
}

/// A row that somebody else has changed since it was read is a conflict, and the body runs again.
async fn sixty_four_writers_on_one_counter_lose_nothing(harness: &dyn Harness) -> Checked {
    let options = PoolOptions {
        wait_timeout: Duration::from_mins(1),
        retry_deadline: Duration::from_mins(1),
        attempts: 1000,
        ..PoolOptions::default()
    };
    let desk = Desk::with(harness, options.with_max_size(16)).await?;
    let writing = (0..64).map(|_| desk.write(increment()));
    for written in futures_util::future::join_all(writing).await {
        written.expect("everybody gets through");
    }
    assert_eq!(desk.counter(1).await, Some(64));
    Ok(())
}

/// The body runs again from its start, `attempts` times in total; then the error is `Conflict`.
async fn a_conflict_is_retried_as_often_as_allowed(harness: &dyn Harness) -> Checked {
    let desk = Desk::with(harness, PoolOptions { attempts: 4, ..PoolOptions::default() }).await?;
    let (runs, counted) = counted(|| Error::new(ErrorKind::Conflict, "statement", "somebody was faster"));
    let error = desk.write(counted).await.expect_err("it never succeeds");
    assert_eq!((error.kind(), error.outcome()), (&ErrorKind::Conflict, Outcome::NotApplied));
    assert_eq!(count(&runs), 4);
    assert_eq!(desk.counter(2).await, None, "no attempt left anything");
    Ok(())
}

/// An error of the body that is no conflict is final.
async fn the_bodys_own_error_is_not_retried(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let (runs, counted) = counted(|| Error::new(ErrorKind::Other, "application", "no"));
    desk.write(counted).await.expect_err("the body failed");
    assert_eq!(count(&runs), 1);
    Ok(())
}

/// A broken rule of the schema is `Constraint` with the sort of rule and, where the engine tells it, the name.
async fn a_broken_constraint_is_named_and_not_retried(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    desk.run_sql(
        "CREATE TABLE parts (id BIGINT PRIMARY KEY, whole BIGINT NOT NULL, \
         CONSTRAINT of_counter FOREIGN KEY (whole) REFERENCES counters (id))",
    )
    .await;
    let broken = [
        ("INSERT INTO counters VALUES (1, 1)", Rule::Unique, Some("counters")),
        ("INSERT INTO counters VALUES (2, -1)", Rule::Check, Some("positive")),
        ("INSERT INTO counters (id, n) VALUES (2, NULL)", Rule::NotNull, Some("counters.n")),
        ("INSERT INTO parts VALUES (1, 99)", Rule::ForeignKey, None),
    ];
    for (sql, rule, name) in broken {
        let runs = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&runs);
        let work = body(move |conn| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move { conn.batch_execute(sql).await.map(|()| 0) })
        });
        let error = desk.write(work).await.expect_err(sql);
        let constraint = error.constraint().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        assert_eq!(constraint.rule, rule, "{sql}");
        if let Some(name) = name {
            assert!(constraint.name.as_deref().is_some_and(|given| given.contains(name)), "{error:?}");
        }
        assert_eq!(count(&runs), 1, "{sql}");
    }
    Ok(())
}

/// If a statement failed and the body returned `Ok` all the same, nothing is committed.
async fn a_failed_statement_that_is_passed_over_commits_nothing(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let careless = body(|conn| {
        Box::pin(async move {
            add(conn, 2, 0).await?;
            add(conn, 1, 0).await.expect_err("it is there already");
            Ok(0)
        })
    });
    let error = desk.write(careless).await.expect_err("part of it failed");
    assert_eq!((error.kind(), error.outcome()), (&ErrorKind::Invalid, Outcome::NotApplied));
    assert_eq!(desk.counter(2).await, None);
    Ok(())
}

/// Statements that begin or end a transaction are refused, in any form, so none is ever left open.
async fn a_body_can_neither_begin_nor_end_a_transaction(harness: &dyn Harness) -> Checked {
    let desk = Desk::with(harness, PoolOptions::default().with_max_size(1)).await?;
    for sql in ["BEGIN", "commit", "SAVEPOINT a", "ROLLBACK"] {
        let plain = body(move |conn| Box::pin(async move { conn.batch_execute(sql).await.map(|()| 0) }));
        let query = body(move |conn| {
            Box::pin(async move { on_conn!(conn, |c| diesel::sql_query(sql).execute(c).await).map(|_| 0) })
        });
        for work in [plain, query] {
            let read = desk.read(Arc::clone(&work)).await.expect_err(sql);
            let write = desk.write(work).await.expect_err(sql);
            assert_eq!((read.kind(), write.kind()), (&ErrorKind::Invalid, &ErrorKind::Invalid), "{sql}");
        }
    }
    desk.write(increment()).await.expect("the connection is as new");
    Ok(())
}

/// All statements of a snapshot see the database as it was at one moment.
async fn a_snapshot_sees_one_moment_while_others_write(harness: &dyn Harness) -> Checked {
    let desk = Desk::with(harness, PoolOptions::default().with_max_size(2)).await?;
    let alone = desk.pool.status().max_size == 1;
    let (looked, changed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (has_looked, has_changed) = (Arc::clone(&looked), Arc::clone(&changed));
    let looking = body(move |conn| {
        let (looked, changed) = (Arc::clone(&has_looked), Arc::clone(&has_changed));
        Box::pin(async move {
            let before = n_of(conn, 1).await?;
            looked.notify_one();
            if !alone {
                changed.notified().await;
            }
            assert_eq!(n_of(conn, 1).await?, before, "the same moment");
            Ok(before.unwrap_or(-1))
        })
    });
    let change = async {
        looked.notified().await;
        desk.write(increment()).await.expect("readers do not hold up the writer");
        changed.notify_one();
    };
    let (seen, ()) = tokio::join!(desk.snapshot(looking), change);
    assert_eq!(seen.expect("a snapshot"), 0);
    assert_eq!(desk.counter(1).await, Some(1));
    Ok(())
}

/// Changes in a snapshot are refused as `Invalid`, and the connection can write afterwards.
async fn a_snapshot_refuses_changes_and_the_next_write_does_not(harness: &dyn Harness) -> Checked {
    let desk = Desk::with(harness, PoolOptions::default().with_max_size(1)).await?;
    let error = desk.snapshot(increment()).await.expect_err("a snapshot is for reading");
    assert_eq!(*error.kind(), ErrorKind::Invalid);
    desk.write(increment()).await.expect("the connection is as new");
    assert_eq!(desk.counter(1).await, Some(1));
    Ok(())
}

/// `savepoints`: part of a transaction can be rolled back, and the rest commits.
async fn a_savepoint_undoes_its_part_alone(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    desk.write(nested()).await.expect("the rest is committed");
    assert_eq!(desk.counter(2).await, None, "undone");
    assert_eq!(desk.counter(1).await, Some(1));
    Ok(())
}

/// A body that adds a counter in a nested transaction which fails, passes over that, and changes another.
fn nested() -> super::Body {
    body(|conn| {
        Box::pin(async move {
            let nested: Result<(), Error> = on_conn!(conn, |c| {
                #[expect(clippy::disallowed_methods, reason = "inside of a unit of work this is a savepoint")]
                c.transaction(async |c| {
                    diesel::sql_query("INSERT INTO counters VALUES (2, 0)").execute(c).await?;
                    diesel::sql_query("INSERT INTO counters VALUES (1, 0)").execute(c).await?;
                    Ok(())
                })
                .await
            });
            let error = nested.expect_err("counter 1 is there already");
            if !error.is_unique_violation() {
                return Err(error);
            }
            Ok(i64::try_from(set_n(conn, 1, 1).await?).unwrap_or(0))
        })
    })
}

/// A body that adds counter 2, fails with this error, and counts how often it ran.
fn counted(error: impl Fn() -> Error + Send + Sync + 'static) -> (Arc<AtomicU32>, super::Body) {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let work = body(move |conn| {
        counter.fetch_add(1, Ordering::SeqCst);
        let error = error();
        Box::pin(async move {
            add(conn, 2, 0).await?;
            Err(error)
        })
    });
    (runs, work)
}
