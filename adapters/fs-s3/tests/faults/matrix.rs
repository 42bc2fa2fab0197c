//! Every operation, spoiled in every way at every one of its requests, once and from then on.
//!
//! Afterwards the bucket is looked at past the store: what the error says of the outcome is true, nothing is torn,
//! nothing hangs, nothing secret is told, the next call works, and a sweep leaves nothing behind.

use std::future::Future;

use conformance_tests::fault_proxy::{Fault, Reply, When};
use futures_util::{StreamExt, stream};
use persistent_fs::{ErrorKind, Outcome};

use crate::{
    bench::{Bench, FOR_EVER, within},
    operations::{
        Mode::{Create, Match, Replace},
        Operation,
    },
};

/// How many faults are tried at once: most of the time goes by in waiting for answers that do not come.
const AT_ONCE: usize = 12;

/// A fault by its name, and what may come of it beside success. A busy machine may be too slow at any time.
type Case = (&'static str, Fault, &'static [ErrorKind]);

fn faults() -> Vec<Case> {
    use ErrorKind::{Config, Denied, Integrity, Other, Throttled, Timeout, Unavailable};
    let error = Reply::s3_error;
    vec![
        ("cut before", Fault::CutBefore, &[Unavailable]),
        ("cut within", Fault::CutWithin, &[Unavailable]),
        ("cut after", Fault::CutAfter, &[Unavailable]),
        ("stall", Fault::Stall, &[Timeout]),
        ("stall after", Fault::StallAfter, &[Timeout]),
        ("stall within", Fault::StallWithin(3), &[Timeout, Unavailable]),
        ("truncate", Fault::Truncate(3), &[Unavailable, Integrity]),
        ("shorten", Fault::Shorten(3), &[Unavailable, Integrity, Other]),
        ("drip", Fault::Drip, &[]),
        ("500", Fault::Answer(error(500, "InternalError")), &[Unavailable]),
        ("500 after", Fault::AnswerAfter(error(500, "InternalError")), &[Unavailable]),
        ("502 of a gateway", Fault::Answer(Reply::status(502)), &[Unavailable]),
        ("503", Fault::Answer(error(503, "SlowDown")), &[Throttled]),
        ("503 of a gateway, after", Fault::AnswerAfter(Reply::status(503)), &[Throttled, Unavailable]),
        ("429", Fault::Answer(Reply::status(429).header("retry-after", "0")), &[Throttled]),
        ("403", Fault::Answer(error(403, "AccessDenied")), &[Denied]),
        ("301", Fault::Answer(error(301, "PermanentRedirect")), &[Config]),
        ("307", Fault::Answer(error(307, "TemporaryRedirect")), &[Config]),
        ("409", Fault::Answer(error(409, "ConditionalRequestConflict")), &[Unavailable]),
        ("200 with an error", Fault::Answer(error(200, "InternalError")), &[Unavailable, Other, Integrity]),
        ("twice", Fault::Twice, &[Other]),
        ("no etag", Fault::Header("etag", None), &[Other]),
        (
            "another etag",
            Fault::Header("etag", Some("\"00000000000000000000000000000000\"")),
            &[Other, Unavailable],
        ),
    ]
}

macro_rules! matrix {
    ($($name:ident: $operation:expr),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            every_fault($operation).await;
        })+
    };
}

matrix![
    put_replace: Operation::Put(Replace),
    put_create: Operation::Put(Create),
    put_match: Operation::Put(Match),
    upload_replace: Operation::Upload(Replace),
    upload_create: Operation::Upload(Create),
    copy_replace: Operation::Copy(Replace),
    copy_create: Operation::Copy(Create),
    delete: Operation::Delete,
    delete_prefix: Operation::DeletePrefix,
    sweep: Operation::Sweep,
    head: Operation::Head,
    read: Operation::Read,
    read_range: Operation::ReadRange,
    list: Operation::List,
];

async fn every_fault(operation: Operation) {
    let bench = Bench::with(|config| config.timeout = FOR_EVER).await;
    let etag = operation.prepare(&bench).await;
    let found = operation.run(&bench, etag).await.expect("without a fault it works");
    let requests = bench.proxy.take_requests();
    let mut cases: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
    for (step, request) in requests.iter().enumerate() {
        for (name, fault, kinds) in faults() {
            if name == "twice" && operation.is_conditional() || !tells(operation, name) {
                continue;
            }
            for (from_then_on, when) in
                [(false, When::any().after(step)), (true, When::any().after(step).always())]
            {
                if from_then_on && !lasts(operation, name) {
                    continue;
                }
                let told = format!("{operation:?}, {name} at {request}, from then on: {from_then_on}");
                let (fault, found) = (fault.clone(), found.clone());
                cases.push(Box::pin(
                    async move { one_fault(operation, when, fault, kinds, &found, &told).await },
                ));
            }
        }
    }
    stream::iter(cases).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Whether the fault is also tried on all the requests that follow. Megabytes make uploads slow, and there the requests
/// differ less than the faults.
fn lasts(operation: Operation, fault: &str) -> bool {
    !matches!(operation, Operation::Upload(_)) || matches!(fault, "cut after" | "stall after" | "500 after")
}

/// Whether the server's lie can be found out. An object that is shorter than it was, or another version of itself, by
/// all that the server says, is just that.
fn tells(operation: Operation, fault: &str) -> bool {
    match fault {
        "shorten" => !matches!(operation, Operation::Head | Operation::Read | Operation::Copy(Create)),
        "no etag" | "another etag" => operation != Operation::Head,
        _ => true,
    }
}

async fn one_fault(
    operation: Operation,
    when: When,
    fault: Fault,
    kinds: &[ErrorKind],
    found: &Vec<String>,
    told: &str,
) {
    let bench = Bench::open().await;
    let etag = operation.prepare(&bench).await;
    bench.proxy.inject(when, fault);
    let ended = within(operation.run(&bench, etag)).await;
    match &ended {
        Ok(again) => {
            assert_eq!(again, found, "{told}: it succeeded, with something else");
            operation.assert_outcome(&bench, Outcome::Applied, told);
        }
        Err(error) => {
            let told = format!("{told}: {error} ({:?}, {:?})", error.kind(), error.outcome());
            // An upload whose end took too long may be told, when it is ended again, that it has ended.
            let slow = [ErrorKind::Timeout, ErrorKind::Unavailable].contains(&error.kind());
            assert!(kinds.contains(&error.kind()) || slow, "{told}: the kind");
            operation.assert_outcome(&bench, error.outcome(), &told);
            bench.assert_discreet(error);
        }
    }
    bench.assert_recovers().await;
}
