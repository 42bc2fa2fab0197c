//! Counts and traces.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use metrics::{SharedString, Unit, counter, describe_counter, describe_histogram, histogram};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field, info_span};

use crate::{Backend, Capabilities, Context, Error, Outgoing, Receipt};

const DELIVERIES: &str = "mailer_deliveries_total";
const ERRORS: &str = "mailer_errors_total";
const CANCELLED: &str = "mailer_cancelled_total";
const RECIPIENTS: &str = "mailer_recipients_total";
const REFUSED: &str = "mailer_refused_recipients_total";
const DURATION: &str = "mailer_duration_seconds";

/// A backend whose deliveries can be seen, by the facades `tracing` and `metrics`. Needs the feature `observe`.
///
/// | Metric | Labels | Says |
/// |---|---|---|
/// | `mailer_deliveries_total` | `mailer`, `kind` | deliveries that have ended, one way or another |
/// | `mailer_errors_total` | `mailer`, `kind`, `error`, `outcome` | those of them that ended in an error |
/// | `mailer_cancelled_total` | `mailer`, `kind` | those of them that their caller gave up |
/// | `mailer_recipients_total` | `mailer`, `kind` | recipients that mails were taken for |
/// | `mailer_refused_recipients_total` | `mailer`, `kind` | recipients that were refused while others were not |
/// | `mailer_duration_seconds` | `mailer`, `kind` | a histogram of how long deliveries took |
///
/// | Field of the span `mail_delivery` | Holds |
/// |---|---|
/// | `mailer`, `kind` | as above: the name given here, and what sort of mail it is, `none` if it does not say |
/// | `attempt` | which attempt it is, as the caller counts |
/// | `via`, `attempts` | of a receipt: who took it, and at which attempt |
/// | `result` | `ok`, `cancelled`, or the kind of the error ([`ErrorKind::as_str`](crate::ErrorKind::as_str)) |
/// | `outcome`, `stage` | of an error: whether the mail may have gone out, and how far it had come |
/// | `duration_ms` | how long it took |
///
/// There is one span for each delivery, of the level *info*. No address, subject, message id or body is in any of this.
///
/// | Question | Answer |
/// |---|---|
/// | do mails go out | errors by deliveries; those with the outcome `unknown` want to be looked at |
/// | are we slow, or the provider | the histogram here against one below [`RateLimited`](super::RateLimited) |
/// | is one of several backends in trouble | `via`, or an observer around each |
///
/// Kinds of mails are labels, so an application should have dozens of them and not thousands.
///
/// ```
/// # use mailer::{Mailer, layers::Observed};
/// # fn example(mailer: Mailer) -> Mailer {
/// mailer.layer(|backend| Observed::new(backend, "accounts"))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Observed<B> {
    inner: B,
    name: Arc<str>,
}

impl<B: Backend> Observed<B> {
    /// Watches the deliveries of `inner`, under this name.
    pub fn new(inner: B, name: impl Into<Arc<str>>) -> Self {
        describe_counter!(DELIVERIES, "Deliveries of mails that have ended, one way or another");
        describe_counter!(ERRORS, "Deliveries that ended in an error, by its kind and outcome");
        describe_counter!(CANCELLED, "Deliveries that their caller gave up");
        describe_counter!(RECIPIENTS, "Recipients that mails were taken for");
        describe_counter!(REFUSED, "Recipients that were refused while others were not");
        describe_histogram!(DURATION, Unit::Seconds, "How long deliveries took");
        Self { inner, name: name.into() }
    }
}

/// A delivery under way. Dropped before it has ended, it was cancelled.
struct Delivery {
    labels: [(&'static str, SharedString); 2],
    began: Instant,
    span: Span,
    ended: bool,
}

impl Delivery {
    fn begin(name: &Arc<str>, mail: &Outgoing, cx: &Context) -> Self {
        let kind = mail.meta().kind.clone().map_or(SharedString::const_str("none"), SharedString::from);
        let span = info_span!(
            "mail_delivery",
            mailer = &**name,
            kind = &*kind,
            attempt = cx.attempt,
            via = field::Empty,
            attempts = field::Empty,
            result = field::Empty,
            outcome = field::Empty,
            stage = field::Empty,
            duration_ms = field::Empty,
        );
        let labels = [("mailer", SharedString::from(Arc::clone(name))), ("kind", kind)];
        Self { labels, began: Instant::now(), span, ended: false }
    }

    fn succeeded(&mut self, mail: &Outgoing, receipt: &Receipt) {
        let (all, refused) = (mail.envelope().to().len(), receipt.refused.len());
        counter!(RECIPIENTS, &self.labels).increment(all.saturating_sub(refused) as u64);
        if refused > 0 {
            counter!(REFUSED, &self.labels).increment(refused as u64);
        }
        self.span.record("via", &*receipt.via);
        self.span.record("attempts", receipt.attempts);
        self.end("ok");
    }

    fn failed(&mut self, error: &Error) {
        let [mailer, kind] = self.labels.clone();
        let (result, outcome) = (error.kind().as_str(), error.outcome().as_str());
        let labels = [mailer, kind, ("error", result.into()), ("outcome", outcome.into())];
        counter!(ERRORS, &labels).increment(1);
        self.span.record("outcome", outcome);
        self.span.record("stage", error.stage().as_str());
        self.end(result);
    }

    /// The one place where a delivery is counted and timed.
    fn end(&mut self, result: &'static str) {
        self.ended = true;
        let took = self.began.elapsed();
        counter!(DELIVERIES, &self.labels).increment(1);
        histogram!(DURATION, &self.labels).record(took);
        self.span.record("result", result);
        self.span.record("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.ended {
            counter!(CANCELLED, &self.labels).increment(1);
            self.end("cancelled");
        }
    }
}

#[async_trait]
impl<B: Backend> Backend for Observed<B> {
    /// Those of the inner backend.
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let mut delivery = Delivery::begin(&self.name, mail, cx);
        let answer = self.inner.deliver(mail, cx).instrument(delivery.span.clone()).await;
        match &answer {
            Ok(receipt) => delivery.succeeded(mail, receipt),
            Err(error) => delivery.failed(error),
        }
        answer
    }

    /// Not counted: it sends nothing.
    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("labels", &self.labels).finish_non_exhaustive()
    }
}
