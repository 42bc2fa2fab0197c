//! Messages that SNS brings over the network.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use chrono::DateTime;
use mailer::{Clock, events::Event};
use serde_json::Value;

use super::{Refusal, notification, signature};

/// How many certificates are kept. SNS has one for a region, and changes it now and then.
const MAX_CERTIFICATES: usize = 16;

/// Fetches SNS's certificates: a GET by whichever HTTP client the application has.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// The body that lies at this URL, which is `https:` and SNS's own. Redirects must not be followed, and a large body
    /// must be cut off: a certificate has a few kilobytes.
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;
}

/// Receives what SNS sends to a page of the application. Hold one for the whole program: it keeps the certificates.
pub struct Sns {
    topics: Vec<String>,
    certificates: Arc<dyn Certificates>,
    clock: Clock,
    max_age: Duration,
    kept: Mutex<BTreeMap<String, Arc<[u8]>>>,
}

/// What SNS wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// To tell what happened; nothing, if SES only greets a new topic.
    Events(Vec<Event>),
    /// To know whether this page wants the topic's messages. It does once this address was fetched, which lies with SNS.
    /// The address is a secret until then.
    Confirm {
        /// The topic.
        topic: String,
        /// What to fetch to say yes.
        url: String,
    },
    /// To say that this page no longer gets the topic's messages.
    Unsubscribed {
        /// The topic.
        topic: String,
    },
}

impl Sns {
    /// Listens to these topics, by their ARNs, and to no other: everybody can have SNS sign messages of a topic of their own.
    ///
    /// Messages may be an hour old, which is as long as SNS tries by default.
    pub fn new(topics: impl IntoIterator<Item = String>, certificates: Arc<dyn Certificates>) -> Self {
        Self {
            topics: topics.into_iter().collect(),
            certificates,
            clock: Clock::system(),
            max_age: Duration::from_hours(1),
            kept: Mutex::default(),
        }
    }

    /// How old a message may be, and how far ahead of the clock. It bounds how long a message that somebody has recorded
    /// can be played again; that an event is not counted twice is up to whoever remembers [`Event::id`].
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Tells the time by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the body of a request, if SNS has signed it, just now, for one of the topics.
    ///
    /// All that can be refused is refused before anything is fetched, and what is fetched lies with SNS. Each
    /// certificate is fetched once. Dropping the future has no effect.
    pub async fn receive(&self, body: &[u8]) -> Result<Notice, Refusal> {
        let envelope: Value = serde_json::from_slice(body).map_err(|_| Refusal::Malformed("no JSON"))?;
        let field = |name| envelope.get(name).and_then(Value::as_str);
        let lacking = || Refusal::Malformed("an envelope that lacks a field");
        let topic = field("TopicArn").ok_or_else(lacking)?.to_owned();
        if !self.topics.contains(&topic) {
            return Err(Refusal::Topic);
        }
        if !matches!(field("SignatureVersion"), Some("1" | "2")) {
            return Err(Refusal::Version);
        }
        self.check_age(field("Timestamp").ok_or_else(lacking)?)?;
        let url = field("SigningCertURL").filter(|url| is_certificate(url));
        let url = url.ok_or(Refusal::CertificateHost)?;
        signature::check(&envelope, &self.certificate(url).await?)?;
        match field("Type") {
            Some("SubscriptionConfirmation") => {
                let url = field("SubscribeURL").filter(|url| is_at_sns(url)).ok_or_else(lacking)?;
                Ok(Notice::Confirm { topic, url: url.to_owned() })
            }
            Some("UnsubscribeConfirmation") => Ok(Notice::Unsubscribed { topic }),
            _ => Ok(Notice::Events(notification(&envelope)?)),
        }
    }

    fn check_age(&self, timestamp: &str) -> Result<(), Refusal> {
        let sent = DateTime::parse_from_rfc3339(timestamp).map_err(|_| Refusal::Stale)?;
        let (sent, now) = (SystemTime::from(sent), self.clock.now());
        let apart = now.duration_since(sent).unwrap_or_else(|ahead| ahead.duration());
        if apart > self.max_age { Err(Refusal::Stale) } else { Ok(()) }
    }

    async fn certificate(&self, url: &str) -> Result<Arc<[u8]>, Refusal> {
        if let Some(kept) = self.kept().get(url) {
            return Ok(Arc::clone(kept));
        }
        let fetched: Arc<[u8]> = self.certificates.fetch(url).await.map_err(Refusal::Certificate)?.into();
        // Anybody can ask for addresses where nothing useful lies; those are not kept.
        signature::check_certificate(&fetched)?;
        let mut kept = self.kept();
        if kept.len() >= MAX_CERTIFICATES {
            kept.clear();
        }
        kept.insert(url.to_owned(), Arc::clone(&fetched));
        Ok(fetched)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<[u8]>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `https://sns.<region>.amazonaws.com/SimpleNotificationService-<letters>.pem`, in China with `.cn`.
fn is_certificate(url: &str) -> bool {
    let Some((_, path)) = host_and_path(url) else { return false };
    let name = path.strip_prefix("SimpleNotificationService-").and_then(|rest| rest.strip_suffix(".pem"));
    is_at_sns(url)
        && name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Read by hand and strictly: whatever else an HTTP client might make of a URL, such as a user or a port, is refused.
fn is_at_sns(url: &str) -> bool {
    let Some((host, _)) = host_and_path(url) else { return false };
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#')
        && region.is_some_and(|region| !region.is_empty() && region.bytes().all(allowed))
}

fn host_and_path(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("https://")?.split_once('/')
}

impl fmt::Debug for Sns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sns")
            .field("topics", &self.topics)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sns_has_certificates() {
        for url in [
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123abcd.pem",
        ] {
            assert!(is_certificate(url), "{url}");
        }
        for url in [
            "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
            "https://sns.eu-west-1.amazonaws.com.example.com/SimpleNotificationService-0.pem",
            "https://sns.eu-west-1.amazonaws.com@example.com/SimpleNotificationService-0.pem",
            "https://example.com/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
            "https://sns.example.com/SimpleNotificationService-0.pem",
            "https://sns.a.b.amazonaws.com/SimpleNotificationService-0.pem",
            "https://sns..amazonaws.com/SimpleNotificationService-0.pem",
            "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
            "https://sns.eu-west-1.amazonaws.com/other.pem",
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-../x.pem",
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem?x=y",
            "https://sns.eu-west-1.amazonaws.com\\@example.com/SimpleNotificationService-0.pem",
            "",
        ] {
            assert!(!is_certificate(url), "{url}");
        }
    }
}
