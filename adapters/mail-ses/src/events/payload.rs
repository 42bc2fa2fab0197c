//! What SES itself says, in both of its dialects.

use std::{fmt::Write as _, time::SystemTime};

use chrono::DateTime;
use mailer::{
    Address, Mailbox, MessageId,
    events::{Bounce, Event, EventKind},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// One event, or nothing if it is not SES that speaks.
pub(super) fn read(said: &Value) -> Option<Event> {
    let name = text(said, "eventType").or_else(|| text(said, "notificationType"))?;
    // `EventBridge` leaves the space out.
    let name = name.replace(' ', "");
    let (section, recipients) = places(&name);
    let section = said.get(section).unwrap_or(&Value::Null);
    let mail = said.get("mail").unwrap_or(&Value::Null);
    let named = section.get(recipients).or_else(|| mail.get("destination"));

    let provider_id = text(mail, "messageId").map(str::to_owned);
    let mut event = Event::new(String::new(), kind(&name, section));
    event.recipients = addresses(named);
    event.at = text(section, "timestamp").or_else(|| text(mail, "timestamp")).and_then(moment);
    event.detail = detail(section);
    event.message_id = mail
        .pointer("/commonHeaders/messageId")
        .and_then(Value::as_str)
        .and_then(|id| MessageId::parse(id).ok());
    event.id = id(&name, provider_id.as_deref(), section, &event.recipients);
    event.provider_id = provider_id;
    Some(event)
}

/// The part that belongs to a type, and the field in it that names whom it is about, if there is one.
fn places(name: &str) -> (&'static str, &'static str) {
    match name {
        "Bounce" => ("bounce", "bouncedRecipients"),
        "Click" => ("click", ""),
        "Complaint" => ("complaint", "complainedRecipients"),
        "Delivery" => ("delivery", "recipients"),
        "DeliveryDelay" => ("deliveryDelay", "delayedRecipients"),
        "Open" => ("open", ""),
        "Reject" => ("reject", ""),
        "RenderingFailure" => ("failure", ""),
        "Subscription" => ("subscription", ""),
        _ => ("send", ""),
    }
}

fn kind(name: &str, section: &Value) -> EventKind {
    match name {
        "Bounce" if text(section, "bounceType") == Some("Permanent") => EventKind::Bounced(Bounce::Hard),
        "Bounce" => EventKind::Bounced(Bounce::Soft),
        "Click" => EventKind::Clicked,
        // Somebody took it out of the folder for spam.
        "Complaint" if text(section, "complaintFeedbackType") == Some("not-spam") => EventKind::Unknown,
        "Complaint" => EventKind::Complained,
        "Delivery" => EventKind::Delivered,
        "DeliveryDelay" => EventKind::Deferred,
        "Open" => EventKind::Opened,
        "Reject" => EventKind::Rejected,
        "RenderingFailure" => EventKind::Failed,
        "Send" => EventKind::Sent,
        "Subscription" if ends_something(section) => EventKind::Unsubscribed,
        _ => EventKind::Unknown,
    }
}

/// A change of subscriptions can also be a new one.
fn ends_something(section: &Value) -> bool {
    let now = section.get("newTopicPreferences").unwrap_or(&Value::Null);
    let topics = now.get("topicSubscriptionStatus").and_then(Value::as_array);
    let is_out = |topic: &Value| text(topic, "subscriptionStatus") == Some("OptOut");
    now.get("unsubscribeAll") == Some(&Value::Bool(true))
        || topics.is_some_and(|topics| topics.iter().any(is_out))
}

/// Each once. What is no address is left out: a bounce may name whatever a server made of one.
fn addresses(named: Option<&Value>) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    for one in named.and_then(Value::as_array).into_iter().flatten() {
        let one = one.as_str().or_else(|| text(one, "emailAddress"));
        if let Some(mailbox) = one.and_then(|text| Mailbox::parse(text).ok())
            && !found.contains(&mailbox.address)
        {
            found.push(mailbox.address);
        }
    }
    found
}

/// What a person who looks into it wants to read. No link: it may be a secret.
fn detail(section: &Value) -> Option<String> {
    const FIELDS: [&str; 8] = [
        "bounceType",
        "bounceSubType",
        "complaintSubType",
        "complaintFeedbackType",
        "delayType",
        "smtpResponse",
        "reason",
        "errorMessage",
    ];
    let mut words: Vec<&str> = FIELDS.iter().filter_map(|field| text(section, field)).collect();
    for recipients in ["bouncedRecipients", "delayedRecipients"] {
        let recipients = section.get(recipients).and_then(Value::as_array).into_iter().flatten();
        words.extend(recipients.filter_map(|one| text(one, "diagnosticCode")));
    }
    Some(words.join("; ")).filter(|words| !words.is_empty())
}

/// Made of what the event is and not of how it came. SES numbers what others have told it; of the rest, type, mail, time
/// and whom it is about make one event.
fn id(name: &str, provider_id: Option<&str>, section: &Value, recipients: &[Address]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    };
    add(name);
    add(provider_id.unwrap_or_default());
    if let Some(feedback) = text(section, "feedbackId") {
        add(feedback);
    } else {
        for field in ["timestamp", "link", "ipAddress", "userAgent", "source"] {
            add(text(section, field).unwrap_or_default());
        }
        for recipient in recipients {
            add(recipient.as_str());
        }
    }
    hash.finalize().iter().take(16).fold("ses-".to_owned(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("writing to a string cannot fail");
        id
    })
}

fn moment(text: &str) -> Option<SystemTime> {
    DateTime::parse_from_rfc3339(text).ok().map(SystemTime::from)
}

fn text<'a>(of: &'a Value, field: &str) -> Option<&'a str> {
    of.get(field)?.as_str()
}
