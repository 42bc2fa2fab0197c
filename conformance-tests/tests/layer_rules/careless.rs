//! Layers that are wrong, each in one way, and the check that finds it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use conformance_tests::{
    Absent, Verdict,
    files::{Fixture, Harness, cases, signer},
};
use fs_memory::Memory;
use persistent_fs::{
    Backend, Capabilities, Download, Error, ErrorKind, Key, Link, LinkRequest, Meta, MetaStream, Outcome,
    Prefix, Prefixed, PutLinks, ReadOptions, Result, Upload, WriteMode, WriteOptions,
    layers::{Faults, Faulty, Jitter, Limited, Limits, Observed, Operation, ReadOnly, Retried},
};

use crate::bench::{UNANSWERED, UNHEARD, body, key, policy};

/// One way to write a layer that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    /// A create whose answer was lost is sent again.
    RepeatsACreate,
    /// What the inner backend does not promise is promised, and imitated.
    AddsCreates,
    /// `put` is left to the slow way.
    ForgetsPut,
    /// Create-only is dropped on the way to the inner backend.
    DropsTheMode,
}

#[derive(Debug)]
struct Careless<B> {
    inner: B,
    slip: Slip,
}

#[async_trait]
impl<B: Backend> Backend for Careless<B> {
    fn capabilities(&self) -> Capabilities {
        let can = self.inner.capabilities();
        Capabilities { create: can.create || self.slip == Slip::AddsCreates, ..can }
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.inner.head(key).await
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.inner.read(key, options).await
    }

    async fn writer(&self, key: &Key, mut options: WriteOptions) -> Result<Box<dyn Upload>> {
        if self.slip == Slip::DropsTheMode {
            options.mode = WriteMode::Replace;
        }
        self.inner.writer(key, options).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.inner.delete(key).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        self.inner.list(prefix, after)
    }

    async fn put(&self, key: &Key, body: Bytes, mut options: WriteOptions) -> Result<Meta> {
        match self.slip {
            Slip::ForgetsPut => {
                let mut upload = self.inner.writer(key, options).await?;
                upload.write(body).await?;
                return upload.finish().await;
            }
            Slip::AddsCreates if options.mode == WriteMode::Create => {
                if self.inner.head(key).await.is_ok() {
                    return Err(Error::new(ErrorKind::AlreadyExists, "an object is already there"));
                }
                tokio::task::yield_now().await;
                options.mode = WriteMode::Replace;
            }
            Slip::DropsTheMode => options.mode = WriteMode::Replace,
            _ => {}
        }
        match self.inner.put(key, body.clone(), options.clone()).await {
            Err(error) if self.slip == Slip::RepeatsACreate && error.outcome() == Outcome::Unknown => {
                self.inner.put(key, body, options).await
            }
            put => put,
        }
    }

    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.inner.link(key, request).await
    }
}

/// Sends a create of which nothing is ever seen: its answer is lost, and whoever waits for the object has already taken
/// it away. Says how often it was created.
async fn times_created<B: Backend>(layer: impl FnOnce(Faulty<Memory>) -> B) -> u64 {
    let faulty = Faulty::new(Memory::new(), Faults::none().nth(Operation::Put, 1, UNHEARD));
    drop(layer(faulty.clone()).put(&key("job"), "work".into(), WriteOptions::create()).await);
    1 + u64::from(body(&faulty, "job").await.is_ok())
}

#[tokio::test]
async fn a_layer_that_repeats_a_create_is_found() {
    let right = |inner| Retried::new(inner, policy(), Jitter::new(|| 0.0));
    assert_eq!(times_created(right).await, 1);
    let wrong = |inner| Careless { inner, slip: Slip::RepeatsACreate };
    assert_eq!(times_created(wrong).await, 2);

    // And its creator is told that somebody else was there first.
    let faulty = Faulty::new(Memory::new(), Faults::none().nth(Operation::Put, 1, UNANSWERED));
    let wrong = Careless { inner: faulty.clone(), slip: Slip::RepeatsACreate };
    let denied =
        wrong.put(&key("a"), "mine".into(), WriteOptions::create()).await.expect_err("its own object");
    assert_eq!(denied.kind(), ErrorKind::AlreadyExists);
    assert_eq!(faulty.calls(Operation::Put), 2);
}

#[tokio::test]
async fn a_layer_that_forgets_a_method_is_found() {
    let faulty = Faulty::new(Memory::new(), Faults::none());
    let wrong = Careless { inner: faulty.clone(), slip: Slip::ForgetsPut };
    wrong.put(&key("a"), "body".into(), WriteOptions::default()).await.expect("it works all the same");
    assert_eq!((faulty.calls(Operation::Put), faulty.calls(Operation::Writer)), (0, 1));
}

/// What the outer one declares beyond the inner one.
fn added(inner: Capabilities, outer: Capabilities) -> Vec<&'static str> {
    let links = |put| match put {
        PutLinks::No => 0,
        PutLinks::Unbounded => 1,
        PutLinks::Exact => 2,
    };
    let room = |max: Option<u64>| max.unwrap_or(u64::MAX);
    let facts = [
        ("durable", !inner.durable && outer.durable),
        ("create", !inner.create && outer.create),
        ("compare_and_swap", !inner.compare_and_swap && outer.compare_and_swap),
        ("etag", !inner.etag && outer.etag),
        ("content_type", !inner.content_type && outer.content_type),
        ("case_sensitive", !inner.case_sensitive && outer.case_sensitive),
        ("get_links", !inner.get_links && outer.get_links),
        ("put_links", links(outer.put_links) > links(inner.put_links)),
        ("max_size", room(outer.max_size) > room(inner.max_size)),
    ];
    facts.into_iter().filter_map(|(name, added)| added.then_some(name)).collect()
}

/// A store that can do what it is told it can.
#[derive(Debug, Clone)]
struct Declares(Memory, Capabilities);

#[async_trait]
impl Backend for Declares {
    fn capabilities(&self) -> Capabilities {
        self.1
    }

    async fn head(&self, key: &Key) -> Result<Meta> {
        self.0.head(key).await
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        self.1.permit_read(&options)?;
        self.0.read(key, options).await
    }

    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        self.1.permit(&options)?;
        self.0.writer(key, options).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.0.delete(key).await
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        self.0.list(prefix, after)
    }
}

#[tokio::test]
async fn no_layer_adds_a_capability_and_one_that_does_is_found() {
    let limits = Limits { max_size: Some(50), quota: Some(100), max_concurrent: Some(3) };
    for can in [Capabilities::NONE, Capabilities { max_size: Some(7), ..Capabilities::NONE }] {
        let inner = || Declares(Memory::new(), can);
        let layers: [Arc<dyn Backend>; 6] = [
            Arc::new(Prefixed::new(inner(), key("f"))),
            Arc::new(ReadOnly::new(inner())),
            Arc::new(Retried::new(inner(), policy(), Jitter::new(|| 0.0))),
            Arc::new(Limited::open(inner(), limits).await.expect("listed")),
            Arc::new(Observed::new(inner(), "s")),
            Arc::new(Faulty::new(inner(), Faults::none())),
        ];
        for layer in layers {
            assert_eq!(added(can, layer.capabilities()), [""; 0], "{layer:?}");
        }
        let wrong = Careless { inner: inner(), slip: Slip::AddsCreates };
        assert_eq!(added(can, wrong.capabilities()), ["create"]);
    }
}

/// Gives each case a store without creates, below a careless layer.
struct CarelessHarness(Slip);

struct CarelessFixture(Arc<dyn Backend>);

#[async_trait]
impl Harness for CarelessHarness {
    async fn open(&self) -> std::result::Result<Box<dyn Fixture>, Absent> {
        let memory = Memory::new().with_links(signer());
        let without = Capabilities {
            create: false,
            get_links: false,
            put_links: PutLinks::No,
            ..memory.capabilities()
        };
        let fixture: Arc<dyn Backend> = match self.0 {
            Slip::AddsCreates => Arc::new(Careless { inner: Declares(memory, without), slip: self.0 }),
            slip => Arc::new(Careless { inner: memory, slip }),
        };
        Ok(Box::new(CarelessFixture(fixture)))
    }
}

impl Fixture for CarelessFixture {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0)
    }
}

/// The suite run through a layer finds what the layer breaks.
#[test]
fn the_suite_finds_a_layer_that_imitates_or_drops_a_promise() {
    for (slip, name) in [
        (Slip::AddsCreates, "files::create::exactly_one_of_32_wins"),
        (Slip::DropsTheMode, "files::create::a_second_create_is_refused_and_the_first_stands"),
    ] {
        let case = cases().into_iter().find(|case| case.name() == name).expect("there is such a case");
        let harness: &dyn Harness = &CarelessHarness(slip);
        let verdict = case.judge(harness);
        assert!(matches!(verdict, Verdict::Failed(_)), "{slip:?} survives {name}: {verdict:?}");
        let right: &dyn Harness = &CarelessHarness(Slip::ForgetsPut);
        assert_eq!(case.judge(right), Verdict::Passed, "forgetting a method is slow and not wrong");
    }
}
