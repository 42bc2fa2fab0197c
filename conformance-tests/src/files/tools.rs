//! Randomness that can be repeated, calls that are dropped halfway, and patience.

use std::{
    fmt::{self, Display},
    future::poll_fn,
    path::PathBuf,
    task::Poll,
    time::Duration,
};

use tempfile::TempDir;

use super::Harness;

/// Randomness from the harness's seed, which belongs into the message of every assertion about it.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    pub(super) fn of(harness: &dyn Harness) -> Self {
        Self { seed: harness.seed(), state: harness.seed() }
    }

    /// Other randomness from the same seed, for a task of its own.
    pub(super) fn fork(&self, nth: u64) -> Self {
        Self { seed: self.seed, state: self.state ^ nth.wrapping_mul(0xD1B5_4A32_D192_ED03) }
    }

    fn next(&mut self) -> u64 {
        // SplitMix64: short, well distributed, and the same everywhere.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero up to, not including, the limit.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit as u64)).expect("it is below the limit")
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        super::bench::noise(self.next(), length)
    }
}

impl Display for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "with seed {}", self.seed)
    }
}

/// A moment at which a call is dropped: when it waits for the n-th time, or when that wait is over and it could go on.
///
/// The first leaves work under way, the second work that is done and that nobody has heard of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pause: usize,
    woken: bool,
}

/// Every moment, in order: before the call has begun, at its first await point, and so on, ever more coarsely. The
/// caller stops when the call has come to its end.
pub(super) fn cuts() -> impl Iterator<Item = Cut> + Send {
    let pauses = (1..32).chain((32..256).step_by(16)).chain((256..).step_by(1024));
    let cuts = pauses.flat_map(|pause| [false, true].map(|woken| Cut { pause, woken }));
    std::iter::once(Cut { pause: 0, woken: false }).chain(cuts)
}

impl Cut {
    /// What the call answered, unless it was dropped at this moment.
    ///
    /// It is polled only when it has been woken, so what is counted are its await points.
    pub(super) async fn apply<F: Future>(self, call: F) -> Option<F::Output> {
        let (mut call, mut pauses) = (Box::pin(call), 0);
        poll_fn(move |context| {
            if pauses == self.pause {
                return Poll::Ready(None);
            }
            if let Poll::Ready(answer) = call.as_mut().poll(context) {
                return Poll::Ready(Some(answer));
            }
            pauses += 1;
            if pauses == self.pause && !self.woken { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

impl Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.pause, if self.woken { "-woken" } else { "" })
    }
}

/// Asks again until the answer is yes, because what was on its way when it was dropped may take a moment. After two
/// thousand askings the answer is no.
pub(super) async fn eventually<F: Future<Output = bool>>(ask: impl Fn() -> F) -> bool {
    for _ in 0..2000 {
        if ask().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

/// Runs `work` on a thread without a runtime, where it may make one of its own, and waits for it.
pub(super) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || send.send(work()));
    receive.await.expect("the thread does not panic")
}

/// A file with this body, and the folder that goes when it is dropped.
pub(super) fn file(body: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, body).expect("written");
    (folder, path)
}
