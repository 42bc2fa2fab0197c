//! A check that cannot fail is a defect: every case must fail on a backend that is wrong in the way it is about.

mod broken;
mod broken_links;
mod broken_parts;
mod fault;
mod unreachable;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use conformance_tests::{
    Case, Verdict,
    files::{Harness, cases},
};

use crate::{
    broken::BrokenHarness,
    fault::{Fault, KILLS},
};

fn case(name: &str) -> Case<dyn Harness> {
    let full = format!("files::{name}");
    cases().into_iter().find(|case| case.name() == full).unwrap_or_else(|| panic!("there is no case {full}"))
}

fn judge(fault: Option<Fault>, case: Case<dyn Harness>) -> Verdict {
    let harness: &dyn Harness = &BrokenHarness(fault);
    case.judge(harness)
}

/// Without a fault the same backend passes, so it is the fault that a case finds.
#[test]
fn a_healthy_backend_passes_every_case() {
    for case in cases() {
        assert_eq!(judge(None, case), Verdict::Passed, "{}", case.name());
    }
}

/// Each fault is found by each case that answers for it.
#[test]
fn every_broken_backend_is_found_out() {
    let pairs = KILLS.iter().flat_map(|(fault, names)| names.iter().map(move |name| (*fault, *name)));
    let (pairs, next) = (pairs.collect::<Vec<_>>(), AtomicUsize::new(0));
    let survivors = std::thread::scope(|scope| {
        let hunt = || {
            let mut survivors = Vec::new();
            while let Some((fault, name)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                match judge(Some(*fault), case(name)) {
                    Verdict::Failed(_) => {}
                    alive => survivors.push(format!("{fault:?} survives {name}: {alive:?}")),
                }
            }
            survivors
        };
        let hunters = [scope.spawn(hunt), scope.spawn(hunt)];
        hunters
            .into_iter()
            .flat_map(|hunter| hunter.join().expect("a hunter does not panic"))
            .collect::<Vec<_>>()
    });
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

/// No case is there that finds nothing.
#[test]
fn every_case_finds_some_fault() {
    let useful = KILLS.iter().flat_map(|(_, names)| *names).copied().collect::<BTreeSet<_>>();
    let all = cases();
    let idle = all.iter().map(|case| case.name().trim_start_matches("files::"));
    let idle = idle.filter(|name| !useful.contains(name)).collect::<Vec<_>>();
    assert!(idle.is_empty(), "these cases have never been seen to fail: {idle:?}");
}
