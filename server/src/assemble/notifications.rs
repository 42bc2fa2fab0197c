//! Amazon's notifications about mails: what SES has to tell, brought by SNS.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mail_ses::events::{Certificates, Notice, Refusal, Sns};
use mailer::events::Event;
use mailer::{Error, ErrorKind, Outcome};

use crate::clock::Clock;
use crate::mail::events::Hook;

/// How long a fetch may take.
const TIME: Duration = Duration::from_secs(10);
/// A certificate has a few kilobytes.
const MOST: usize = 64 * 1024;

/// Hears one topic.
#[derive(Debug)]
pub(super) struct Notifications {
    sns: Sns,
    web: Arc<Web>,
}

impl Notifications {
    pub(super) fn new(topic: String, clock: &Clock) -> Result<Self, Error> {
        let web = Arc::new(Web::new()?);
        let clock = clock.clone();
        let clock = mailer::Clock::new(move || clock.system_time());
        let certificates: Arc<dyn Certificates> = web.clone();
        Ok(Self { sns: Sns::new([topic], certificates).with_clock(clock), web })
    }
}

#[async_trait]
impl Hook for Notifications {
    async fn read(&self, body: Bytes) -> Result<Vec<Event>, Error> {
        match self.sns.receive(&body).await.map_err(refused)? {
            Notice::Events(events) => Ok(events),
            Notice::Confirm { topic, url } => {
                self.web.get(&url).await.map_err(|error| {
                    Error::new(ErrorKind::Unavailable, "the subscription cannot be confirmed")
                        .with_source(error)
                })?;
                tracing::info!(topic, "this server has subscribed to the mail provider's notifications");
                Ok(Vec::new())
            }
            Notice::Unsubscribed { topic } => {
                tracing::warn!(topic, "this server no longer gets the mail provider's notifications");
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn refused(refusal: Refusal) -> Error {
    let kind = match &refusal {
        Refusal::Malformed(_) => ErrorKind::Invalid,
        Refusal::Certificate(_) => ErrorKind::Unavailable,
        _ => ErrorKind::Auth,
    };
    Error::new(kind, refusal.to_string()).with_outcome(Outcome::NotApplied).with_source(refusal)
}

/// Fetches small things from addresses that were checked before.
#[derive(Debug)]
struct Web(reqwest::Client);

type Failure = Box<dyn StdError + Send + Sync>;

impl Web {
    fn new() -> Result<Self, Error> {
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(config)?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIME)
            .build();
        client.map(Self).map_err(config)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, Failure> {
        // The address of a confirmation is a secret, so no error names it.
        let answer = self.0.get(url).send().await.map_err(reqwest::Error::without_url)?;
        let mut answer = answer.error_for_status().map_err(reqwest::Error::without_url)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            if body.len() + chunk.len() > MOST {
                return Err("the answer is too long".into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl Certificates for Web {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Failure> {
        self.get(url).await
    }
}

fn config(error: impl Into<Failure>) -> Error {
    Error::new(ErrorKind::Config, "no HTTPS client can be made").with_source(error)
}
