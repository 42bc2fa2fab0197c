//! A layer is a backend, so the whole suite runs through each, over the memory store, and through three at once.

mod read_only;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, cases, signer},
    run_all, trials,
};
use fs_memory::Memory;
use futures_util::{TryStreamExt, future::BoxFuture};
use persistent_fs::{
    Backend, ErrorKind, Key, Method, Outcome, Prefix, Prefixed, Result,
    layers::{Fault, Faults, Faulty, Jitter, Limited, Limits, Observed, Operation, Retried, RetryPolicy},
    links::Grant,
};

/// Decides which calls fail where calls fail by chance. Another one gives another run.
const SEED: u64 = 20_260_701;

fn main() -> ExitCode {
    let labelled: [(&str, Layer, bool); 7] = [
        ("through_retried", retried, true),
        ("through_retried_over_faults", retried_over_faults, true),
        (BROKEN_BODIES, retried_over_broken_bodies, true),
        ("through_limited", limited, true),
        ("through_observed", observed, true),
        ("through_faulty_quiet", faulty_quiet, true),
        ("through_three", three, false),
    ];
    let mut all = Vec::new();
    for (label, layer, links) in labelled {
        let harness: Arc<dyn Harness> = Arc::new(Through { layer, links });
        // A body that broke off goes on only while its version is there, so only where nobody replaces it meanwhile.
        let still = ["files::round_trip", "files::copies", "files::keys"];
        let concerned =
            |name: &str| label != BROKEN_BODIES || still.iter().any(|group| name.starts_with(group));
        let cases = cases().into_iter().filter(|case| !case.is_heavy() && concerned(case.name()));
        all.extend(trials(label, &harness, cases));
    }
    let plain: Arc<dyn Harness> =
        Arc::new(Through { layer: |inner| Box::pin(async { Ok(inner) }), links: true });
    all.extend(trials("read_only", &plain, read_only::cases()));
    run_all(env!("CARGO_PKG_NAME"), all)
}

const BROKEN_BODIES: &str = "through_retried_over_broken_bodies";

type Layer = fn(Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>>;

/// As often as it takes, and at once: the suite has no time to lose.
const AT_ONCE: RetryPolicy = RetryPolicy {
    attempts: 40,
    first_pause: Duration::ZERO,
    longest_pause: Duration::ZERO,
    budget: u32::MAX,
    read_back: true,
};

fn jitter() -> Jitter {
    Jitter::new(|| 0.0)
}

fn retried(inner: Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>> {
    let layer: Arc<dyn Backend> = Arc::new(Retried::new(inner, AT_ONCE, jitter()));
    Box::pin(async { Ok(layer) })
}

/// A third of all bodies breaks off, some of them more than once.
fn retried_over_broken_bodies(inner: Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>> {
    let faults = Faults::none().random(SEED, 3, Operation::Read, Fault::Broken(1000)).random(
        SEED + 1,
        3,
        Operation::Read,
        Fault::Broken(300_000),
    );
    retried(Arc::new(Faulty::new(inner, faults)))
}

/// A third of all calls fails at first, and a third of all listings breaks off; nobody above can tell.
fn retried_over_faults(inner: Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>> {
    let refused = Fault::Before(ErrorKind::Unavailable, Outcome::NotApplied);
    let unanswered = Fault::After(ErrorKind::Timeout, Outcome::Unknown);
    let mut faults = Faults::none()
        .random(SEED, 3, Operation::List, Fault::Broken(7))
        .random(SEED, 3, Operation::Delete, unanswered)
        .random(SEED, 3, Operation::Head, unanswered);
    for operation in [
        Operation::Read,
        Operation::Writer,
        Operation::Put,
        Operation::Ingest,
        Operation::Copy,
        Operation::DeletePrefix,
        Operation::Link,
        Operation::Sweep,
    ] {
        faults = faults.random(SEED, 3, operation, refused);
    }
    retried(Arc::new(Faulty::new(inner, faults)))
}

/// Limits that the suite can reach: nothing it writes is larger, and it holds few things at once.
fn limited(inner: Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>> {
    let limits = Limits { max_size: Some(24 << 20), max_concurrent: Some(8), quota: Some(1 << 30) };
    Box::pin(async move { Ok(Arc::new(Limited::open(inner, limits).await?) as Arc<dyn Backend>) })
}

fn observed(inner: Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>> {
    let layer: Arc<dyn Backend> = Arc::new(Observed::new(inner, "suite").showing_keys());
    Box::pin(async { Ok(layer) })
}

fn faulty_quiet(inner: Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>> {
    let layer: Arc<dyn Backend> = Arc::new(Faulty::new(inner, Faults::none()));
    Box::pin(async { Ok(layer) })
}

fn three(inner: Arc<dyn Backend>) -> BoxFuture<'static, Result<Arc<dyn Backend>>> {
    let folder = Key::parse("some/folder").expect("a key");
    Box::pin(async { retried(limited(Arc::new(Prefixed::new(inner, folder))).await?).await })
}

/// Gives each case a memory store below a layer.
struct Through {
    layer: Layer,
    /// Whether the store mints links. Behind a prefix they carry another key than the one that was asked for, which the
    /// suite of each adapter looks into.
    links: bool,
}

struct Layered {
    memory: Memory,
    layer: Layer,
    store: Arc<dyn Backend>,
}

#[async_trait]
impl Harness for Through {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let memory = if self.links { Memory::new().with_links(signer()) } else { Memory::new() };
        let store = (self.layer)(Arc::new(memory.clone())).await.expect("memory can be listed");
        Ok(Box::new(Layered { memory, layer: self.layer, store }))
    }

    fn seed(&self) -> u64 {
        SEED
    }

    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        let denied = Fault::Before(ErrorKind::Denied, Outcome::NotApplied);
        let everything = [
            Operation::Head,
            Operation::Read,
            Operation::Writer,
            Operation::Delete,
            Operation::List,
            Operation::Put,
            Operation::Ingest,
            Operation::Copy,
            Operation::DeletePrefix,
            Operation::Link,
            Operation::Sweep,
        ];
        let plan = everything.iter().fold(Faults::none(), |plan, operation| plan.always(*operation, denied));
        // A layer that lists what is there before it begins must be let in; for it the trouble comes later.
        let lenient = Faults::none().nth(Operation::List, 1, Fault::Truncated(0));
        let lenient = everything.iter().fold(lenient, |plan, operation| plan.always(*operation, denied));
        match (self.layer)(Arc::new(Faulty::new(Memory::new(), plan))).await {
            Ok(broken) => Ok(broken),
            Err(_) => Ok((self.layer)(Arc::new(Faulty::new(Memory::new(), lenient))).await.expect("let in")),
        }
    }
}

#[async_trait]
impl Fixture for Layered {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.store)
    }

    /// Memory lasts as long as its clones; the layer, with what it has counted, is made anew.
    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Ok((self.layer)(Arc::new(self.memory.clone())).await.expect("memory can be listed"))
    }

    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        let names = self.memory.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
        Ok(names.try_collect().await.expect("memory lists"))
    }

    fn verify(&self, method: Method, token: &str, now: SystemTime) -> Result<Result<Grant>, Absent> {
        Ok(signer().verifier().verify(method, token, now))
    }
}
