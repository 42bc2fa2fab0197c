//! Work that blocks, off the async threads.

use std::collections::VecDeque;

use futures_util::{Stream, stream};
use persistent_fs::{Error, ErrorKind, Outcome, Result};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Runs `work` on the blocking pool. It runs to its end even if the caller goes away.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(interrupted(error)))
}

/// Something that yields items in batches and blocks while it makes one.
pub(crate) trait Source: Send + 'static {
    type Item: Send + 'static;

    /// The next items, and whether there may be more. An error is the last item.
    fn batch(&mut self) -> (Vec<Result<Self::Item>>, bool);
}

/// The items of a batch at hand, then those of the source, if there is one.
///
/// While one batch is consumed, the next is made, and no more: a slow consumer holds no thread of the pool.
pub(crate) fn batches<S: Source>(
    first: Vec<Result<S::Item>>,
    rest: Option<S>,
) -> impl Stream<Item = Result<S::Item>> + Send {
    let state = (VecDeque::from(first), rest.map(Rest::Idle));
    stream::unfold(state, |(mut ready, mut rest)| async move {
        loop {
            if let Some(item) = ready.pop_front() {
                return Some((item, (ready, rest)));
            }
            let making = match rest.take()? {
                Rest::Idle(source) => make(source),
                Rest::Making(making) => making,
            };
            match making.await {
                Ok(((items, more), source)) => {
                    ready = items.into();
                    rest = more.then(|| Rest::Making(make(source)));
                }
                Err(error) => return Some((Err(interrupted(error)), (ready, None))),
            }
        }
    })
}

type Made<S> = ((Vec<Result<<S as Source>::Item>>, bool), S);

enum Rest<S: Source> {
    Idle(S),
    Making(JoinHandle<Made<S>>),
}

fn make<S: Source>(mut source: S) -> JoinHandle<Made<S>> {
    spawn_blocking(move || (source.batch(), source))
}

fn interrupted(error: JoinError) -> Error {
    Error::new(ErrorKind::Unavailable, "the runtime is shutting down")
        .with_outcome(Outcome::Unknown)
        .with_source(error)
}
