//! What a backend is given: an envelope and finished bytes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Address, Error, base64_bytes, wire};

/// A finished mail: immutable, cheap to clone, fit to be stored and sent again as it is.
///
/// What holds for every value, also for one that was stored and read back:
/// the bytes end in CRLF and contain no other CR or LF, no NUL and no line over 998 bytes; the header holds
/// exactly one `Message-ID` and one `Date`, and no `Bcc`; the envelope names at least one recipient, none twice.
/// A body may hold bytes over 127 if somebody else rendered it; what [`Email::render`](crate::Email::render)
/// makes is ASCII, but for addresses whose local part is not ([`needs_utf8`](Self::needs_utf8)).
/// Lines that begin with a dot are *not* doubled; that belongs to SMTP.
///
/// It is stored by serde, bytes in base64. Reading it back runs every check again, so a table that somebody has
/// written to can make a mail unreadable, but not dangerous:
///
/// ```
/// # use mailer::{Address, Email, Outgoing, Renderer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ann: Address = "ann@example.com".parse()?;
/// let mail = Email::new(ann.clone(), ann).subject("Hello").text("123").render(&Renderer::system())?;
/// let stored = serde_json::to_string(&mail)?;
/// let same: Outgoing = serde_json::from_str(&stored)?;
/// assert_eq!(same, mail);
/// let forged = stored.replace("ann@example.com", "ann@example.com\\r\\nRCPT TO:<eve@example.com>");
/// assert!(serde_json::from_str::<Outgoing>(&forged).is_err());
/// # Ok(())
/// # }
/// ```
///
/// It holds the mail in clear, with its codes and links: whoever can read the table can read the mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Outgoing {
    envelope: Arc<Envelope>,
    raw: Bytes,
    message_id: MessageId,
    meta: Arc<Meta>,
}

/// Whom the provider is told about, whatever the headers say. Readers never see it; a hidden copy is a recipient that
/// is here and in no header.
///
/// ```
/// # use mailer::{Address, Envelope};
/// # fn main() -> Result<(), mailer::Error> {
/// let (ann, bob): (Address, Address) = ("ann@example.com".parse()?, "bob@example.com".parse()?);
/// let envelope = Envelope::new(None, [bob.clone(), ann.clone(), bob.clone()])?;
/// assert_eq!(envelope.to(), [bob, ann]);
/// assert!(envelope.from().is_none(), "the null sender: nobody hears about failures");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredEnvelope")]
pub struct Envelope {
    from: Option<Address>,
    to: Vec<Address>,
}

/// What is known about a mail beside its bytes. Holds nothing of what the mail says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Meta {
    /// What sort of mail it is.
    #[serde(default)]
    pub kind: Option<Cow<'static, str>>,
    /// Equal for two mails of which only one should arrive.
    #[serde(default)]
    pub key: Option<DedupeKey>,
    /// When it is no longer worth sending.
    #[serde(default)]
    pub not_after: Option<SystemTime>,
}

/// A message id without its angle brackets: `left@right`, 3 to 900 printable ASCII characters.
///
/// It names one rendering of a mail, for good. Two copies with the same id are the same mail, and most mail programs
/// show one of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(Arc<str>);

/// A name under which only one mail should arrive: 1 to 255 printable ASCII characters.
///
/// It names the occasion of a mail, such as `invite-7f3a`, and is never random: that would be new for each
/// attempt. Backends that declare [`dedupe`](crate::Capabilities::dedupe) hand it to the provider; others
/// ignore it. For how long a provider remembers keys, each adapter says itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DedupeKey(String);

impl Outgoing {
    /// Takes bytes somebody else rendered.
    ///
    /// Answers [`Invalid`](crate::ErrorKind::Invalid), naming what is wrong, unless all that is promised for
    /// this type holds.
    pub fn new(envelope: Envelope, raw: impl Into<Bytes>, meta: Meta) -> Result<Self, Error> {
        let raw = raw.into();
        let message_id = wire::check(&raw)?;
        check_kind(meta.kind.as_deref())?;
        Ok(Self { envelope: Arc::new(envelope), raw, message_id, meta: Arc::new(meta) })
    }

    /// Sender and recipients as the provider is told.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Header and body.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The id in the header.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// What is known beside the bytes.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// True if the provider must support `SMTPUTF8`.
    pub fn needs_utf8(&self) -> bool {
        self.envelope.from.iter().chain(&self.envelope.to).any(Address::needs_utf8)
    }

    /// True if the envelope sender also stands in the `From` header, so that a provider that knows no other
    /// sender does the same thing.
    pub fn is_from_author(&self) -> bool {
        self.envelope.from.as_ref().is_some_and(|from| wire::author_is(&self.raw, from.as_str()))
    }

    /// The same bytes for other recipients, as a layer that redirects mail needs. The headers still name the old ones,
    /// and the message id stays: to its readers it is the same mail.
    #[must_use]
    pub fn with_envelope(&self, envelope: Envelope) -> Self {
        Self { envelope: Arc::new(envelope), ..self.clone() }
    }
}

impl Envelope {
    /// An envelope. `None` as sender is the null sender.
    ///
    /// The order of recipients is kept; one that is named twice is kept once. No recipient at all answers
    /// [`Invalid`](crate::ErrorKind::Invalid).
    pub fn new(from: Option<Address>, to: impl IntoIterator<Item = Address>) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        let to: Vec<Address> = to.into_iter().filter(|address| seen.insert(address.clone())).collect();
        if to.is_empty() {
            return Err(Error::invalid("to", "no recipient"));
        }
        Ok(Self { from, to })
    }

    /// Who hears about failures; `None` is the null sender.
    pub fn from(&self) -> Option<&Address> {
        self.from.as_ref()
    }

    /// Who gets the mail.
    pub fn to(&self) -> &[Address] {
        &self.to
    }
}

impl MessageId {
    /// Parses an id, with or without its angle brackets.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
        let allowed = |b: u8| b.is_ascii_graphic() && b != b'<' && b != b'>';
        let fits = (3..=900).contains(&inner.len()) && inner.bytes().all(allowed);
        match inner.split_once('@') {
            Some((left, right)) if fits && !left.is_empty() && !right.is_empty() => Ok(Self(inner.into())),
            _ => Err(Error::invalid("message id", "is not of the form left@right")),
        }
    }

    /// The id without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DedupeKey {
    /// Checks and takes a key.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        let key = key.into();
        if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(Self(key));
        }
        Err(Error::invalid("dedupe key", "is not 1 to 255 printable ASCII characters"))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an [`Outgoing`] is written down; reading it back runs all checks again.
#[derive(Serialize, Deserialize)]
struct Stored {
    envelope: Envelope,
    #[serde(with = "base64_bytes")]
    raw: Bytes,
    #[serde(default)]
    meta: Meta,
}

#[derive(Deserialize)]
struct StoredEnvelope {
    from: Option<Address>,
    to: Vec<Address>,
}

fn check_kind(kind: Option<&str>) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    match kind {
        Some(kind) if !(1..=64).contains(&kind.len()) || !kind.bytes().all(allowed) => {
            Err(Error::invalid("kind", "is not 1 to 64 of a-z, 0-9, _, - and ."))
        }
        _ => Ok(()),
    }
}

impl From<Outgoing> for Stored {
    fn from(mail: Outgoing) -> Self {
        Self {
            envelope: Arc::unwrap_or_clone(mail.envelope),
            raw: mail.raw,
            meta: Arc::unwrap_or_clone(mail.meta),
        }
    }
}

impl TryFrom<Stored> for Outgoing {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self, Error> {
        Self::new(stored.envelope, stored.raw, stored.meta)
    }
}

impl TryFrom<StoredEnvelope> for Envelope {
    type Error = Error;

    fn try_from(stored: StoredEnvelope) -> Result<Self, Error> {
        Self::new(stored.from, stored.to)
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("message_id", &self.message_id)
            .field("envelope", &self.envelope)
            .field("bytes", &self.raw.len())
            .field("meta", &self.meta)
            .finish()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", self.0)
    }
}

impl TryFrom<String> for MessageId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.as_str().to_owned()
    }
}

impl TryFrom<String> for DedupeKey {
    type Error = Error;

    fn try_from(key: String) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl From<DedupeKey> for String {
    fn from(key: DedupeKey) -> Self {
        key.0
    }
}
