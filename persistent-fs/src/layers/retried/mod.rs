//! Calls again what failed, where that is harmless.

mod policy;
mod streams;
mod write;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Backend, Capabilities, Download, Error, Key, Link, LinkRequest, Meta, MetaStream, Outcome, Prefix,
    ReadOptions, Result, Swept, Upload, WriteMode, WriteOptions,
};

pub use policy::{Jitter, RetryPolicy};

use policy::Budget;
use streams::{resume_body, resume_listing};
use write::{Expected, RetriedUpload};

/// A backend whose calls are tried again while their errors allow it.
///
/// | Call | Tried again |
/// |---|---|
/// | `head`, `list`, `link`, `sweep`, `delete`, `delete_prefix`, a `read` before its body | whenever [`Error::retry`] allows |
/// | a body on its way out | from where it broke off, if the object has an etag; the rest is of the same version or an error |
/// | a listing on its way out | behind the last key |
/// | `put` and `copy` that replace | whenever [`Error::retry`] allows: twice the same is once |
/// | `put` and `copy` that create or swap, `ingest` | while surely nothing was applied |
/// | a create or a swap whose answer was lost | never; `put`, and an upload of declared SHA-256, are looked for |
/// | `writer` | until it has begun; what was handed to an [`Upload`] is not kept, so not repeated |
///
/// *Looked for* means: if the object that is there has the size, SHA-256 and content type of the write, the write has
/// succeeded; else its error is passed on. Empty bodies are nobody's own. See [`RetryPolicy::read_back`].
///
/// An error that is passed on tells what all attempts together have done: if the first may have been applied and the
/// second surely was not, the [`Outcome`] is unknown. A `delete_prefix` or `sweep` that was repeated counts what its
/// last attempt removed.
///
/// | After all attempts | The caller gets |
/// |---|---|
/// | one succeeded | its answer |
/// | each was refused | the error of the last, which still says that a retry makes sense, later |
/// | one may have been applied | the error of the last, with the outcome unknown |
/// | one was applied, and a later one failed | the error of the last, with the outcome applied |
/// | the budget was spent, or the pause asked for is too long | the error at hand, at once |
///
/// Pauses grow exponentially, and any part of a pause may be drawn by the [`Jitter`]; [`Retry::After`](crate::Retry) is
/// honoured. All calls draw on one budget, also those of clones. It waits by tokio's timer, so it needs that runtime.
/// Dropping a future ends its retries.
///
/// ```
/// # use persistent_fs::{Files, layers::{Jitter, RetryPolicy, Retried}};
/// # fn example(store: Files) -> Files {
/// Files::new(Retried::new(store.backend(), RetryPolicy::default(), Jitter::system()))
/// # }
/// ```
///
/// A body is bounded in how often it may break off without getting on, not in how often in all: a download of many
/// gigabytes survives many small troubles.
///
/// Put it below whatever counts calls as an application makes them, and above whatever limits them. One is enough: two
/// multiply.
#[derive(Debug)]
pub struct Retried<B>(Arc<Parts<B>>);

struct Parts<B> {
    inner: B,
    policy: RetryPolicy,
    jitter: Jitter,
    budget: Budget,
}

impl<B: fmt::Debug> fmt::Debug for Parts<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("inner", &self.inner)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

// Derived, it would ask for `B: Clone`.
impl<B> Clone for Retried<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Whether a call may be made again although an earlier one may have been applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeating {
    Harmless,
    OnlyIfNotApplied,
}

impl From<&WriteMode> for Repeating {
    fn from(mode: &WriteMode) -> Self {
        if *mode == WriteMode::Replace { Self::Harmless } else { Self::OnlyIfNotApplied }
    }
}

impl<B: Backend> Retried<B> {
    /// Tries the calls of `inner` again.
    pub fn new(inner: B, policy: RetryPolicy, jitter: Jitter) -> Self {
        let budget = Budget::of(&policy);
        Self(Arc::new(Parts { inner, policy, jitter, budget }))
    }

    /// What is called again.
    fn inner(&self) -> &B {
        &self.0.inner
    }

    /// Makes this call until it succeeds or may not be made again.
    async fn attempt<T, F>(&self, repeating: Repeating, call: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut attempts = Attempts::new(self.clone());
        loop {
            match call().await {
                Ok(answer) => return Ok(attempts.succeeded(answer)),
                Err(error) => attempts.failed(repeating, error).await?,
            }
        }
    }
}

/// The attempts of one call.
#[derive(Debug)]
struct Attempts<B> {
    layer: Retried<B>,
    made: u32,
    /// What the attempts that failed have done.
    outcome: Outcome,
}

impl<B: Backend> Attempts<B> {
    fn new(layer: Retried<B>) -> Self {
        Self { layer, made: 1, outcome: Outcome::NotApplied }
    }

    /// Every success earns a part of a retry, also one that needed some: the backend works.
    fn succeeded<T>(&self, answer: T) -> T {
        self.layer.0.budget.earn();
        answer
    }

    /// Waits until it is time for another attempt, or hands the error back because there is to be none.
    ///
    /// The error that is handed back tells what all attempts have done: an outcome only ever becomes less certain, or
    /// certain that something was applied.
    async fn failed(&mut self, repeating: Repeating, error: Error) -> Result<()> {
        self.outcome = match (self.outcome, error.outcome()) {
            (Outcome::Applied, _) | (_, Outcome::Applied) => Outcome::Applied,
            (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
            _ => Outcome::NotApplied,
        };
        let error = error.with_outcome(self.outcome);
        if repeating == Repeating::OnlyIfNotApplied && self.outcome != Outcome::NotApplied {
            return Err(error);
        }
        let Parts { policy, jitter, budget, .. } = &*self.layer.0;
        let Some(pause) = policy.pause(self.made, error.retry(), jitter) else { return Err(error) };
        if !budget.spend() {
            return Err(error);
        }
        self.made += 1;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// The call got on, so what fails next is a trouble of its own.
    fn progressed(&mut self) {
        self.made = 1;
    }
}

#[async_trait]
impl<B: Backend> Backend for Retried<B> {
    /// Those of the inner backend: trying again promises nothing new.
    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }

    /// Repeated: it changes nothing.
    async fn head(&self, key: &Key) -> Result<Meta> {
        self.attempt(Repeating::Harmless, || self.inner().head(key)).await
    }

    /// Repeated until a body has begun, which then goes on by itself where it breaks off.
    async fn read(&self, key: &Key, options: ReadOptions) -> Result<Download> {
        let download = self.attempt(Repeating::Harmless, || self.inner().read(key, options.clone())).await?;
        Ok(resume_body(self.clone(), key, download))
    }

    /// Repeated until an upload has begun: nothing has been handed over before that.
    async fn writer(&self, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let upload = self.attempt(Repeating::Harmless, || self.inner().writer(key, options.clone())).await?;
        Ok(Box::new(RetriedUpload::new(self.clone(), key, &options, upload)))
    }

    /// Repeated whatever the outcome: gone is gone.
    async fn delete(&self, key: &Key) -> Result<()> {
        self.attempt(Repeating::Harmless, || self.inner().delete(key)).await
    }

    /// Goes on behind the last key, as often as it gets on.
    fn list(&self, prefix: &Prefix, after: Option<&Key>) -> MetaStream {
        resume_listing(self.clone(), prefix, after)
    }

    /// A replace is repeated. A create or a swap is sent again only if it was surely not applied, and looked for if
    /// nobody knows.
    async fn put(&self, key: &Key, body: Bytes, options: WriteOptions) -> Result<Meta> {
        let put = || self.inner().put(key, body.clone(), options.clone());
        match self.attempt(Repeating::from(&options.mode), put).await {
            Err(error) => self.settle(key, error, &options.mode, || Expected::body(&body, &options)).await,
            put => put,
        }
    }

    /// Repeated only if it was surely not applied: then the file is still where it was.
    async fn ingest(&self, key: &Key, file: &Path, options: WriteOptions) -> Result<Meta> {
        // Once it may have been applied, the file may be gone; then a repetition would only say that.
        self.attempt(Repeating::OnlyIfNotApplied, || self.inner().ingest(key, file, options.clone())).await
    }

    /// A replace is repeated, of whatever version the source then has; a create or a swap only if surely not applied.
    async fn copy(&self, from: &Key, to: &Key, options: WriteOptions) -> Result<Meta> {
        let copy = || self.inner().copy(from, to, options.clone());
        self.attempt(Repeating::from(&options.mode), copy).await
    }

    /// Repeated whatever the outcome. The count is that of the last attempt.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.attempt(Repeating::Harmless, || self.inner().delete_prefix(prefix)).await
    }

    /// Repeated: a link that nobody got is one that nobody uses.
    async fn link(&self, key: &Key, request: LinkRequest) -> Result<Link> {
        self.attempt(Repeating::Harmless, || self.inner().link(key, request.clone())).await
    }

    /// Repeated whatever the outcome. The counts are those of the last attempt.
    async fn sweep(&self, older_than: Duration) -> Result<Swept> {
        self.attempt(Repeating::Harmless, || self.inner().sweep(older_than)).await
    }
}
