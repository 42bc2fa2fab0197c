//! Bringing a schema up to date.

use std::sync::Arc;

use ::dbconn::{
    ErrorKind, PoolOptions,
    migrate::{self, Migration, Sql, Step},
};
use futures_util::future::join_all;

use super::{Harness, desk::Desk};
use crate::{Case, Checked, cases};

const FIRST: Migration = Migration {
    name: "0001_first",
    steps: &[
        Step { name: "01_a", sql: Sql::Common("CREATE TABLE a (id BIGINT PRIMARY KEY)") },
        Step {
            name: "02_b",
            sql: Sql::PerDialect {
                sqlite: "CREATE TABLE b (id INTEGER PRIMARY KEY)",
                postgres: "CREATE TABLE b (id INT PRIMARY KEY)",
            },
        },
        Step { name: "03_row", sql: Sql::Common("INSERT INTO a VALUES (1)") },
    ],
};

const SECOND: Migration = Migration {
    name: "0002_second",
    steps: &[Step { name: "01_c", sql: Sql::Common("CREATE TABLE c (id BIGINT PRIMARY KEY)") }],
};

const EDITED: Migration = Migration {
    name: "0002_second",
    steps: &[Step { name: "01_c", sql: Sql::Common("CREATE TABLE c (id TEXT PRIMARY KEY)") }],
};

const BROKEN: Migration = Migration {
    name: "0002_second",
    steps: &[
        Step { name: "00_fine", sql: Sql::Common("INSERT INTO a VALUES (2)") },
        Step { name: "01_broken", sql: Sql::Common("INSERT INTO nowhere VALUES (1)") },
    ],
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases![
        "migrate";
        steps_are_carried_out_once_and_in_order,
        eight_at_once_carry_out_each_step_once,
        a_step_that_fails_is_named_and_leaves_no_trace,
        an_edited_step_is_refused_by_name,
        a_newer_database_is_refused,
    ]
}

/// Carries out what is pending, and gives what this call carried out. Idempotent.
async fn steps_are_carried_out_once_and_in_order(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let before = migrate::status(&desk.pool, &[FIRST]).await.expect("a status");
    assert_eq!(before.pending, ["0001_first/01_a", "0001_first/02_b", "0001_first/03_row"]);
    let applied = harness.migrate(&desk.pool, &[FIRST]).await.expect("it is migrated");
    assert_eq!(applied.iter().map(|step| step.step.as_str()).collect::<Vec<_>>(), ["01_a", "02_b", "03_row"]);
    assert_eq!(harness.migrate(&desk.pool, &[FIRST]).await.expect("again"), []);
    let applied = harness.migrate(&desk.pool, &[FIRST, SECOND]).await.expect("further");
    assert_eq!(applied.len(), 1);
    assert!(migrate::status(&desk.pool, &[FIRST, SECOND]).await.expect("a status").is_current());
    Ok(())
}

/// Safe to call on several nodes at once: each step is carried out once, and everybody returns when all are done.
async fn eight_at_once_carry_out_each_step_once(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let alone = desk.pool.status().max_size == 1;
    let pools: Vec<_> = (0..8)
        .map(|_| {
            // Pools of their own, as on nodes of their own; data in memory belongs to one pool.
            let backend = Arc::clone(&desk.setting.backend);
            let own = harness.pool(backend, PoolOptions::default()).expect("a pool opens");
            if alone { desk.pool.clone() } else { own }
        })
        .collect();
    let migrating = pools.iter().map(|pool| harness.migrate(pool, &[FIRST, SECOND]));
    let applied: usize = join_all(migrating)
        .await
        .into_iter()
        .map(|applied| applied.expect("everybody ends with a current schema").len())
        .sum();
    assert_eq!(applied, 4);
    assert!(migrate::status(&desk.pool, &[FIRST, SECOND]).await.expect("a status").is_current());
    Ok(())
}

/// A step that fails is rolled back with its row in the ledger, and the error names it; the steps before it stay.
async fn a_step_that_fails_is_named_and_leaves_no_trace(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let error = harness.migrate(&desk.pool, &[FIRST, BROKEN]).await.expect_err("a step is broken");
    assert!(error.to_string().contains("0002_second/01_broken"), "{error}");
    let status = migrate::status(&desk.pool, &[FIRST, BROKEN]).await.expect("a status");
    assert_eq!(status.pending, ["0002_second/01_broken"]);
    assert_eq!(status.applied.len(), 4);
    Ok(())
}

/// `Invalid`, with nothing carried out, if an applied step was edited; the error names it.
async fn an_edited_step_is_refused_by_name(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    harness.migrate(&desk.pool, &[SECOND]).await.expect("it is migrated");
    let error = harness.migrate(&desk.pool, &[EDITED, FIRST]).await.expect_err("it was edited");
    assert_eq!(*error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("0002_second/01_c"), "{error}");
    let status = migrate::status(&desk.pool, &[EDITED, FIRST]).await.expect("a status");
    assert_eq!((status.edited.len(), status.pending.len()), (1, 3));
    Ok(())
}

/// `Invalid`, with nothing carried out, if the database is newer than the program; the error names the steps.
async fn a_newer_database_is_refused(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    harness.migrate(&desk.pool, &[SECOND]).await.expect("it is migrated");
    let error = harness.migrate(&desk.pool, &[FIRST]).await.expect_err("it is newer");
    assert_eq!(*error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("newer") && error.to_string().contains("0002_second/01_c"), "{error}");
    let status = migrate::status(&desk.pool, &[FIRST]).await.expect("a status");
    assert_eq!((status.unknown.len(), status.pending.len()), (1, 3));
    Ok(())
}
