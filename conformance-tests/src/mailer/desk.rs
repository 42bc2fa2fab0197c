//! What the cases share: a backend with its observer, and how a mail that arrived is compared and read.

use std::{collections::BTreeSet, sync::Arc};

use ::mailer::{
    Address, Backend, Capabilities, Context, Email, Envelope, Error, ErrorKind, Meta, Outcome, Outgoing,
    Receipt, Renderer,
};
use bytes::Bytes;
use mail_parser::{Message, MessageParser, MimeHeaders as _};

use super::{Delivered, Harness, Observer};
use crate::Absent;

/// A backend nobody else uses, and who sees what arrives.
pub(super) struct Desk {
    pub(super) backend: Arc<dyn Backend>,
    observer: Arc<dyn Observer>,
}

impl Desk {
    pub(super) async fn open(harness: &dyn Harness) -> Result<Self, Absent> {
        let setting = harness.open().await?;
        Ok(Self { backend: setting.backend, observer: setting.observer })
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    pub(super) async fn delivered(&self) -> Vec<Delivered> {
        self.observer.delivered().await
    }

    pub(super) async fn try_deliver(&self, mail: &Outgoing) -> Result<Receipt, Error> {
        self.backend.deliver(mail, &Context::new()).await
    }

    /// Hands a mail over that must be taken.
    pub(super) async fn deliver(&self, mail: &Outgoing) -> Receipt {
        self.try_deliver(mail).await.unwrap_or_else(|error| panic!("{mail:?} was not taken: {error}"))
    }

    /// Renders and hands over a mail, which must arrive once, whole, and for its envelope.
    pub(super) async fn send(&self, email: &Email) -> Delivered {
        let mail = render(email);
        self.deliver(&mail).await;
        self.only(&mail).await
    }

    /// The only mail that has arrived, which must be this one.
    pub(super) async fn only(&self, mail: &Outgoing) -> Delivered {
        let mut delivered = self.delivered().await;
        assert_eq!(delivered.len(), 1, "one mail was handed over; this many arrived");
        let one = delivered.remove(0);
        self.assert_same(mail, &one);
        one
    }

    pub(super) fn assert_same(&self, mail: &Outgoing, delivered: &Delivered) {
        assert_eq!(delivered.to, mail.envelope().to(), "the recipients");
        if self.capabilities().envelope_from != ::mailer::Support::No {
            assert_eq!(delivered.from.as_ref(), mail.envelope().from(), "the envelope sender");
        }
        let (sent, arrived) = (self.comparable(mail.raw()), self.comparable(&delivered.raw));
        if sent != arrived {
            let common = sent.iter().zip(&arrived).take_while(|(a, b)| a == b).count();
            let around = |bytes: &[u8]| {
                let end = bytes.len().min(common + 40);
                bytes[common.saturating_sub(40).min(end)..end].escape_ascii().to_string()
            };
            panic!(
                "the bytes differ from byte {common} on; handed over {}: {}; arrived {}: {}",
                sent.len(),
                around(&sent),
                arrived.len(),
                around(&arrived)
            );
        }
    }

    /// The bytes without the two headers that a backend may declare to replace.
    pub(super) fn comparable(&self, raw: &[u8]) -> Vec<u8> {
        if self.capabilities().keeps_message_id {
            return raw.to_vec();
        }
        let end = raw.windows(4).position(|at| at == b"\r\n\r\n").map_or(raw.len(), |at| at + 2);
        let mut replaced = false;
        let mut kept = Vec::with_capacity(raw.len());
        for line in raw[..end].split_inclusive(|&b| b == b'\n') {
            if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                let line = line.to_ascii_lowercase();
                replaced = line.starts_with(b"message-id:") || line.starts_with(b"date:");
            }
            if !replaced {
                kept.extend_from_slice(line);
            }
        }
        kept.extend_from_slice(&raw[end..]);
        kept
    }

    /// Hands over a mail that must be refused with this kind, surely not sent, and must not arrive.
    pub(super) async fn assert_refused(&self, mail: &Outgoing, kind: ErrorKind) {
        let error = self.try_deliver(mail).await.expect_err("the mail was taken");
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
        assert_eq!(self.delivered().await, [], "a refused mail arrived");
    }
}

pub(super) fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{text:?} is an address: {error}"))
}

/// A mail with nothing in it, from the author of all mails of the suite to one reader.
pub(super) fn email() -> Email {
    email_to("ann@example.com")
}

pub(super) fn email_to(reader: &str) -> Email {
    Email::new(address("vault@example.org"), address(reader))
}

pub(super) fn render(email: &Email) -> Outgoing {
    email.render(&Renderer::system()).unwrap_or_else(|error| panic!("{email:?} can be rendered: {error}"))
}

/// The bytes of a small mail for this envelope, whatever its headers say.
pub(super) fn enveloped(from: Option<Address>, to: impl IntoIterator<Item = Address>) -> Outgoing {
    render(&email().text("hello")).with_envelope(Envelope::new(from, to).expect("there is a recipient"))
}

/// A mail with these bytes as its body.
pub(super) fn with_body(body: impl AsRef<[u8]>) -> Outgoing {
    let mail = render(&email());
    let mut raw = mail.raw().to_vec();
    raw.truncate(raw.len() - 2);
    raw.extend_from_slice(body.as_ref());
    Outgoing::new(mail.envelope().clone(), Bytes::from(raw), Meta::default()).expect("the body is sound")
}

/// That many different readers.
pub(super) fn readers(count: usize) -> Vec<Address> {
    (0..count).map(|n| address(&format!("reader{n}@example.com"))).collect()
}

/// What an independent parser makes of a mail.
pub(super) fn parse(delivered: &Delivered) -> Message<'_> {
    MessageParser::default().parse(&delivered.raw[..]).expect("what arrived is a mail")
}

/// The content of the first part of this type.
pub(super) fn part(message: &Message<'_>, content_type: &str) -> Option<Vec<u8>> {
    let part = message.parts.iter().find(|part| {
        part.content_type().is_some_and(|of| {
            format!("{}/{}", of.ctype(), of.subtype().unwrap_or_default()).eq_ignore_ascii_case(content_type)
        })
    })?;
    Some(part.contents().to_vec())
}

/// The first part of this type as text with LF.
pub(super) fn text(message: &Message<'_>, content_type: &str) -> String {
    let content = part(message, content_type).unwrap_or_else(|| panic!("there is no {content_type}"));
    String::from_utf8(content).expect("text is UTF-8").replace("\r\n", "\n")
}

/// The names of all headers of the mail itself, in lower case, sorted, repeated ones once.
pub(super) fn header_names(message: &Message<'_>) -> BTreeSet<String> {
    message.headers().iter().map(|header| header.name().to_ascii_lowercase()).collect()
}
