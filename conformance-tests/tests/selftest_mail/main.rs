//! The mail suite is itself tested: for every case there is a sound backend that passes it, and a backend with one
//! flaw that the case must find.
//!
//! A group of cases with a hook of its own brings a file with its sound harness and its broken ones, and two lines
//! here: in [`sound`] and in [`suspects`].

mod broken;
mod flaw;
mod live;
#[cfg(unix)]
mod process;
#[cfg(feature = "ses-server")]
mod ses;
#[cfg(feature = "smtp-server")]
mod smtp;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conformance_tests::mailer::{Harness, cases};
use conformance_tests::{Case, Verdict};

/// A harness with a backend that is wrong in one way, and the cases that must find it out.
struct Suspect {
    name: String,
    harness: Arc<dyn Harness>,
    /// Names of cases, or their beginnings: `content::` stands for the whole group.
    found_by: &'static [&'static str],
}

impl Suspect {
    fn new(name: impl Into<String>, harness: impl Harness, found_by: &'static [&'static str]) -> Self {
        Self { name: name.into(), harness: Arc::new(harness), found_by }
    }
}

/// Harnesses with nothing wrong. One that lacks a hook skips the cases about it; another one has it.
fn sound() -> Vec<Arc<dyn Harness>> {
    vec![
        Arc::new(broken::Workshop(flaw::Flaw::None)),
        #[cfg(unix)]
        Arc::new(process::Press(process::Fault::Nothing)),
        #[cfg(feature = "ses-server")]
        ses::sound(),
        #[cfg(feature = "smtp-server")]
        smtp::sound(),
    ]
}

fn suspects() -> Vec<Suspect> {
    let groups = [
        broken::suspects(),
        #[cfg(unix)]
        process::suspects(),
        #[cfg(feature = "ses-server")]
        ses::suspects(),
        #[cfg(feature = "smtp-server")]
        smtp::suspects(),
    ];
    groups.into_iter().flatten().collect()
}

/// So it is the flaw that a case finds. Skipped everywhere is not passed.
#[test]
fn a_sound_backend_passes_every_case() {
    let faults = in_parallel(&cases(), |case| {
        let verdicts: Vec<_> = sound().iter().map(|harness| case.judge(&**harness)).collect();
        let passed = verdicts.contains(&Verdict::Passed);
        let failed = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Failed(_)));
        (failed || !passed).then(|| format!("{}: {verdicts:?}", case.name()))
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_flaw_is_found_by_the_cases_named_for_it() {
    let mut pairs = Vec::new();
    for suspect in suspects() {
        let suspect = Arc::new(suspect);
        for name in suspect.found_by {
            let found = cases().into_iter().filter(|case| case.name().starts_with(name));
            let before = pairs.len();
            pairs.extend(found.map(|case| (Arc::clone(&suspect), case)));
            assert!(pairs.len() > before, "there is no case {name}");
        }
    }
    let survivors = in_parallel(&pairs, |(suspect, case)| match case.judge(&*suspect.harness) {
        Verdict::Failed(_) => None,
        alive => Some(format!("{} survives {}: {alive:?}", suspect.name, case.name())),
    });
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

#[test]
fn every_case_finds_some_flaw() {
    let named: BTreeSet<&str> = suspects().iter().flat_map(|suspect| suspect.found_by).copied().collect();
    let is_idle = |case: &Case<dyn Harness>| !named.iter().any(|name| case.name().starts_with(name));
    let idle: Vec<_> = cases().into_iter().filter(is_idle).map(|case| case.name()).collect();
    assert!(idle.is_empty(), "nothing shows that these can fail: {idle:?}");
}

/// Asks about each item on two threads and returns the complaints.
fn in_parallel<T: Sync>(items: &[T], complaint: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || items.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(take).filter_map(&complaint).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|worker| worker.join().expect("no case panics its judge")).collect()
    })
}
