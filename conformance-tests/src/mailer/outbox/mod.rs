//! The suite for the tables of outboxes: what the documentation of [`OutboxStore`] says, executable.
//!
//! Times are those of the suite, from a noon of its own on; a store that looks at a clock by itself can look at any.
//! What a drain does is tested here as far as it rests on the store; the rest is tested in `mailer`.

mod adding;
mod claims;
mod crashes;
mod desk;
mod drains;
mod settling;

use std::{
    fmt,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ::mailer::{MessageId, OutboxStore, Outgoing};
use async_trait::async_trait;

use crate::{Absent, Case, run_all, trials};

/// What an application with an outbox must offer to be tested.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// An empty table that nobody else uses.
    async fn open(&self) -> Result<Setting, Absent>;
}

/// A store under test, and the table below it.
#[derive(Debug)]
pub struct Setting {
    /// The store.
    pub store: Arc<dyn OutboxStore>,
    /// The same table as the application sees it.
    pub table: Arc<dyn Table>,
}

/// The side of an outbox that belongs to the application.
#[async_trait]
pub trait Table: fmt::Debug + Send + Sync {
    /// Adds a mail as the application does, commits, and gives the id: the new entry's, or that of the one which has
    /// the mail's key already.
    async fn enqueue(&self, mail: &Outgoing, due: SystemTime) -> String;

    /// What stands in the table; `None` if there is no such entry.
    async fn entry(&self, id: &str) -> Option<Entry>;

    /// Adds a mail in a transaction that is rolled back.
    async fn enqueue_and_roll_back(&self, _mail: &Outgoing, _due: SystemTime) -> Result<(), Absent> {
        Err(Absent::hook("enqueue_and_roll_back"))
    }

    /// Spoils the stored mail, so that it cannot be read any more.
    async fn damage(&self, _id: &str) -> Result<(), Absent> {
        Err(Absent::hook("damage"))
    }

    /// Lets another process drain the table, with the computer's clock and this lease, and kills it at this moment.
    /// Gives the ids of the mails that it had handed over by then.
    async fn drain_and_be_killed(&self, _lease: Duration, _at: Moment) -> Result<Vec<MessageId>, Absent> {
        Err(Absent::hook("drain_and_be_killed"))
    }
}

/// An entry as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How it is.
    pub state: State,
    /// Everything that is stored of the mail, as text; what is sealed is to be opened first. Empty if nothing is.
    pub mail: String,
    /// What is stored for whoever looks into what went wrong.
    pub reason: Option<String>,
}

/// How an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be sent, now or later, claimed by somebody or not.
    Waiting,
    /// Handed over.
    Sent,
    /// Given up.
    Dead,
    /// Perhaps sent.
    Unsure,
    /// Too late to be sent.
    Expired,
}

/// When a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With mails claimed, and none handed over.
    BeforeSending,
    /// With a mail handed over, and nothing recorded.
    BeforeRecording,
}

/// All cases.
pub fn cases() -> Vec<Case<dyn Harness>> {
    [adding::cases(), claims::cases(), settling::cases(), drains::cases(), crashes::cases()].concat()
}

/// Runs the suite for a package, each harness under its label; called by `conformance_tests::outbox!`.
pub fn main(package: &str, harnesses: &[(&str, Arc<dyn Harness>)]) -> ExitCode {
    let trials = harnesses.iter().flat_map(|(label, harness)| trials(label, harness, cases()));
    run_all(package, trials.collect())
}
