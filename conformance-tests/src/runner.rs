//! Turns cases into tests: one runtime and one deadline each, skips that are seen, and a verdict a program can read.

use std::{
    any::Any,
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// A case that takes longer than this hangs. It bounds a hang, and says nothing about speed.
const DEADLINE: Duration = Duration::from_mins(5);

/// Adapters that may not skip, by name, separated by commas.
const REQUIRE: &str = "CONFORMANCE_REQUIRE";

/// How the reason begins when a hook was not implemented.
const NO_HOOK: &str = "the harness offers no";

/// What a case returns: `Ok` for a pass, [`Absent`] for a skip. It fails by panicking.
pub type Checked = Result<(), Absent>;

/// The future of one case, borrowing the harness.
type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T, Absent>> + Send + 'a>>;

/// Something the harness cannot offer here, and why: a server that is not running, a hook that was not implemented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent(String);

impl Absent {
    /// Absent for the given reason, which the report shows.
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The harness does not implement the optional hook of this name.
    pub fn hook(name: &str) -> Self {
        Self(format!("{NO_HOOK} `{name}`"))
    }

    /// Whether this is about a [`hook`](Self::hook).
    pub(crate) fn is_hook(&self) -> bool {
        self.0.starts_with(NO_HOOK)
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A capability that cases depend on, and what must hold in its place when the backend does not declare it.
///
/// Without the capability the case is turned round: `undeclared` runs in its place and demands that the call answers
/// `Unsupported`, quickly and without effect. So a backend passes by keeping a promise or by not making it.
#[derive(Debug)]
pub struct Need<H: ?Sized> {
    /// Whether the backend behind this harness declares the capability.
    pub declared: for<'a> fn(&'a H) -> Running<'a, bool>,
    /// What to check when it does not.
    pub undeclared: for<'a> fn(&'a H) -> Running<'a, ()>,
}

// Derived, these would ask for `H: Clone`, which no harness needs to be.
impl<H: ?Sized> Clone for Need<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: ?Sized> Copy for Need<H> {}

/// One rule of a contract, executable against any harness `H` of its suite.
#[derive(Debug)]
pub struct Case<H: ?Sized> {
    name: &'static str,
    run: for<'a> fn(&'a H) -> Running<'a, ()>,
    need: Option<Need<H>>,
    heavy: bool,
}

impl<H: ?Sized> Clone for Case<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: ?Sized> Copy for Case<H> {}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The rule holds.
    Passed,
    /// The case could not run.
    Skipped(Absent),
    /// The rule does not hold; the message of the failed assertion.
    Failed(String),
}

impl<H: ?Sized> Case<H> {
    /// A case with its full name, such as `files::create::exactly_one_of_32_wins`. Written by `cases!`.
    pub fn new(name: &'static str, run: for<'a> fn(&'a H) -> Running<'a, ()>) -> Self {
        Self { name, run, need: None, heavy: false }
    }

    /// The same case, turned round where `need` is not declared.
    #[must_use]
    pub fn needing(mut self, need: Need<H>) -> Self {
        self.need = Some(need);
        self
    }

    /// The same case, left out where the suite runs again through a layer: it takes long, and is about how much the
    /// backend does rather than about what.
    #[must_use]
    pub fn heavy(mut self) -> Self {
        self.heavy = true;
        self
    }

    /// Whether the case is left out where the suite runs again through a layer.
    pub fn is_heavy(&self) -> bool {
        self.heavy
    }

    /// The full name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case on a runtime of its own and says what came of it. Never panics on account of the case.
    pub fn judge(&self, harness: &H) -> Verdict {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let judged = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async { tokio::time::timeout(DEADLINE, self.check(harness)).await })
        }));
        runtime.shutdown_background();
        match judged {
            Ok(Ok(Ok(()))) => Verdict::Passed,
            Ok(Ok(Err(absent))) => Verdict::Skipped(absent),
            Ok(Err(_elapsed)) => Verdict::Failed(format!("still running after {DEADLINE:?}")),
            Err(panic) => Verdict::Failed(panic_message(panic.as_ref())),
        }
    }

    async fn check(&self, harness: &H) -> Checked {
        match self.need {
            Some(need) if !(need.declared)(harness).await? => (need.undeclared)(harness).await,
            _ => (self.run)(harness).await,
        }
    }
}

/// One trial per case. A non-empty label, such as the name of a layer, is put before the names.
pub fn trials<H>(label: &str, harness: &Arc<H>, cases: impl IntoIterator<Item = Case<H>>) -> Vec<Trial>
where
    H: ?Sized + Send + Sync + 'static,
{
    let prefix = if label.is_empty() { String::new() } else { format!("{label}::") };
    cases
        .into_iter()
        .map(|case| {
            let harness = Arc::clone(harness);
            Trial::ignorable_test(format!("{prefix}{}", case.name), move || match case.judge(&harness) {
                Verdict::Passed => Ok(Completion::Completed),
                Verdict::Skipped(absent) => Ok(Completion::ignored_with(absent)),
                Verdict::Failed(message) => Err(Failed::from(message)),
            })
        })
        .collect()
}

/// Runs the trials of the package, honouring the usual arguments of a test binary and `CONFORMANCE_REQUIRE`.
///
/// Running nothing at all is a failure unless a filter asked for it.
pub fn run_all(package: &str, trials: Vec<Trial>) -> ExitCode {
    let arguments = Arguments::from_args();
    if trials.is_empty() {
        eprintln!("{package}: the suite has no cases");
        return ExitCode::FAILURE;
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let adapter = package.trim_start_matches("undercroft-");
    if conclusion.num_ignored > 0 && required().contains(adapter) {
        eprintln!("{adapter} skipped {} cases, and {REQUIRE} names it", conclusion.num_ignored);
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn required() -> BTreeSet<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge: the runner is the program, and reads it once"
    )]
    let named = std::env::var(REQUIRE).unwrap_or_default();
    named.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panicked without a message".to_owned())
}
