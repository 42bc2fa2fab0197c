//! What tests look at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mail_parser::{Message, MessageParser, MimeHeaders as _};
use mailer::{Address, Error, Outgoing};

use crate::backend::Shared;

/// A view of what a [`Memory`](crate::Memory) was given, oldest first.
///
/// The methods that assert panic with the subjects of what is there instead; they are for tests.
#[derive(Clone, Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    reader: Option<Address>,
    kind: Option<String>,
}

/// What one delivery does instead of simply taking the mail; see [`Inbox::script`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// The mail is taken: a place for a delivery that goes well, between others.
    Take,
    /// This much time passes on tokio's clock, which a test may pause; then the same delivery goes on with the next
    /// step. A deadline that comes before ends it, surely not sent, and so does dropping the call.
    Wait(Duration),
    /// The mail is not taken, and this is the answer.
    Fail(Error),
    /// The mail is taken, and this is the answer all the same: what a connection lost at the wrong moment looks like.
    LoseAnswer(Error),
}

/// One mail as it was handed over.
#[derive(Clone, Debug)]
pub struct Sent {
    mail: Outgoing,
    id: String,
}

impl Inbox {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, reader: None, kind: None }
    }

    /// The same inbox, narrowed to mails with this recipient in their envelope.
    #[must_use]
    pub fn of(&self, reader: Address) -> Self {
        Self { reader: Some(reader), ..self.clone() }
    }

    /// The same inbox, narrowed to mails of this kind: `inbox.of(ann).kind("invite").one()`.
    #[must_use]
    pub fn kind(&self, kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..self.clone() }
    }

    /// The mails, oldest first. Only as many as the memory's capacity are kept.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.state().sent.iter().filter(|mail| self.shows(mail)).cloned().collect()
    }

    /// The mails of one kind.
    pub fn sent_of_kind(&self, kind: &str) -> Vec<Sent> {
        self.kind(kind).sent()
    }

    /// The only mail; panics unless there is exactly one.
    #[track_caller]
    pub fn one(&self) -> Sent {
        let mut sent = self.sent();
        match (sent.pop(), sent.len()) {
            (Some(mail), 0) => mail,
            _ => panic!("expected one mail, found {:?}", self.subjects()),
        }
    }

    /// Panics if there is any mail.
    #[track_caller]
    pub fn assert_none(&self) {
        assert!(self.sent().is_empty(), "expected no mail, found {:?}", self.subjects());
    }

    /// Removes the mails and returns them.
    pub fn take(&self) -> Vec<Sent> {
        let mut state = self.shared.state();
        let (taken, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut state.sent).into_iter().partition(|mail| self.shows(mail));
        state.sent = kept;
        taken.into()
    }

    /// Waits until there are at least `count` mails and returns them; panics if that takes longer than `time`, which
    /// bounds a hang and may be generous.
    pub async fn wait_for(&self, count: usize, time: Duration) -> Vec<Sent> {
        let waited = tokio::time::timeout(time, self.arrival_of(count)).await;
        waited
            .unwrap_or_else(|_| panic!("expected {count} mails within {time:?}, found {:?}", self.subjects()))
    }

    /// Lets the next delivery that passes all checks fail with this error, without taking the mail. The same as a
    /// [`script`](Self::script) of one [`Step::Fail`].
    pub fn fail_next(&self, error: Error) {
        self.script([Step::Fail(error)]);
    }

    /// Says what the next deliveries do that pass all checks. Steps are used up in order, after those that are there
    /// already, and then mails are taken as ever. They count for the whole memory, also if the inbox is narrowed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use mail_memory::{Memory, Step};
    /// # use mailer::{Error, ErrorKind, Outcome};
    /// let (memory, inbox) = Memory::new();
    /// inbox.script([
    ///     Step::Wait(Duration::from_secs(20)),
    ///     Step::Fail(Error::new(ErrorKind::Throttled, "slower")),
    ///     Step::LoseAnswer(Error::new(ErrorKind::Unavailable, "connection lost")),
    /// ]);
    /// // The first mail is refused after 20 s, the second is taken and nobody is told, the third is simply taken.
    /// ```
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.shared.state().script.extend(steps);
    }

    /// While true, deliveries and checks answer [`Unavailable`](mailer::ErrorKind::Unavailable), surely not sent, and
    /// use up no steps.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.shared.state().unavailable = unavailable;
    }

    async fn arrival_of(&self, count: usize) -> Vec<Sent> {
        loop {
            // Asked for before looking, so that no arrival in between is missed.
            let arrived = self.shared.arrived.notified();
            let mut arrived = std::pin::pin!(arrived);
            arrived.as_mut().enable();
            let sent = self.sent();
            if sent.len() >= count {
                return sent;
            }
            arrived.await;
        }
    }

    fn shows(&self, sent: &Sent) -> bool {
        self.reader.as_ref().is_none_or(|reader| sent.mail.envelope().to().contains(reader))
            && self.kind.as_deref().is_none_or(|kind| sent.kind() == Some(kind))
    }

    fn subjects(&self) -> Vec<String> {
        self.sent().iter().map(Sent::subject).collect()
    }
}

impl Sent {
    pub(crate) fn new(mail: Outgoing, id: String) -> Self {
        Self { mail, id }
    }

    /// The mail as it was handed over: envelope, bytes, message id.
    pub fn mail(&self) -> &Outgoing {
        &self.mail
    }

    /// The id in the receipt.
    pub fn provider_id(&self) -> &str {
        &self.id
    }

    /// What sort of mail it is.
    pub fn kind(&self) -> Option<&str> {
        self.mail.meta().kind.as_deref()
    }

    /// The recipients, hidden copies included.
    pub fn to(&self) -> Vec<&str> {
        self.mail.envelope().to().iter().map(Address::as_str).collect()
    }

    /// The subject, decoded; empty if there is none.
    pub fn subject(&self) -> String {
        self.parsed().subject().unwrap_or_default().to_owned()
    }

    /// The plain text, decoded, with LF at the end of lines; `None` if the mail has none. A mail's only body
    /// always ends in a line break, whether its author wrote one or not.
    pub fn text(&self) -> Option<String> {
        self.body("text/plain")
    }

    /// The HTML, decoded, with LF at the end of lines; `None` if the mail has none.
    pub fn html(&self) -> Option<String> {
        self.body("text/html")
    }

    /// The value of a header as it stands in the bytes, unfolded; the first one of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        let message = self.parsed();
        let value = message.header_raw(name)?.split("\r\n").map(str::trim).collect::<Vec<_>>();
        Some(value.join(" ").trim().to_owned())
    }

    /// The content that HTML shows as `cid:<content_id>`.
    pub fn inline(&self, content_id: &str) -> Option<Vec<u8>> {
        let message = self.parsed();
        let part = message.parts.iter().find(|part| part.content_id() == Some(content_id))?;
        Some(part.contents().to_vec())
    }

    /// The content of an attachment.
    pub fn attachment(&self, file_name: &str) -> Option<Vec<u8>> {
        let message = self.parsed();
        let part = message.parts.iter().find(|part| part.attachment_name() == Some(file_name))?;
        Some(part.contents().to_vec())
    }

    /// The first part of this type that is not a file; the parser would otherwise offer HTML turned into text.
    fn body(&self, content_type: &str) -> Option<String> {
        let message = self.parsed();
        let part = message.parts.iter().find(|part| {
            part.content_disposition().is_none()
                && part.content_type().is_some_and(|of| {
                    let subtype = of.subtype().unwrap_or_default();
                    format!("{}/{subtype}", of.ctype()) == content_type
                })
        })?;
        part.text_contents().map(|text| text.replace("\r\n", "\n"))
    }

    fn parsed(&self) -> Message<'_> {
        // The parser gives up only on a message without any header, and every mail has some.
        MessageParser::default().parse(&self.mail.raw()[..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
