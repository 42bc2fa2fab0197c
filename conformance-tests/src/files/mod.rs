//! The suite for `persistent-fs`: what [`Backend`] says, sentence by sentence.

mod bench;
mod cancel;
mod copies;
mod create;
mod honesty;
mod keys;
mod link_tokens;
mod listing;
mod reads;
mod removal;
mod round_trip;
mod swap;
mod through_prefix;
mod visibility;

use std::{process::ExitCode, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use persistent_fs::{Backend, Method, links::Grant};

pub use link_tokens::signer;

use crate::{Absent, Case, run_all, trials};

/// What a file adapter must offer to be tested.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// A new and empty store that nobody else uses, or why there can be none here.
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent>;

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

    /// The names of all that is really stored, in any order: objects, and whatever uploads have left behind.
    async fn raw_entries(&self) -> Result<Vec<String>, Absent> {
        Err(Absent::hook("raw_entries"))
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
        listing::cases(),
        removal::cases(),
        copies::cases(),
        link_tokens::cases(),
        honesty::cases(),
    ]
    .concat()
}

/// Runs the suite against an adapter, and again through the prefix layer. Written by `persistent_fs!`.
pub fn main(package: &str, harness: impl Harness) -> ExitCode {
    let harness: Arc<dyn Harness> = Arc::new(harness);
    let prefixed: Arc<dyn Harness> = Arc::new(through_prefix::ThroughPrefix(Arc::clone(&harness)));
    let mut all = trials("", &harness, cases());
    all.extend(trials("through_prefix", &prefixed, cases()));
    run_all(package, all)
}
