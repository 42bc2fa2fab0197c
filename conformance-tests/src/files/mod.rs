//! The suite for `persistent-fs`: what [`Backend`] says, sentence by sentence.

mod bench;
mod cancel;
mod concurrency;
mod copies;
mod create;
mod errors;
mod get_links;
mod history;
mod honesty;
mod keys;
mod link_http;
mod link_tokens;
mod listing;
mod put_links;
mod reads;
mod removal;
mod resources;
mod round_trip;
mod swap;
mod through_prefix;
mod tools;
mod visibility;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use persistent_fs::{Backend, ByteStream, Key, Method, links::Grant};

pub use link_http::{Quirk, answered, served};
pub use link_tokens::signer;

use crate::{Absent, Case, run_all, trials};

/// How much a case may ask of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// A store that is near and free: thousands of objects, hundreds of rounds.
    #[default]
    Full,
    /// A store that costs money or is slow: just enough to cross each border, such as that of a page or a part.
    Small,
}

impl Scale {
    /// One of two sizes, whichever this scale allows.
    pub fn pick<T>(self, full: T, small: T) -> T {
        match self {
            Self::Full => full,
            Self::Small => small,
        }
    }
}

/// What a file adapter must offer to be tested.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// A new and empty store that nobody else uses, or why there can be none here.
    ///
    /// It may be a part of a larger store, such as a folder in a bucket, if what is listed, deleted and swept through
    /// it is that part alone: cases delete everything they find, and sweep away what was left behind this moment.
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent>;

    /// How much a case may ask of this store. Every case runs at every scale, with smaller numbers.
    fn scale(&self) -> Scale {
        Scale::Full
    }

    /// What cases with randomness begin with. Their failures name it, so that a run can be repeated exactly.
    fn seed(&self) -> u64 {
        1
    }

    /// A backend whose credentials or root are wrong, so that no operation can succeed.
    async fn open_broken(&self) -> Result<Arc<dyn Backend>, Absent> {
        Err(Absent::hook("open_broken"))
    }
}

/// One store under test. Dropping it removes whatever it occupies.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The store. Repeated calls give the same one.
    fn backend(&self) -> Arc<dyn Backend>;

    /// The same storage, opened afresh, as after a restart.
    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        Err(Absent::hook("reopen"))
    }

    /// Whether the product cannot hold this valid key in any way, so that the store refuses it with `InvalidKey`. What
    /// is not named here has to be held.
    fn refuses(&self, key: &Key) -> bool {
        let _ = key;
        false
    }

    /// The names of all that is really stored, in any order: objects, and whatever uploads have left behind.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        Err(Absent::hook("raw_entries"))
    }

    /// How many descriptors this store holds open at the moment: files, or connections. For stores whose memory is this
    /// process's; the cases that look at what a store occupies ask for it first, and are skipped without it.
    async fn descriptors(&self) -> Result<usize, Absent> {
        Err(Absent::hook("descriptors"))
    }

    /// Checks a token as the application that serves this store's links would. For stores with [`signer`]'s links.
    fn verify(
        &self,
        method: Method,
        token: &str,
        now: SystemTime,
    ) -> Result<persistent_fs::Result<Grant>, Absent> {
        let _ = (method, token, now);
        Err(Absent::hook("verify"))
    }

    /// The backend whose objects this store's links name: this one, unless it is a layer that renames them.
    fn link_target(&self) -> Arc<dyn Backend> {
        self.backend()
    }

    /// Sends a request to where a link of this store leads, as a stranger without any credentials would, `late` after
    /// the link was minted, and collects the answer.
    ///
    /// By default [`served`] answers in process: right for a store with [`signer`]'s links that serves them itself. A
    /// harness for a store with links of its own sends the request over the network exactly as it is, and really waits
    /// before it does. What cannot be sent, because its body ends in an error or is not as long as its header says, is
    /// sent as far as possible, and answered with 400 if no other answer comes.
    async fn fetch(
        &self,
        request: http::Request<ByteStream>,
        late: Duration,
    ) -> Result<http::Response<Bytes>, Absent> {
        link_http::in_process(self.link_target(), request, late).await
    }

    /// In what the server that answers this store's links differs from ours. The list is part of what the adapter's
    /// documentation says, not a way to silence a case.
    fn quirks(&self) -> &[Quirk] {
        &[]
    }
}

/// Every case of the suite.
pub fn cases() -> Vec<Case<dyn Harness>> {
    [
        round_trip::cases(),
        keys::cases(),
        reads::cases(),
        create::cases(),
        swap::cases(),
        visibility::cases(),
        cancel::cases(),
        concurrency::cases(),
        listing::cases(),
        removal::cases(),
        copies::cases(),
        link_tokens::cases(),
        get_links::cases(),
        put_links::cases(),
        errors::cases(),
        honesty::cases(),
        resources::cases(),
    ]
    .concat()
}

/// Runs the suite against an adapter, and again through the prefix layer: at the small scale, without the heavy
/// cases. Written by `persistent_fs!`.
pub fn main(package: &str, harness: impl Harness) -> ExitCode {
    let harness: Arc<dyn Harness> = Arc::new(harness);
    let prefixed: Arc<dyn Harness> = Arc::new(through_prefix::ThroughPrefix(Arc::clone(&harness)));
    let mut all = trials("", &harness, cases());
    let light = cases().into_iter().filter(|case| !case.is_heavy());
    all.extend(trials("through_prefix", &prefixed, light));
    run_all(package, all)
}
