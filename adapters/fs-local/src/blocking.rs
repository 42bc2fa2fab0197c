//! Work that blocks, off the async threads.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_util::Stream;
use persistent_fs::{Error, ErrorKind, Outcome, Result};
use tokio::task::spawn_blocking;

/// Runs `work` on the blocking pool. It runs to its end even if the caller goes away.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(interrupted().with_source(error)))
}

/// Something that yields items and blocks while it makes one.
pub(crate) trait Source: Send + 'static {
    type Item: Send + 'static;

    /// The next item. After an error or the end it is not asked again.
    fn next(&mut self) -> Option<Result<Self::Item>>;
}

/// The items of a source, made on the blocking pool while earlier ones are consumed.
///
/// The source is never more than `ahead` items ahead, and then gives its thread back until half of them are taken. So
/// a fast consumer keeps one thread busy, and a slow one holds none. Dropping it frees the source, at the latest when
/// the item it is at is made.
pub(crate) struct Ahead<S: Source> {
    shared: Arc<Mutex<Shared<S>>>,
    ahead: usize,
}

struct Shared<S: Source> {
    ready: VecDeque<Result<S::Item>>,
    source: Where<S>,
    consumer: Option<Waker>,
}

enum Where<S> {
    /// Nobody is at work.
    Here(S),
    /// On the blocking pool.
    AtWork,
    /// The source has ended, or the consumer has gone.
    Gone,
}

/// A source on the blocking pool. If it does not come back, because it panicked or because the runtime never let it
/// begin, the consumer learns so.
struct Turn<S: Source> {
    shared: Arc<Mutex<Shared<S>>>,
    source: Option<S>,
}

impl<S: Source> Ahead<S> {
    pub(crate) fn new(source: S, ahead: usize) -> Self {
        let shared = Shared { ready: VecDeque::new(), source: Where::Here(source), consumer: None };
        Self { shared: Arc::new(Mutex::new(shared)), ahead }
    }
}

impl<S: Source> Stream for Ahead<S> {
    type Item = Result<S::Item>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut shared = lock(&self.shared);
        let mut item = shared.ready.pop_front();
        if shared.ready.len() <= self.ahead / 2 && matches!(shared.source, Where::Here(_)) {
            let Where::Here(source) = std::mem::replace(&mut shared.source, Where::AtWork) else {
                unreachable!("just looked")
            };
            let (turn, ahead) = (Turn { shared: Arc::clone(&self.shared), source: Some(source) }, self.ahead);
            drop(shared);
            spawn_blocking(move || turn.work(ahead));
            shared = lock(&self.shared);
            item = item.or_else(|| shared.ready.pop_front());
        }
        if item.is_none() && !matches!(shared.source, Where::Gone) {
            shared.consumer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(item)
    }
}

impl<S: Source> Drop for Ahead<S> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        let (source, ready) =
            (std::mem::replace(&mut shared.source, Where::Gone), std::mem::take(&mut shared.ready));
        drop(shared);
        drop((source, ready));
    }
}

impl<S: Source> Turn<S> {
    /// Makes items until there are enough, or no more, or nobody who wants them.
    fn work(mut self, ahead: usize) {
        while let Some(source) = &mut self.source {
            let item = source.next();
            let mut shared = lock(&self.shared);
            if matches!(shared.source, Where::Gone) {
                return;
            }
            let has_ended = !matches!(item, Some(Ok(_)));
            shared.ready.extend(item);
            if has_ended {
                shared.source = Where::Gone;
            } else if shared.ready.len() >= ahead {
                shared.source = Where::Here(self.source.take().expect("at work"));
            }
            let consumer = shared.consumer.take();
            drop(shared);
            consumer.inspect(Waker::wake_by_ref);
            if has_ended {
                return;
            }
        }
    }
}

impl<S: Source> Drop for Turn<S> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        if self.source.is_some() && matches!(shared.source, Where::AtWork) {
            shared.ready.push_back(Err(interrupted()));
            shared.source = Where::Gone;
            shared.consumer.take().inspect(Waker::wake_by_ref);
        }
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Unavailable, "the runtime is shutting down").with_outcome(Outcome::Unknown)
}

/// Nothing is left half done where the lock is held, so one that was poisoned is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
