//! What holds for a backend that sends by Amazon SES, against a [stand-in](crate::ses_server) for it.
//!
//! A backend that has nothing to do with SES offers no [`open_ses`](Harness::open_ses), and these cases are skipped.

mod answers;
mod losses;
mod requests;

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use ::mailer::{Address, Backend, Context, Error, Outgoing, Receipt};

use super::{Harness, desk};
use crate::{
    Absent, Case,
    ses_server::{Keys, SesServer},
};

/// How a backend for SES is to be opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Where to ask, as a URL without a path.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// Who asks.
    pub keys: Arc<dyn KeySource>,
    /// The configuration set that goes with every mail.
    pub configuration_set: Option<String>,
    /// The tags that go with every mail.
    pub tags: BTreeMap<String, String>,
    /// The name of a tag that holds what kind a mail is.
    pub kind_tag: Option<String>,
    /// Where bounces are to be mailed to.
    pub feedback: Option<Address>,
}

/// Who has keys.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// Keys that are good now, and until when; `None` if there are none.
    fn keys(&self) -> Option<(Keys, Option<SystemTime>)>;
}

/// The same keys for good, or none.
#[derive(Clone, Debug)]
pub struct Fixed(pub Option<Keys>);

/// All cases.
pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    [requests::cases(), answers::cases(), losses::cases()].concat()
}

impl Target {
    /// This server, with these keys.
    pub fn new(server: &SesServer, keys: impl KeySource + 'static) -> Self {
        Self {
            endpoint: server.endpoint(),
            region: server.region().to_owned(),
            keys: Arc::new(keys),
            configuration_set: None,
            tags: BTreeMap::new(),
            kind_tag: None,
            feedback: None,
        }
    }
}

impl KeySource for Fixed {
    fn keys(&self) -> Option<(Keys, Option<SystemTime>)> {
        self.0.clone().map(|keys| (keys, None))
    }
}

/// A server of its own, and a backend that was opened for it.
struct Counter {
    server: SesServer,
    backend: Arc<dyn Backend>,
}

impl Counter {
    async fn open(harness: &dyn Harness) -> Result<Self, Absent> {
        let server = server("eu-west-1").await;
        let target = Target::new(&server, Fixed(Some(server.issue_keys())));
        let backend = harness.open_ses(&target).await?;
        Ok(Self { server, backend })
    }

    async fn try_deliver(&self, mail: &Outgoing) -> Result<Receipt, Error> {
        self.backend.deliver(mail, &Context::new()).await
    }

    /// Hands over a mail that must fail.
    async fn fail(&self, mail: &Outgoing) -> Error {
        self.try_deliver(mail).await.expect_err("the mail was taken")
    }

    /// Whatever came before: a mail is taken now, and arrives once.
    async fn assert_works(&self) {
        let mail = desk::render(&desk::email().text("the next"));
        let receipt = self.try_deliver(&mail).await.unwrap_or_else(|error| panic!("the next mail: {error}"));
        let id = receipt.provider_id.expect("SES gives an id");
        let arrived = self.server.deliveries().iter().filter(|one| one.id == id).count();
        assert_eq!(arrived, 1, "the next mail");
    }
}

async fn server(region: &str) -> SesServer {
    SesServer::start(region).await.expect("a port of loopback")
}

/// A mail that says something nobody else may repeat.
fn secret_mail() -> Outgoing {
    desk::render(&desk::email().subject("geheimnis").text("geheimnis"))
}

fn assert_tells_nothing(error: &Error) {
    assert!(!format!("{error} {error:?}").contains("geheimnis"), "the error tells what the mail says");
}
