//! The suite for the crate `mailer`: what the documentation of its `Backend` says, executable.
//!
//! Each case opens a backend of its own, hands mails over and looks at what the observer reads back. Bytes are
//! compared one by one, except that a backend without `keeps_message_id` may replace `Message-ID` and `Date`.

mod cancellation;
mod content;
mod desk;
mod envelope;
mod injection;
mod limits;
pub mod live;
pub mod outbox;
#[cfg(unix)]
mod process;
mod receipt;
#[cfg(feature = "ses-server")]
pub mod ses;
#[cfg(feature = "smtp-server")]
pub mod smtp;

use std::{fmt, path::Path, process::ExitCode, sync::Arc};

use ::mailer::{Address, Backend};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{Absent, Case, Verdict, run_all, trials};

/// What a mail adapter must offer to be tested.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// A backend nobody else uses, and somebody who sees what arrives through it and through no other.
    async fn open(&self) -> Result<Setting, Absent>;

    /// A backend that is set up soundly and whose provider, or disk, cannot take any mail.
    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        Err(Absent::hook("open_unusable"))
    }

    /// A backend that runs this program for each mail, as sendmail is run, with no further arguments.
    async fn open_sendmail(&self, _program: &Path) -> Result<Arc<dyn Backend>, Absent> {
        Err(Absent::hook("open_sendmail"))
    }

    /// A backend that speaks SMTP to this server as it is told to.
    #[cfg(feature = "smtp-server")]
    async fn open_smtp(&self, _server: &smtp::Target) -> Result<Arc<dyn Backend>, Absent> {
        Err(Absent::hook("open_smtp"))
    }

    /// A backend that sends by SES at this place.
    #[cfg(feature = "ses-server")]
    async fn open_ses(&self, _target: &ses::Target) -> Result<Arc<dyn Backend>, Absent> {
        Err(Absent::hook("open_ses"))
    }
}

/// A backend under test, and who sees what arrives.
#[derive(Debug)]
pub struct Setting {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Who sees what arrives. Keeps alive what the backend needs, such as a temporary folder.
    pub observer: Arc<dyn Observer>,
}

/// Reads back what a backend has handed over.
#[async_trait]
pub trait Observer: fmt::Debug + Send + Sync {
    /// All mails that can be seen at this moment, in any order. A mail whose delivery was answered with `Ok` is
    /// among them.
    async fn delivered(&self) -> Vec<Delivered>;
}

/// One mail as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The envelope sender; `None` is the null sender.
    pub from: Option<Address>,
    /// The envelope recipients in order.
    pub to: Vec<Address>,
    /// The bytes of the mail, without what the adapter's documentation says it puts around them.
    pub raw: Bytes,
    /// The provider's name for the mail, if it has one.
    pub provider_id: Option<String>,
}

/// All cases.
pub fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = [
        content::cases(),
        envelope::cases(),
        envelope::sender_cases(),
        receipt::cases(),
        receipt::heavy_cases(),
        receipt::provider_id_cases(),
        limits::cases(),
        injection::cases(),
        cancellation::cases(),
    ]
    .concat();
    all.extend(groups_of_sorts().concat());
    all
}

/// Groups about one sort of backend each. Each has its hook in [`Harness`].
fn groups_of_sorts() -> Vec<Vec<Case<dyn Harness>>> {
    vec![
        #[cfg(unix)]
        process::cases(),
        #[cfg(feature = "smtp-server")]
        smtp::cases(),
        #[cfg(feature = "ses-server")]
        ses::cases(),
    ]
}

/// The cases that are about this sort of backend: a group is left out if the harness lacks its hook.
pub fn cases_for(harness: &dyn Harness) -> Vec<Case<dyn Harness>> {
    let mut cases = cases();
    for group in groups_of_sorts() {
        // Which hook it needs, its cases know; so one is asked.
        let asked = group[0].judge(harness);
        if matches!(asked, Verdict::Skipped(absent) if absent.is_hook()) {
            let names: Vec<_> = group.iter().map(Case::name).collect();
            cases.retain(|case| !names.contains(&case.name()));
        }
    }
    cases
}

/// Runs the suite for a package; called by `conformance_tests::mailer!`.
pub fn main(package: &str, harness: impl Harness) -> ExitCode {
    let harness: Arc<dyn Harness> = Arc::new(harness);
    let cases = cases_for(&*harness);
    run_all(package, trials("", &harness, cases))
}
