//! What SES tells about mails after it took them.
//!
//! SES tells it by Amazon SNS or by Amazon `EventBridge`, in two dialects: the *event publishing* of a configuration set
//! and the older *feedback notifications* of an identity. All of it becomes [`mailer::events::Event`], the same event with
//! the same id by whichever way it comes; [`Event::provider_id`] is that of the receipt.
//!
//! | How it comes | What to call |
//! |---|---|
//! | SNS calls a page of the application | [`Sns::receive`], which checks who signed it |
//! | a function that SNS or `EventBridge` invokes, or a queue, in an account that lets nobody else do so | [`parse`] |
//!
//! | SES says | Kind |
//! |---|---|
//! | `Send`, `Delivery`, `DeliveryDelay`, `Reject`, `Rendering Failure`, `Open`, `Click` | sent, delivered, deferred, rejected, failed, opened, clicked |
//! | `Bounce` of type `Permanent`; of another type | bounced, hard; bounced, soft |
//! | `Complaint` | complained; unknown if it says `not-spam` |
//! | `Subscription` that ends something | unsubscribed |
//! | anything else | unknown |

mod payload;
mod signature;
mod sns;

use mailer::events::Event;
use serde_json::Value;

pub use sns::{Certificates, Notice, Sns};

/// Why something that came is not listened to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no message of SNS, `EventBridge` or SES.
    #[error("not a message of SNS, EventBridge or SES: {0}")]
    Malformed(&'static str),
    /// It is of a topic that was not named.
    #[error("a message of another topic")]
    Topic,
    /// It is signed in a way that is not known.
    #[error("a signature of an unknown version")]
    Version,
    /// It names a certificate that does not lie with SNS.
    #[error("the certificate is not at SNS")]
    CertificateHost,
    /// The certificate cannot be had, or is none. It may be there the next time.
    #[error("there is no certificate to check the signature with")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// SNS has not signed it, or it was altered.
    #[error("the signature is wrong")]
    Signature,
    /// It is too old, or from the future.
    #[error("the message was not sent just now")]
    Stale,
}

/// Reads what came, whoever sent it: the envelope of SNS or of `EventBridge`, what SNS hands to a function, or what SES
/// itself said.
///
/// Nothing proves that it is true. An attacker who can call this can have any address suppressed, so it is for bytes whose
/// way is guarded by somebody else; [`Sns::receive`] is for the others.
///
/// A confirmation of SNS, and what SES says about a topic, yield no event. What is none of this answers
/// [`Refusal::Malformed`]. It never panics.
pub fn parse(bytes: &[u8]) -> Result<Vec<Event>, Refusal> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Refusal::Malformed("no JSON"))?;
    events(&value)
}

fn events(value: &Value) -> Result<Vec<Event>, Refusal> {
    if let Some(records) = value.get("Records").and_then(Value::as_array) {
        let none = || Refusal::Malformed("a record that is not SNS's");
        let each = records.iter().map(|record| notification(record.get("Sns").ok_or_else(none)?));
        return Ok(each.collect::<Result<Vec<_>, _>>()?.concat());
    }
    if value.get("TopicArn").is_some() {
        return notification(value);
    }
    match value.get("detail") {
        Some(detail) => Ok(vec![payload::read(detail).ok_or(NO_PAYLOAD)?]),
        None => Ok(vec![payload::read(value).ok_or(NO_PAYLOAD)?]),
    }
}

const NO_PAYLOAD: Refusal = Refusal::Malformed("nothing that SES says");

/// What stands in an envelope of SNS.
fn notification(envelope: &Value) -> Result<Vec<Event>, Refusal> {
    match envelope.get("Type").and_then(Value::as_str) {
        Some("Notification") => {}
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => return Ok(Vec::new()),
        _ => return Err(Refusal::Malformed("an envelope of an unknown type")),
    }
    let message = envelope.get("Message").and_then(Value::as_str);
    let message = message.ok_or(Refusal::Malformed("an envelope with nothing in it"))?;
    // SES greets a new topic with a sentence.
    Ok(serde_json::from_str(message).ok().and_then(|said| payload::read(&said)).into_iter().collect())
}
