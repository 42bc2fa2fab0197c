//! The assembled application: what every handler can reach.

use std::sync::Arc;

use dbconn::Pool;
use mailer::Mailer;
use mailer::preview::Preview;
use persistent_fs::Files;
use persistent_fs::links::LinkSigner;
use url::Url;

use crate::clock::Clock;
use crate::jobs::Jobs;
use crate::mail::events::Hook;
use crate::password::PasswordHasher;
use crate::rng::Rng;
use crate::tokens::Tokens;

/// The application, shared by all requests.
pub type AppState = Arc<App>;

/// Parts that were chosen by configuration, or by a test.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub db: Pool,
    /// Attachments and key files.
    pub files: Files,
    /// Signs and checks links to our own `/blob/`. All uploads go there, because clients want a 201 for an answer;
    /// downloads only where the file store serves none itself.
    pub links: LinkSigner,
    /// Outgoing mail; absent when mail is off.
    pub mailer: Option<Mailer>,
    /// Shows the mails that stay on this machine; absent unless the operator tries things out.
    pub mail_preview: Option<Preview>,
    /// Reads what the mail provider tells; absent unless the operator expects it.
    pub mail_hook: Option<Arc<dyn Hook>>,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub rng: Rng,
    /// Signs and checks tokens.
    pub tokens: Tokens,
    /// Hashes and checks passwords.
    pub passwords: PasswordHasher,
    /// Wakes the background jobs.
    pub jobs: Jobs,
    /// Choices of the operator.
    pub settings: Settings,
}

/// Choices of the operator that handlers act on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients reach this server, without a trailing slash.
    pub domain: Url,
    /// Who mails are from.
    pub mail_from: mailer::Mailbox,
    /// Who may register.
    pub signups: Signups,
    /// How clients are told to upload attachments.
    pub uploads: Uploads,
}

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Signups {
    /// Anybody.
    Open,
    /// Anybody who can read mail at the address.
    Verified,
    /// Nobody; `undercroft account create` still can.
    Closed,
}

/// How clients are told to upload attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Uploads {
    /// One PUT to a signed URL, which may lead to the file store itself.
    Ticket,
    /// A multipart form through this server.
    Multipart,
}

impl Settings {
    /// The domain without a trailing slash, to put a path behind.
    pub fn base(&self) -> &str {
        self.domain.as_str().trim_end_matches('/')
    }
}
