//! The connections suite against what is broken on purpose. A check that nothing fails is a defect.
//!
//! Each test names the one case that has to catch its defect. Everything runs on SQLite, so a case that needs a server is
//! broken in its turned-round form only.
//!
//! These cases have no broken counterpart here, and [`UNBROKEN`] holds their names:
//!
//! - The values, a panicking body and a closed pool: they use the pool's own methods, since a body of the harness gives
//!   one number and takes no sink. To break them one has to edit the pool.
//!
//! So do the server's cases in their proper form: nothing but the pool, the driver and a real server takes part in them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use conformance_tests::{
    Absent, Case, Verdict,
    dbconn::{Body, Harness, Setting, cases},
};
use dbconn::{
    Ask, Backend, Clock, Conn, Credentials, Dialect, Endpoint, Error, ErrorKind, Location, Pool, PoolOptions,
    Secret, Target,
    migrate::{self, Applied, Migration},
};
use tempfile::TempDir;

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
    MigratesOlderProgram,
    SendsTheExpired,
    HidesTheSourcesError,
    HidesTheTimeout,
    RefusesSomeUsers,
    LetsInMore,
    ObservesNothing,
    KeepsTheOld,
    RetiresEarly,
    KeepsTheIdle,
    MemoryOnDisk,
    DeclaresSavepointsItLacks,
    HasSavepointsItDenies,
    MuddlesTheKinds,
}

struct Broken {
    defect: Defect,
    /// For a database that should have been in memory.
    folder: TempDir,
}

impl Broken {
    fn by(defect: Defect) -> Self {
        Self { defect, folder: tempfile::tempdir().expect("a folder can be made") }
    }
}

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

/// What a pool gets to see of a backend: not what the backend says.
#[derive(Debug)]
struct Lie {
    inner: Arc<dyn Backend>,
    target: Target,
    defect: Defect,
}

#[async_trait]
impl Backend for Lie {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn credentials(&self, ask: &Ask<'_>) -> Result<Credentials, Error> {
        let soon = Duration::from_millis(10);
        let answer = match self.defect {
            Defect::HidesTheTimeout => tokio::time::timeout(soon, self.inner.credentials(ask))
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, "credentials", "too slow"))),
            _ => self.inner.credentials(ask).await,
        };
        match (self.defect, answer) {
            (Defect::SendsTheExpired, Ok(credentials)) => Ok(Credentials { not_after: None, ..credentials }),
            (Defect::HidesTheSourcesError, Err(_)) => self.inner.credentials(ask).await,
            (Defect::RefusesSomeUsers, Ok(credentials)) if credentials.user == "nobody" => {
                Err(Error::new(ErrorKind::Denied, "connect", "who is that?"))
            }
            (_, answer) => answer,
        }
    }

    async fn refused(&self, credentials: &Credentials, refusal: &dbconn::Refusal) -> dbconn::Verdict {
        self.inner.refused(credentials, refusal).await
    }
}

#[async_trait]
impl Harness for Broken {
    async fn open(&self) -> Result<Setting, Absent> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let location = match self.defect {
            Defect::MemoryOnDisk => Location::Memory,
            _ => Location::File(folder.path().join("data.db")),
        };
        let mut target = Target::sqlite(location);
        target.profile.savepoints = self.defect != Defect::HasSavepointsItDenies;
        Ok(Setting::new(File { target, defect: self.defect }, folder))
    }

    fn pool(&self, backend: Arc<dyn Backend>, mut options: PoolOptions) -> Result<Pool, Error> {
        let mut target = backend.target().clone();
        match (self.defect, &mut target.endpoint) {
            (Defect::ForgetsWhatWasCommitted, Endpoint::Sqlite(Location::File(path))) => {
                let _ = std::fs::remove_file(path);
            }
            (Defect::MemoryOnDisk, endpoint) => {
                *endpoint = Endpoint::Sqlite(Location::File(self.folder.path().join("data.db")));
            }
            (Defect::DeclaresSavepointsItLacks, _) => target.profile.savepoints = false,
            (Defect::HasSavepointsItDenies, _) => target.profile.savepoints = true,
            (Defect::LetsInMore, _) => options.max_size *= 2,
            (Defect::ObservesNothing, _) => options.observe = None,
            (Defect::KeepsTheOld, _) => options.max_age = None,
            (Defect::RetiresEarly, _) => options.max_age = options.max_age.map(|age| age / 2),
            (Defect::KeepsTheIdle, _) => options.idle_timeout = None,
            _ => {}
        }
        Pool::open(Arc::new(Lie { inner: backend, target, defect: self.defect }), options)
    }

    async fn read(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        let work = async move |conn: &mut Conn| body(conn).await;
        match self.defect {
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
        match self.defect {
            Defect::ReadsInsteadOfSnapshot => pool.read(work).await,
            Defect::WritesInsteadOfSnapshot => pool.write(work).await,
            _ => pool.snapshot(work).await,
        }
    }

    async fn write(&self, pool: &Pool, body: Body) -> Result<i64, Error> {
        let work = async move |conn: &mut Conn| body(conn).await;
        match self.defect {
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
            Defect::MuddlesTheKinds => pool
                .write(work)
                .await
                .map_err(|error| Error::new(ErrorKind::Other, error.operation(), error.to_string())),
            Defect::GoesOnWhenDropped => {
                let pool = pool.clone();
                tokio::spawn(async move { pool.write(work).await }).await.expect("no panic")
            }
            _ => pool.write(work).await,
        }
    }

    fn rotating(&self, source: Arc<dyn Backend>, ahead: Duration) -> Arc<dyn Backend> {
        match self.defect {
            Defect::NeverRenews
            | Defect::RenewsEachTime
            | Defect::ServesTheExpired
            | Defect::KeepsTheRefused
            | Defect::FetchesForEachCaller => {
                Arc::new(Cache { source, ahead, kept: Mutex::new(None), defect: self.defect })
            }
            _ => Arc::new(dbconn::Rotating::new(source, ahead)),
        }
    }

    async fn migrate(&self, pool: &Pool, migrations: &[Migration]) -> Result<Vec<Applied>, Error> {
        match self.defect {
            Defect::MigratesWithoutLedger => {
                for step in migrations.iter().flat_map(|migration| migration.steps) {
                    let sql = step.sql.text(Dialect::Sqlite);
                    let _ = pool.write(async |conn: &mut Conn| conn.batch_execute(sql).await).await;
                }
                Ok(Vec::new())
            }
            Defect::MigratesOverEdits | Defect::MigratesOlderProgram => {
                let status = migrate::status(pool, migrations).await?;
                let passed_over = match self.defect {
                    Defect::MigratesOverEdits => status.edited,
                    _ => status.unknown,
                };
                if passed_over.is_empty() {
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
    case.judge(&Broken::by(defect) as &dyn Harness)
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
    )+

    /// The cases that are shown to fail.
    const CAUGHT: &[&str] = &[$($case),+];
    };
}

/// The cases that are not; the head of this file says why.
const UNBROKEN: [&str; 6] = [
    "pool::a_closed_pool_finishes_its_work_and_takes_no_more",
    "pool::a_panicking_body_leaves_nothing_behind",
    "values::affected_rows_are_counted",
    "values::an_upsert_gives_the_row_as_it_is_now",
    "values::many_rows_go_in_and_stream_out",
    "values::values_come_back_as_they_went_in",
];

#[test]
fn every_case_is_shown_to_fail_or_named() {
    let named = |name| CAUGHT.contains(&name) != UNBROKEN.contains(&name);
    let cases: Vec<_> = cases().iter().map(Case::name).collect();
    let unnamed: Vec<_> = cases.iter().filter(|name| !named(**name)).collect();
    assert!(unnamed.is_empty(), "neither broken nor named, or both: {unnamed:?}");
    assert!(UNBROKEN.iter().all(|name| cases.contains(name)), "a case was renamed");
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
    eight_without_ledger: MigratesWithoutLedger by "migrate::eight_at_once_carry_out_each_step_once";
    an_older_program: MigratesOlderProgram by "migrate::a_newer_database_is_refused";
    expired_credentials_sent: SendsTheExpired by "credentials::expired_ones_are_never_sent";
    an_error_of_the_source_hidden: HidesTheSourcesError by "credentials::an_error_of_the_source_reaches_the_caller";
    a_timeout_under_another_name: HidesTheTimeout by "credentials::a_hanging_source_is_cut_by_the_connect_timeout";
    more_connections_than_allowed: LetsInMore by "pool::never_more_connections_than_allowed_under_100_tasks";
    a_connection_where_none_is_free: LetsInMore by "pool::a_caller_without_a_free_connection_times_out";
    an_observer_that_is_not_told: ObservesNothing by "pool::statements_are_observed_without_their_values";
    an_old_connection_used: KeepsTheOld by "pool::an_old_connection_is_not_used_again";
    a_young_connection_closed: RetiresEarly by "pool::an_old_connection_is_not_used_again";
    an_idle_connection_used: KeepsTheIdle by "pool::an_idle_connection_is_not_used_again";
    memory_that_survives: MemoryOnDisk by "pool::what_was_committed_survives_a_reopening";
    savepoints_declared_and_missing: DeclaresSavepointsItLacks by "transactions::a_savepoint_undoes_its_part_alone";
    savepoints_denied_and_there: HasSavepointsItDenies by "transactions::a_savepoint_undoes_its_part_alone";
    kinds_muddled: MuddlesTheKinds by "transactions::a_body_can_neither_begin_nor_end_a_transaction";
    users_where_there_are_none: RefusesSomeUsers by "credentials::user_and_password_arrive_unchanged";
    a_refusal_where_there_are_no_users: RefusesSomeUsers
        by "credentials::a_refused_login_is_renewed_once_and_then_given_up";
    a_rotation_where_there_are_no_users: RefusesSomeUsers
        by "credentials::a_rotated_password_is_noticed_by_new_connections_only";
    a_dead_read_where_there_is_no_server: RefusesSomeUsers
        by "faults::a_read_on_a_dead_connection_is_repeated_on_another";
    a_dead_write_where_there_is_no_server: RefusesSomeUsers
        by "faults::a_write_whose_connection_dies_before_the_commit_is_repeated";
    an_unsent_commit_where_there_is_no_server: RefusesSomeUsers
        by "faults::a_commit_that_never_reached_the_server_is_unknown";
    a_lost_answer_where_there_is_no_server: RefusesSomeUsers
        by "faults::a_commit_whose_answer_was_lost_is_unknown_and_not_repeated";
    dead_connections_where_there_is_no_server: RefusesSomeUsers
        by "faults::every_connection_of_a_pool_may_die_at_once";
}
