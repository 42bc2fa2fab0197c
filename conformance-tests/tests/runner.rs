//! The runner tells a pass, a skip and a failure apart, and turns a case round where a capability is missing.

use conformance_tests::{Absent, Case, Checked, Need, Verdict, cases};

/// A harness for a pretend contract: what the backend declares, and what it does.
struct Pretend {
    declares: bool,
    works: bool,
}

const ABILITY: Need<Pretend> = Need {
    declared: |harness| Box::pin(async { Ok(harness.declares) }),
    undeclared: |harness| {
        Box::pin(async {
            assert!(!harness.works, "an undeclared ability works");
            Ok(())
        })
    },
};

async fn it_works(harness: &Pretend) -> Checked {
    assert!(harness.works, "a declared ability does not work");
    Ok(())
}

async fn it_is_absent(_: &Pretend) -> Checked {
    Err(Absent::hook("server"))
}

fn case(name: &str) -> Case<Pretend> {
    let mut all = cases!["pretend" needs ABILITY; it_works];
    all.extend(cases!["pretend"; it_is_absent]);
    all.into_iter().find(|case| case.name() == name).expect("the case is listed")
}

#[test]
fn a_kept_promise_passes() {
    let verdict = case("pretend::it_works").judge(&Pretend { declares: true, works: true });
    assert_eq!(verdict, Verdict::Passed);
}

#[test]
fn a_broken_promise_fails_with_its_message() {
    let verdict = case("pretend::it_works").judge(&Pretend { declares: true, works: false });
    assert_eq!(verdict, Verdict::Failed("a declared ability does not work".to_owned()));
}

#[test]
fn a_promise_not_made_must_not_be_half_kept() {
    let turned = case("pretend::it_works");
    assert_eq!(turned.judge(&Pretend { declares: false, works: false }), Verdict::Passed);
    let Verdict::Failed(message) = turned.judge(&Pretend { declares: false, works: true }) else {
        panic!("the turned case did not fail");
    };
    assert!(message.contains("undeclared"));
}

#[test]
fn a_skip_carries_its_reason() {
    let Verdict::Skipped(absent) =
        case("pretend::it_is_absent").judge(&Pretend { declares: true, works: true })
    else {
        panic!("not skipped");
    };
    assert!(absent.to_string().contains("`server`"));
}
