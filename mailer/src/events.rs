//! What a provider tells about a mail after it was taken: delivered, bounced, complained about.
//!
//! Providers tell it in their own words and by their own ways, mostly a call to the application. An adapter that knows
//! a provider turns its words into [`Event`]s; so an application has one place where they are used, and a change of
//! provider is none to it.
//!
//! ```
//! # use mailer::Address;
//! # use mailer::events::{Bounce, Event, EventKind};
//! # fn main() -> Result<(), mailer::Error> {
//! let gone: Address = "gone@example.com".parse()?;
//! let mut event = Event::new("bounce-17", EventKind::Bounced(Bounce::Hard));
//! event.recipients = vec![gone.clone()];
//! // Nobody is to write to this address again.
//! assert_eq!(event.suppresses(), [gone]);
//! # Ok(())
//! # }
//! ```
//!
//! Three things hold for every provider, and an application has to live with them: events come more than once, in any
//! order, and not at all for mails whose recipients say nothing. Whoever counts them remembers [`Event::id`].

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{Address, MessageId};

/// One thing that happened to one mail, for some of its recipients.
///
/// An adapter vouches for the form and not for the truth: what came over the network is true only as far as the
/// adapter's way of receiving it proves who sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The same for the same event, however often and by whichever way it comes; different for any two events of a
    /// provider.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// The provider's name for the mail, as in [`Receipt::provider_id`](crate::Receipt::provider_id). By it an event
    /// is joined to the mail that was sent.
    #[serde(default)]
    pub provider_id: Option<String>,
    /// The message id that the mail had when it was handed over, as in
    /// [`Outgoing::message_id`](crate::Outgoing::message_id), if the provider tells it.
    #[serde(default)]
    pub message_id: Option<MessageId>,
    /// Whom it is about, none twice. Empty if the provider does not say; what is no address is left out.
    #[serde(default)]
    pub recipients: Vec<Address>,
    /// When it happened, by the provider's clock.
    #[serde(default)]
    pub at: Option<SystemTime>,
    /// The provider's or the recipient's server's own words, for people and not for programs. Like
    /// [`recipients`](Self::recipients) it can name addresses, so it does not belong into a log.
    #[serde(default)]
    pub detail: Option<String>,
}

/// What happened to a mail. A `match` needs a last arm: there will be more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The provider took it and will try.
    Sent,
    /// The recipient's server took it.
    Delivered,
    /// The recipient's server did not take it yet; the provider tries again.
    Deferred,
    /// The recipient's server did not take it, and the provider has given up.
    Bounced(Bounce),
    /// The recipient says that it is unwanted. Where a mail had several recipients, a provider may name all of them who
    /// could have said so.
    Complained,
    /// The provider took it, looked inside and did not send it.
    Rejected,
    /// The provider could not make a mail of what it was given.
    Failed,
    /// It was opened, or a program that fetches pictures beforehand looked at it.
    Opened,
    /// A link was followed, by a person or by a program that looks for dangers.
    Clicked,
    /// The recipient wants no more mails of some sort. That is for whoever keeps the list of that sort, and says nothing
    /// about mails that are not on a list.
    Unsubscribed,
    /// Something for which there is no word here. It is no error.
    Unknown,
}

/// How final a bounce is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bounce {
    /// The address does not work, and will not.
    Hard,
    /// This mail did not get there: a mailbox was full, a server too busy for too long, or nobody knows why.
    Soft,
}

impl Event {
    /// An event about which nothing else is known yet.
    pub fn new(id: impl Into<String>, kind: EventKind) -> Self {
        Self {
            id: id.into(),
            kind,
            provider_id: None,
            message_id: None,
            recipients: Vec::new(),
            at: None,
            detail: None,
        }
    }

    /// The recipients who should not be written to any more: all of a hard bounce or a complaint, and of nothing else.
    pub fn suppresses(&self) -> &[Address] {
        match self.kind {
            EventKind::Bounced(Bounce::Hard) | EventKind::Complained => &self.recipients,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [EventKind; 12] = [
        EventKind::Sent,
        EventKind::Delivered,
        EventKind::Deferred,
        EventKind::Bounced(Bounce::Hard),
        EventKind::Bounced(Bounce::Soft),
        EventKind::Complained,
        EventKind::Rejected,
        EventKind::Failed,
        EventKind::Opened,
        EventKind::Clicked,
        EventKind::Unsubscribed,
        EventKind::Unknown,
    ];

    fn event(kind: EventKind) -> Event {
        Event { recipients: vec!["ann@example.com".parse().unwrap()], ..Event::new("1", kind) }
    }

    #[test]
    fn only_hard_bounces_and_complaints_suppress() {
        for kind in KINDS {
            let expected = matches!(kind, EventKind::Bounced(Bounce::Hard) | EventKind::Complained);
            assert_eq!(!event(kind).suppresses().is_empty(), expected, "{kind:?}");
        }
    }

    #[test]
    fn every_event_can_be_stored() {
        for kind in KINDS {
            let stored = serde_json::to_string(&event(kind)).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&stored).unwrap(), event(kind), "{stored}");
        }
        let least = r#"{"id":"1","kind":{"bounced":"hard"}}"#;
        let hard = EventKind::Bounced(Bounce::Hard);
        assert_eq!(serde_json::from_str::<Event>(least).unwrap(), Event::new("1", hard));
    }
}
