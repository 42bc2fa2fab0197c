//! What an application wants to say, as plain data.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Address, DedupeKey, Error, Mailbox, Outgoing, Renderer, base64_bytes};

/// A mail before it is rendered: plain data that can be stored and compared.
///
/// Building one never fails. Whatever mail cannot carry (a line break in a subject, a control character in a
/// name) is refused by [`render`](Self::render), by the name of the field, so that there is one place to look.
///
/// | Field | Refused |
/// |---|---|
/// | display names, subject, values of headers | line breaks and other control characters; words over 900 bytes |
/// | text, HTML | NUL; every sort of line break is taken and becomes CRLF |
/// | names of headers | what is no name; those that have a field here; `Content-…`, `Resent-…`, `Received` |
/// | content ids | all but 1 to 200 printable ASCII characters without brackets |
/// | file names | control characters; none, or more than 255 bytes |
/// | media types | what does not parse; `multipart/…` and `message/…` |
/// | unsubscribing | a link that is not `https`, an address that cannot stand in a link |
/// | recipients | none at all; one that is named twice counts once |
///
/// Rendered, it is as small as it can be: text alone is one part, text and HTML are alternatives in this order,
/// pictures make the whole `related`, files make it `mixed`. Everything but local parts of other scripts is
/// ASCII, so no provider needs to support more.
///
/// ```
/// # use mailer::{Email, Mailbox, Renderer};
/// # fn main() -> Result<(), mailer::Error> {
/// let from = Mailbox::parse("Vault <vault@example.org>")?;
/// let email = Email::new(from, Mailbox::parse("ann@example.com")?)
///     .subject("New device")
///     .text("Somebody signed in.")
///     .html("<p>Somebody signed in.</p>")
///     .kind("new_device");
/// let outgoing = email.render(&Renderer::system())?;
/// assert_eq!(outgoing.envelope().to().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Email {
    /// The author, shown to the reader; also the envelope sender unless [`sender`](Self::sender) or
    /// [`envelope_from`](Self::envelope_from) says otherwise.
    pub from: Mailbox,
    /// Further authors, shown beside the first.
    #[serde(default)]
    pub co_authors: Vec<Mailbox>,
    /// Who sends it for its authors, shown to the reader; also the envelope sender, before the author. A mail with
    /// several authors names one in any case: the first, unless it says otherwise.
    #[serde(default)]
    pub sender: Option<Mailbox>,
    /// The readers it is addressed to.
    pub to: Vec<Mailbox>,
    /// Readers who get a copy, shown to all.
    #[serde(default)]
    pub cc: Vec<Mailbox>,
    /// Readers who get a copy nobody sees: they are in the envelope and in no header.
    #[serde(default)]
    pub bcc: Vec<Mailbox>,
    /// Where answers go, if not to [`from`](Self::from).
    #[serde(default)]
    pub reply_to: Vec<Mailbox>,
    /// The subject; may be empty.
    #[serde(default)]
    pub subject: String,
    /// The body as plain text. A mail with neither text nor HTML has an empty text body.
    #[serde(default)]
    pub text: Option<String>,
    /// The body as HTML, offered as the richer alternative of the text.
    #[serde(default)]
    pub html: Option<String>,
    /// Pictures that the HTML shows by `cid:`.
    #[serde(default)]
    pub inline: Vec<Part>,
    /// Files.
    #[serde(default)]
    pub attachments: Vec<Part>,
    /// Further headers.
    #[serde(default)]
    pub headers: Headers,
    /// How the reader can stop mails of this sort.
    #[serde(default)]
    pub unsubscribe: Option<Unsubscribe>,
    /// The envelope sender, if it is not the author.
    #[serde(default)]
    pub envelope_from: Option<EnvelopeFrom>,
    /// What sort of mail it is (`invite`, `new_device`): a label for metrics and a filter for tests.
    #[serde(default)]
    pub kind: Option<Cow<'static, str>>,
    /// Equal for two mails of which only one should arrive.
    #[serde(default)]
    pub key: Option<DedupeKey>,
    /// When it is no longer worth sending.
    #[serde(default)]
    pub not_after: Option<SystemTime>,
}

/// A picture or a file inside a mail.
///
/// It is always sent as base64, whatever it holds, so it arrives byte for byte and a third larger.
///
/// ```
/// # use mailer::{Address, Email, Renderer};
/// # fn main() -> Result<(), mailer::Error> {
/// # let (ann, logo, report): (Address, &[u8], &[u8]) = ("ann@example.com".parse()?, b"PNG", b"PDF");
/// let email = Email::new(ann.clone(), ann)
///     .html("<img src=\"cid:logo\"> Your report is attached.")
///     .inline("logo", "image/png", logo.to_vec())
///     .attach("Bericht März.pdf", "application/pdf", report.to_vec());
/// let rendered = email.render(&Renderer::system())?;
/// assert!(rendered.raw().is_ascii());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The content id (for an inline part) or the file name (for an attachment).
    pub name: String,
    /// The media type, for example `image/png`.
    pub content_type: String,
    /// The content.
    #[serde(with = "base64_bytes")]
    pub content: Bytes,
}

/// Further headers, in the order they were first set.
///
/// Names the renderer writes itself (`From`, `Subject`, `Content-…` and the like) are refused when rendering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(Vec<(String, String)>);

/// Who hears about a mail that could not be delivered. A backend without
/// [`envelope_from`](crate::Capabilities::envelope_from) refuses both, rather than let bounces go elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvelopeFrom {
    /// This address.
    Address(Address),
    /// Nobody: the null sender of bounces and automatic answers.
    Null,
}

/// How a reader can stop mails of this sort: by a link, by a mail, or by either; naming neither is refused.
///
/// The link must act on a bare POST without a login or a question (RFC 8058), since mail programs send it in the
/// reader's name; a GET of it must not act, since scanners open links.
///
/// ```
/// # use mailer::{Address, Email, Renderer, Unsubscribe};
/// # fn main() -> Result<(), mailer::Error> {
/// # let ann: Address = "ann@example.com".parse()?;
/// let link = "https://vault.example.org/stop?t=abc".to_owned();
/// let email = Email::new(ann.clone(), ann)
///     .unsubscribe(Unsubscribe { one_click: Some(link), mail: Some("stop@example.org".parse()?) });
/// let rendered = email.render(&Renderer::system())?;
/// assert!(String::from_utf8_lossy(rendered.raw()).contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribe {
    /// An `https` address that unsubscribes by a single POST.
    #[serde(default)]
    pub one_click: Option<String>,
    /// An address to write to.
    #[serde(default)]
    pub mail: Option<Address>,
}

impl Email {
    /// A mail from one author to one reader, with nothing in it yet.
    pub fn new(from: impl Into<Mailbox>, to: impl Into<Mailbox>) -> Self {
        Self {
            from: from.into(),
            co_authors: Vec::new(),
            sender: None,
            to: vec![to.into()],
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
            subject: String::new(),
            text: None,
            html: None,
            inline: Vec::new(),
            attachments: Vec::new(),
            headers: Headers::default(),
            unsubscribe: None,
            envelope_from: None,
            kind: None,
            key: None,
            not_after: None,
        }
    }

    /// Turns it into bytes and an envelope, with a fresh Message-ID and the current date.
    ///
    /// Pure but for the renderer's clock and randomness: same clock, same randomness, same bytes. Nothing in
    /// the mail can make it panic or add a header; what mail cannot carry answers
    /// [`Invalid`](crate::ErrorKind::Invalid) and names the field. No other kind comes back.
    pub fn render(&self, renderer: &Renderer) -> Result<Outgoing, Error> {
        renderer.render(self)
    }

    /// Adds a further author.
    #[must_use]
    pub fn co_author(mut self, author: impl Into<Mailbox>) -> Self {
        self.co_authors.push(author.into());
        self
    }

    /// Sets who sends it for its authors.
    #[must_use]
    pub fn sender(mut self, sender: impl Into<Mailbox>) -> Self {
        self.sender = Some(sender.into());
        self
    }

    /// Adds a reader.
    #[must_use]
    pub fn to(mut self, reader: impl Into<Mailbox>) -> Self {
        self.to.push(reader.into());
        self
    }

    /// Adds a reader of a copy.
    #[must_use]
    pub fn cc(mut self, reader: impl Into<Mailbox>) -> Self {
        self.cc.push(reader.into());
        self
    }

    /// Adds a reader of a hidden copy.
    #[must_use]
    pub fn bcc(mut self, reader: impl Into<Mailbox>) -> Self {
        self.bcc.push(reader.into());
        self
    }

    /// Adds a place for answers.
    #[must_use]
    pub fn reply_to(mut self, reader: impl Into<Mailbox>) -> Self {
        self.reply_to.push(reader.into());
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Sets the plain text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the HTML.
    #[must_use]
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds a picture that the HTML shows as `cid:<content_id>`.
    #[must_use]
    pub fn inline(
        mut self,
        content_id: impl Into<String>,
        content_type: impl Into<String>,
        content: impl Into<Bytes>,
    ) -> Self {
        self.inline.push(Part::new(content_id, content_type, content));
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn attach(
        mut self,
        file_name: impl Into<String>,
        content_type: impl Into<String>,
        content: impl Into<Bytes>,
    ) -> Self {
        self.attachments.push(Part::new(file_name, content_type, content));
        self
    }

    /// Sets a further header; see [`Headers::set`].
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// Sets how the reader can stop such mails.
    #[must_use]
    pub fn unsubscribe(mut self, unsubscribe: Unsubscribe) -> Self {
        self.unsubscribe = Some(unsubscribe);
        self
    }

    /// Sets the envelope sender.
    #[must_use]
    pub fn envelope_from(mut self, sender: EnvelopeFrom) -> Self {
        self.envelope_from = Some(sender);
        self
    }

    /// Sets what sort of mail it is: at most 64 of `a-z`, `0-9`, `_`, `-` and `.`.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Sets the key under which only one mail should arrive.
    #[must_use]
    pub fn key(mut self, key: DedupeKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets when it is no longer worth sending.
    #[must_use]
    pub fn not_after(mut self, time: SystemTime) -> Self {
        self.not_after = Some(time);
        self
    }
}

impl Part {
    /// A part with this content id or file name.
    pub fn new(name: impl Into<String>, content_type: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self { name: name.into(), content_type: content_type.into(), content: content.into() }
    }
}

impl Headers {
    /// Sets a header. A header of the same name, in whatever case, is replaced.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some(header) => *header = (name, value),
            None => self.0.push((name, value)),
        }
    }

    /// The value of a header, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Email {
    /// Shows what helps to recognise the mail, and nothing of what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email")
            .field("kind", &self.kind)
            .field("from", &self.from.address)
            .field("to", &self.to.len())
            .field("cc", &self.cc.len())
            .field("bcc", &self.bcc.len())
            .field("text_bytes", &self.text.as_ref().map(String::len))
            .field("html_bytes", &self.html.as_ref().map(String::len))
            .field("inline", &self.inline)
            .field("attachments", &self.attachments)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("content_type", &self.content_type)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}
