//! A check that cannot fail is a defect: every case must fail on a backend that is wrong in the way it is about.

mod broken;
mod broken_links;
mod broken_parts;
mod fault;
mod flaw;
mod flawed;
mod flawed_reads;
mod flawed_writes;
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
    flaw::Flaw,
    flawed::FlawedHarness,
};

/// A backend that is wrong in one way.
#[derive(Debug, Clone, Copy)]
enum Mutant {
    Fault(Fault),
    Flaw(Flaw),
}

/// Each mutant with each of the cases that must find it out.
fn pairs() -> Vec<(Mutant, &'static str)> {
    let faults = KILLS.iter().map(|(fault, names)| (Mutant::Fault(*fault), *names));
    let flaws = flaw::KILLS.iter().map(|(flaw, names)| (Mutant::Flaw(*flaw), *names));
    faults.chain(flaws).flat_map(|(mutant, names)| names.iter().map(move |name| (mutant, *name))).collect()
}

fn case(name: &str) -> Case<dyn Harness> {
    let full = format!("files::{name}");
    cases().into_iter().find(|case| case.name() == full).unwrap_or_else(|| panic!("there is no case {full}"))
}

fn judge(mutant: Mutant, case: Case<dyn Harness>) -> Verdict {
    match mutant {
        Mutant::Fault(fault) => case.judge(&BrokenHarness(Some(fault))),
        Mutant::Flaw(flaw) => case.judge(&FlawedHarness(flaw)),
    }
}

/// Without a fault the same backends pass, so it is the fault that a case finds.
#[test]
fn a_healthy_backend_passes_every_case() {
    let healthy: [&dyn Harness; 2] = [&BrokenHarness(None), &FlawedHarness(Flaw::Nothing)];
    for (case, harness) in cases().into_iter().flat_map(|case| healthy.map(|harness| (case, harness))) {
        assert_eq!(case.judge(harness), Verdict::Passed, "{}", case.name());
    }
}

/// Each fault is found by each case that answers for it.
#[test]
fn every_broken_backend_is_found_out() {
    let (pairs, next) = (pairs(), AtomicUsize::new(0));
    let survivors = std::thread::scope(|scope| {
        let hunt = || {
            let mut survivors = Vec::new();
            while let Some((mutant, name)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                match judge(*mutant, case(name)) {
                    Verdict::Failed(_) => {}
                    alive => survivors.push(format!("{mutant:?} survives {name}: {alive:?}")),
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
    let useful = pairs().into_iter().map(|(_, name)| name).collect::<BTreeSet<_>>();
    let all = cases();
    let idle = all.iter().map(|case| case.name().trim_start_matches("files::"));
    let idle = idle.filter(|name| !useful.contains(name)).collect::<Vec<_>>();
    assert!(idle.is_empty(), "these cases have never been seen to fail: {idle:?}");
}
