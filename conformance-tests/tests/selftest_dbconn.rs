//! The connections suite against what is broken on purpose. A check that nothing fails is a defect.
//!
//! Each test names the one case that has to catch its defect.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use conformance_tests::{
    Absent, Verdict,
    dbconn::{Body, Harness, Setting, cases},
};
use dbconn::{
    Ask, Backend, Clock, Conn, Credentials, Dialect, Error, ErrorKind, Location, Pool, PoolOptions, Secret,
    Target,
    migrate::{self, Applied, Migration},
};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    Nothing,
    DebugShowsThePassword,
    ForgetsWhatWasCommitted,
    OpensAConnectionForEachUnit,
    WritesWithoutTransaction,
    RepeatsEveryError,
    GivesUpAtTheFirstConflict,
    NeverGivesUp,
    GoesOnWhenDropped,
    ReadsInsteadOfSnapshot,
    WritesInsteadOfSnapshot,
    NeverRenews,
    RenewsEachTime,
    ServesTheExpired,
    KeepsTheRefused,
    FetchesForEachCaller,
    MigratesWithoutLedger,
    MigratesOverEdits,
}

struct Broken(Defect);

/// A SQLite file, with a password that nobody needs.
struct File {
    target: Target,
    defect: Defect,
}

#[async_trait]
impl Backend for File {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn credentials(&self, _: &Ask<'_>) -> Result<Credentials, Error> {
        Ok(Credentials::new("somebody", Secret::new("its own password")))
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.defect {
            Defect::DebugShowsThePassword => f.write_str("File { its own password }"),
            _ => f.write_str("File"),
        }
    }
}

#[async_trait]
impl Harness for Broken {
    async fn open(&self) -> Result<Setting, Absent> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let target = Target::sqlite(Location::File(folder.path().join("data.db")));
        Ok(Setting::new(File { target, defect: self.0 }, folder))
    }

    fn pool(&self, backend: Arc<dyn Backend>, options: PoolOptions) -> Result<Pool, Error> {
        if let (Defect::ForgetsWhatWasCommitted, dbconn::Endpoint::Sqlite(Location::File(path))) =
            (self.0, &backend.target().endpoint)
        {
            let _ = std::fs::remove_file(path);
        }
        Pool::open(backend, options)
    }

    async fn read(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        let work = async move |conn: &mut Conn| body(conn).await;
        match self.0 {
            Defect::OpensAConnectionForEachUnit => {
                // The pool at hand is left with no connection, as if it had none to keep.
                pool.write(async |_: &mut Conn| {
                    Err::<(), _>(Error::new(ErrorKind::Unavailable, "x", "lost"))
                })
                .await
                .expect_err("that is what it says");
                pool.read(work).await
            }
            _ => pool.read(work).await,
        }
    }

    async fn snapshot(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        let work = async move |conn: &mut Conn| body(conn).await;
        match self.0 {
            Defect::ReadsInsteadOfSnapshot => pool.read(work).await,
            Defect::WritesInsteadOfSnapshot => pool.write(work).await,
            _ => pool.snapshot(work).await,
        }
    }

    async fn write(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        let work = async move |conn: &mut Conn| body(conn).await;
        match self.0 {
            Defect::WritesWithoutTransaction => pool.read(work).await,
            Defect::RepeatsEveryError => match pool.write(work.clone()).await {
                Ok(value) => Ok(value),
                Err(_) => pool.write(work).await,
            },
            Defect::NeverGivesUp => {
                let mut result = pool.write(work.clone()).await;
                for _ in 0..3 {
                    match result {
                        Err(error) if *error.kind() == ErrorKind::Conflict => {
                            result = pool.write(work.clone()).await;
                        }
                        other => return other,
                    }
                }
                result
            }
            Defect::GivesUpAtTheFirstConflict => {
                // An error of another kind is what the pool does not repeat.
                let once = async move |conn: &mut Conn| {
                    work(conn).await.map_err(|error| match error.kind() {
                        ErrorKind::Conflict => Error::new(ErrorKind::Other, "statement", "a conflict"),
                        _ => error,
                    })
                };
                pool.write(once).await
            }
            Defect::GoesOnWhenDropped => {
                let pool = pool.clone();
                tokio::spawn(async move { pool.write(work).await }).await.expect("no panic")
            }
            _ => pool.write(work).await,
        }
    }

    fn rotating(&self, source: Arc<dyn Backend>, ahead: Duration) -> Arc<dyn Backend> {
        match self.0 {
            Defect::NeverRenews
            | Defect::RenewsEachTime
            | Defect::ServesTheExpired
            | Defect::KeepsTheRefused
            | Defect::FetchesForEachCaller => {
                Arc::new(Cache { source, ahead, kept: Mutex::new(None), defect: self.0 })
            }
            _ => Arc::new(dbconn::Rotating::new(source, ahead)),
        }
    }

    async fn migrate(&self, pool: &Pool, migrations: &[Migration]) -> Result<Vec<Applied>, Error> {
        match self.0 {
            Defect::MigratesWithoutLedger => {
                for step in migrations.iter().flat_map(|migration| migration.steps) {
                    let sql = step.sql.text(Dialect::Sqlite);
                    let _ = pool.write(async |conn: &mut Conn| conn.batch_execute(sql).await).await;
                }
                Ok(Vec::new())
            }
            Defect::MigratesOverEdits => {
                let status = migrate::status(pool, migrations).await?;
                if status.edited.is_empty() {
                    migrate::up(pool, migrations, &Clock::system()).await
                } else {
                    Ok(Vec::new())
                }
            }
            _ => migrate::up(pool, migrations, &Clock::system()).await,
        }
    }
}

/// Keeps credentials, wrongly.
#[derive(Debug)]
struct Cache {
    source: Arc<dyn Backend>,
    ahead: Duration,
    kept: Mutex<Option<Credentials>>,
    defect: Defect,
}

#[async_trait]
impl Backend for Cache {
    fn target(&self) -> &Target {
        self.source.target()
    }

    async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
        let kept = self.kept.lock().expect("not poisoned").clone();
        if let Some(kept) = kept {
            let due = kept.expired_at(ask.now + self.ahead);
            let good = match self.defect {
                Defect::NeverRenews => true,
                Defect::RenewsEachTime => false,
                _ => !due,
            };
            if good {
                return Ok(kept);
            }
            let fresh = self.source.credentials(ask).await;
            return match fresh {
                Err(_) if self.defect == Defect::ServesTheExpired => Ok(kept),
                Err(error) if kept.expired_at(ask.now) => Err(error),
                Err(_) => Ok(kept),
                Ok(fresh) => Ok(self.kept.lock().expect("not poisoned").insert(fresh).clone()),
            };
        }
        let fresh = self.source.credentials(ask).await?;
        Ok(self.kept.lock().expect("not poisoned").insert(fresh).clone())
    }

    async fn refused(&self, _: &Credentials, _: &dbconn::Refusal) -> dbconn::Verdict {
        if self.defect != Defect::KeepsTheRefused {
            *self.kept.lock().expect("not poisoned") = None;
        }
        dbconn::Verdict::Renew
    }
}

/// What the case of this name says about the defect.
fn judged(defect: Defect, name: &str) -> Verdict {
    let case =
        cases().into_iter().find(|case| case.name() == name).unwrap_or_else(|| panic!("no case {name}"));
    case.judge(&Broken(defect) as &dyn Harness)
}

/// One test per defect: the case fails on it, and passes without it.
macro_rules! caught {
    ($($test:ident: $defect:ident by $case:literal;)+) => {$(
        #[test]
        fn $test() {
            assert_eq!(judged(Defect::Nothing, $case), Verdict::Passed);
            let verdict = judged(Defect::$defect, $case);
            assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
        }
    )+};
}

caught! {
    a_password_in_debug: DebugShowsThePassword by "credentials::no_debug_or_error_shows_a_password";
    a_database_that_forgets: ForgetsWhatWasCommitted by "pool::what_was_committed_survives_a_reopening";
    a_connection_for_each_unit: OpensAConnectionForEachUnit by "credentials::they_are_asked_for_once_per_new_connection";
    no_transaction: WritesWithoutTransaction by "transactions::ok_commits_and_err_rolls_back";
    half_of_the_work: WritesWithoutTransaction by "transactions::a_failed_statement_that_is_passed_over_commits_nothing";
    no_transaction_to_drop: WritesWithoutTransaction by "pool::a_dropped_unit_of_work_leaves_nothing_behind";
    no_savepoints: WritesWithoutTransaction by "transactions::a_savepoint_undoes_its_part_alone";
    lost_updates: WritesWithoutTransaction by "transactions::sixty_four_writers_on_one_counter_lose_nothing";
    errors_of_the_body_repeated: RepeatsEveryError by "transactions::the_bodys_own_error_is_not_retried";
    broken_constraints_repeated: RepeatsEveryError by "transactions::a_broken_constraint_is_named_and_not_retried";
    one_attempt_only: GivesUpAtTheFirstConflict by "transactions::a_conflict_is_retried_as_often_as_allowed";
    attempts_without_end: NeverGivesUp by "transactions::a_conflict_is_retried_as_often_as_allowed";
    work_that_outlives_its_caller: GoesOnWhenDropped by "pool::a_dropped_unit_of_work_leaves_nothing_behind";
    a_view_that_moves: ReadsInsteadOfSnapshot by "transactions::a_snapshot_sees_one_moment_while_others_write";
    a_view_that_can_be_changed: WritesInsteadOfSnapshot
        by "transactions::a_snapshot_refuses_changes_and_the_next_write_does_not";
    a_cache_that_never_renews: NeverRenews by "credentials::kept_ones_are_renewed_ahead_of_their_end";
    a_cache_that_keeps_nothing: RenewsEachTime by "credentials::kept_ones_are_renewed_ahead_of_their_end";
    a_cache_that_gives_the_expired: ServesTheExpired
        by "credentials::kept_ones_serve_while_a_renewal_fails_and_no_longer";
    a_cache_that_keeps_the_refused: KeepsTheRefused by "credentials::refused_ones_are_not_kept";
    a_herd_at_the_source: FetchesForEachCaller by "credentials::callers_at_once_share_one_renewal";
    no_ledger: MigratesWithoutLedger by "migrate::steps_are_carried_out_once_and_in_order";
    failures_ignored: MigratesWithoutLedger by "migrate::a_step_that_fails_is_named_and_leaves_no_trace";
    edits_ignored: MigratesOverEdits by "migrate::an_edited_step_is_refused_by_name";
}
