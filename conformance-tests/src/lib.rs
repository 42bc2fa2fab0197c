//! Conformance suites for the contracts `persistent-fs`, `mailer` and `dbconn`.
//!
//! A contract is what its documentation says; a suite here is the same text, executable. An adapter is finished
//! when its suite is green, and needs no further tests of what the contract already says.
//!
//! # Enrolling an adapter
//!
//! Implement the suite's `Harness` and write one line in `adapters/<name>/tests/conformance.rs`:
//!
//! ```ignore
//! conformance_tests::persistent_fs!(MemoryHarness);
//! ```
//!
//! with this in the adapter's manifest, because the suite brings its own `main`:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! `cargo test -p undercroft-fs-memory` then lists every case by name and takes the usual filters.
//!
//! # Skips
//!
//! A case that cannot run returns [`Absent`] with the reason and is reported as *ignored*, reason included.
//! `CONFORMANCE_REQUIRE=fs-s3,mail-ses` names the adapters for which that is not good enough: there a skip is a
//! failure. A capability the backend does not declare is no reason to skip: the case is turned round, see [`Need`].
//!
//! # Adding a case
//!
//! 1. Write `async fn name_that_states_the_rule(harness: &dyn Harness) -> Checked` in the suite's module for that
//!    group. Its doc comment is the sentence of the contract that it checks. It fails by panicking (`assert!`).
//! 2. Add its name to the `cases!` list at the top of that module; the compiler complains about one left out.
//! 3. Add a deliberately broken backend that it must fail to `tests/selftest_<suite>.rs`. A check that cannot fail
//!    is a defect.
//!
//! # Adding a suite
//!
//! 1. `src/<suite>/mod.rs` with a `Harness` trait (`open` gives a backend over storage nobody else uses, or
//!    [`Absent`]), one file per group of cases, and `pub fn cases() -> Vec<Case<dyn Harness>>`.
//! 2. A `pub fn main(package: &str, harness: impl Harness) -> ExitCode` that hands
//!    [`trials`]`("", harness, cases())` to [`run_all`]; suites that also run through layers add more trials
//!    under a label.
//! 3. A macro beside `persistent_fs!` that expands to `fn main()`.
//!
//! The library depends on the contracts alone, never on an adapter.

#[cfg(feature = "dbconn")]
pub mod dbconn;
#[cfg(feature = "fault-proxy")]
pub mod fault_proxy;
pub mod files;
pub mod mailer;
#[cfg(feature = "peers")]
pub mod peers;
#[cfg(unix)]
pub mod process_stub;
mod runner;
#[cfg(feature = "s3-server")]
pub mod s3_server;
#[cfg(feature = "ses-server")]
pub mod ses_server;
#[cfg(feature = "smtp-server")]
pub mod smtp_server;

pub use runner::{Absent, Case, Checked, Need, Verdict, run_all, trials};

#[doc(hidden)]
pub use libtest_mimic::Trial;

/// The `main` of a file adapter's `tests/conformance.rs`: runs the suite against a [`files::Harness`].
#[macro_export]
macro_rules! persistent_fs {
    ($harness:expr) => {
        fn main() -> std::process::ExitCode {
            $crate::files::main(env!("CARGO_PKG_NAME"), $harness)
        }
    };
}

/// Lists the cases of one group: a prefix for the names, optionally the [`Need`] they share or the word `heavy`, then
/// the functions.
///
/// ```ignore
/// pub(super) fn cases() -> Vec<Case<dyn Harness>> {
///     cases!["files::create" needs CREATE; exactly_one_of_32_wins, a_second_create_is_refused]
/// }
/// ```
#[macro_export]
macro_rules! cases {
    ($group:literal; $($case:ident),+ $(,)?) => {
        vec![$($crate::Case::new(concat!($group, "::", stringify!($case)), |harness| Box::pin($case(harness)))),+]
    };
    ($group:literal needs $need:expr; $($case:ident),+ $(,)?) => {
        vec![$(
            $crate::Case::new(concat!($group, "::", stringify!($case)), |harness| Box::pin($case(harness)))
                .needing($need)
        ),+]
    };
    ($group:literal heavy; $($case:ident),+ $(,)?) => {
        vec![$(
            $crate::Case::new(concat!($group, "::", stringify!($case)), |harness| Box::pin($case(harness))).heavy()
        ),+]
    };
}

/// Enrols a mail adapter: runs the whole suite against this [`mailer::Harness`].
#[macro_export]
macro_rules! mailer {
    ($harness:expr) => {
        fn main() -> std::process::ExitCode {
            $crate::mailer::main(env!("CARGO_PKG_NAME"), $harness)
        }
    };
}

/// Enrols the table of an outbox: runs the whole suite against this [`mailer::outbox::Harness`], or against each of
/// several under a label of its own.
#[macro_export]
macro_rules! outbox {
    ($harness:expr) => {
        $crate::outbox!("" => $harness);
    };
    ($($label:literal => $harness:expr),+ $(,)?) => {
        fn main() -> std::process::ExitCode {
            let harnesses: &[(&str, std::sync::Arc<dyn $crate::mailer::outbox::Harness>)] =
                &[$(($label, std::sync::Arc::new($harness))),+];
            $crate::mailer::outbox::main(env!("CARGO_PKG_NAME"), harnesses)
        }
    };
}

/// Enrols a backend of connections: runs the whole suite against this [`dbconn::Harness`], or against each of several
/// under a label of its own. Needs the feature `dbconn`.
#[cfg(feature = "dbconn")]
#[macro_export]
macro_rules! dbconn {
    ($harness:expr) => {
        $crate::dbconn!("" => $harness);
    };
    ($($label:literal => $harness:expr),+ $(,)?) => {
        fn main() -> std::process::ExitCode {
            let harnesses: &[(&str, std::sync::Arc<dyn $crate::dbconn::Harness>)] =
                &[$(($label, std::sync::Arc::new($harness))),+];
            $crate::dbconn::main(env!("CARGO_PKG_NAME"), harnesses)
        }
    };
}
