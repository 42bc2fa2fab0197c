//! From [`Email`] to [`Outgoing`]: checks first, then lettre's MIME encoder, then the checks on the bytes.

use std::time::{Duration, SystemTime};

use lettre::message::header::{self, ContentTransferEncoding, ContentType, HeaderName, HeaderValue, Headers};
use lettre::message::{Attachment, Body, Mailboxes, MessageBuilder, MultiPart, SinglePart};

use crate::address::domain_to_ascii;
use crate::{
    Address, Clock, Email, Entropy, Envelope, EnvelopeFrom, Error, Mailbox, Meta, Outgoing, Part,
    Unsubscribe, check, encoded_word,
};

/// Turns mails into bytes.
///
/// With the same clock and randomness the same mail has the same bytes, as tests need it:
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// # use mailer::{Address, Clock, Email, Entropy, Renderer};
/// # fn main() -> Result<(), mailer::Error> {
/// let renderer = Renderer::new(Clock::new(|| SystemTime::UNIX_EPOCH), Entropy::new(|| [0xAB; 16]));
/// let ann: Address = "ann@example.com".parse()?;
/// let mail = Email::new(ann.clone(), ann).text("hello").render(&renderer)?;
/// assert_eq!(mail.message_id().as_str(), "abababababababababababababababab@example.com");
/// # Ok(())
/// # }
/// ```
///
/// Holds everything a rendering takes beside the mail: a clock for the `Date`, randomness for the `Message-ID`
/// and the boundaries, and the domain message ids end in.
#[derive(Clone, Debug)]
pub struct Renderer {
    clock: Clock,
    entropy: Entropy,
    id_domain: Option<String>,
}

impl Renderer {
    /// A renderer with this clock and randomness. Message ids end in the author's domain.
    pub fn new(clock: Clock, entropy: Entropy) -> Self {
        Self { clock, entropy, id_domain: None }
    }

    /// A renderer with the computer's clock and randomness.
    pub fn system() -> Self {
        Self::new(Clock::system(), Entropy::system())
    }

    /// Lets message ids end in this domain; what is no domain answers [`Invalid`](crate::ErrorKind::Invalid).
    pub fn with_id_domain(mut self, domain: &str) -> Result<Self, Error> {
        let domain =
            domain_to_ascii(domain).ok_or_else(|| Error::invalid("message id domain", "is not a domain"))?;
        self.id_domain = Some(domain);
        Ok(self)
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The randomness.
    pub fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    /// See [`Email::render`].
    pub(crate) fn render(&self, email: &Email) -> Result<Outgoing, Error> {
        check::email(email)?;
        let envelope = envelope(email)?;
        let builder = self.headers(email)?;
        let message = match self.body(email)? {
            Content::Single(part) => builder.singlepart(part),
            Content::Multi(part) => builder.multipart(part),
        };
        let mut message = message.map_err(|error| Error::invalid("mail", error.to_string()))?;
        let authors: Vec<_> = [&email.from].into_iter().chain(&email.co_authors).collect();
        message.headers_mut().insert_raw(address_list(HeaderName::new_from_ascii_str("From"), authors));
        let meta = Meta { kind: email.kind.clone(), key: email.key.clone(), not_after: email.not_after };
        Outgoing::new(envelope, message.formatted(), meta)
    }

    fn headers(&self, email: &Email) -> Result<MessageBuilder, Error> {
        // lettre reads sender and author back from the header's text, by a grammar narrower than ours. It is
        // given these, of which only the place among the headers remains.
        let stand_in = lettre::Address::new_dangerous("author", "localhost");
        let envelope = lettre::address::Envelope::new(None, vec![stand_in.clone()])
            .map_err(|error| Error::invalid("mail", error.to_string()))?;
        let mut builder = lettre::Message::builder()
            .envelope(envelope)
            .date(self.date()?)
            .message_id(Some(self.message_id(&email.from.address)))
            .from(stand_in.into());
        if let Some(sender) = sender(email) {
            builder = builder.raw_header(address_list(HeaderName::new_from_ascii_str("Sender"), [sender]));
        }
        for (name, boxes) in [("To", &email.to), ("Cc", &email.cc), ("Reply-To", &email.reply_to)] {
            if !boxes.is_empty() {
                builder = builder.raw_header(address_list(HeaderName::new_from_ascii_str(name), boxes));
            }
        }
        builder = builder.raw_header(text_header(HeaderName::new_from_ascii_str("Subject"), &email.subject));
        for (name, value) in email.headers.iter() {
            let name = HeaderName::new_from_ascii(name.to_owned())
                .map_err(|_| Error::invalid("header name", "is not a header name"))?;
            builder = builder.raw_header(text_header(name, value));
        }
        Ok(match &email.unsubscribe {
            Some(unsubscribe) => with_unsubscribe(builder, unsubscribe),
            None => builder,
        })
    }

    /// The clock's time, if a `Date` header can say it: lettre panics on the others.
    fn date(&self) -> Result<SystemTime, Error> {
        const YEAR_10000: Duration = Duration::from_hours(70_389_528);
        let now = self.clock.now();
        match now.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) if since < YEAR_10000 => Ok(now),
            _ => Err(Error::invalid("date", "the clock is not between the years 1970 and 9999")),
        }
    }

    fn message_id(&self, author: &Address) -> String {
        let domain = self.id_domain.as_deref().unwrap_or_else(|| author.domain());
        format!("<{}@{domain}>", self.token())
    }

    fn token(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.entropy.next()))
    }

    /// `mixed(related(alternative(text, html), inline…), attachments…)`, without the layers nobody needs.
    fn body(&self, email: &Email) -> Result<Content, Error> {
        let mut content = match (&email.text, &email.html) {
            (Some(text), Some(html)) => Content::Multi(
                self.multi(MultiPart::alternative())
                    .singlepart(text_part(ContentType::TEXT_PLAIN, text))
                    .singlepart(text_part(ContentType::TEXT_HTML, html)),
            ),
            (None, Some(html)) => Content::Single(text_part(ContentType::TEXT_HTML, html)),
            (text, None) => {
                Content::Single(text_part(ContentType::TEXT_PLAIN, text.as_deref().unwrap_or_default()))
            }
        };
        if !email.inline.is_empty() {
            let mut related = content.inside(self.multi(MultiPart::related()));
            for part in &email.inline {
                related = related.singlepart(binary_part(Attachment::new_inline(part.name.clone()), part)?);
            }
            content = Content::Multi(related);
        }
        if !email.attachments.is_empty() {
            let mut mixed = content.inside(self.multi(MultiPart::mixed()));
            for part in &email.attachments {
                mixed = mixed.singlepart(binary_part(Attachment::new(part.name.clone()), part)?);
            }
            content = Content::Multi(mixed);
        }
        Ok(match content {
            Content::Single(part) => Content::Single(without_last_line_break(part)),
            content @ Content::Multi(_) => content,
        })
    }

    fn multi(&self, builder: lettre::message::MultiPartBuilder) -> MultiPart {
        // `=_` cannot stand in quoted-printable text, and no base64 line holds a `_`.
        builder.boundary(format!("=_{}", self.token())).build()
    }
}

enum Content {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Content {
    fn inside(self, outer: MultiPart) -> MultiPart {
        match self {
            Self::Single(part) => outer.singlepart(part),
            Self::Multi(part) => outer.multipart(part),
        }
    }
}

fn envelope(email: &Email) -> Result<Envelope, Error> {
    let from = match &email.envelope_from {
        None => Some(email.sender.as_ref().unwrap_or(&email.from).address.clone()),
        Some(EnvelopeFrom::Address(address)) => Some(address.clone()),
        Some(EnvelopeFrom::Null) => None,
    };
    let readers = email.to.iter().chain(&email.cc).chain(&email.bcc);
    Envelope::new(from, readers.map(|mailbox| mailbox.address.clone()))
}

/// Who is named as sender: where there are several authors, readers must not have to guess (RFC 5322).
fn sender(email: &Email) -> Option<&Mailbox> {
    email.sender.as_ref().or_else(|| (!email.co_authors.is_empty()).then_some(&email.from))
}

fn text_part(content_type: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(content_type).body(check::with_crlf(text))
}

/// Always base64: lettre would otherwise send bytes that happen to be ASCII as they are, line breaks and all.
fn binary_part(attachment: Attachment, part: &Part) -> Result<SinglePart, Error> {
    let content_type = ContentType::parse(&part.content_type)
        .map_err(|_| Error::invalid("content type", "is not a media type"))?;
    let body = Body::new_with_encoding(part.content.to_vec(), ContentTransferEncoding::Base64)
        .map_err(|_| Error::invalid("content", "cannot be encoded"))?;
    Ok(attachment.body(body, content_type))
}

/// lettre ends the last part with a line break of its own, so a text that ends in one would gain an empty line.
fn without_last_line_break(part: SinglePart) -> SinglePart {
    let encoding = part.headers().get::<ContentTransferEncoding>();
    match (encoding, part.raw_body().strip_suffix(b"\r\n")) {
        (Some(encoding), Some(body)) => {
            let body = Body::dangerous_pre_encoded(body.to_vec(), encoding);
            let content_type = part.headers().get::<ContentType>().unwrap_or(ContentType::TEXT_PLAIN);
            SinglePart::builder().header(content_type).body(body)
        }
        _ => part,
    }
}

/// `List-Unsubscribe` and, with a link, the header that lets mail programs use it by one click (RFC 8058).
fn with_unsubscribe(builder: MessageBuilder, unsubscribe: &Unsubscribe) -> MessageBuilder {
    let mail = unsubscribe.mail.as_ref().map(|address| format!("<mailto:{address}>"));
    let link = unsubscribe.one_click.as_ref().map(|link| format!("<{link}>"));
    let ways: Vec<String> = mail.into_iter().chain(link).collect();
    let value = ways.join(",\r\n ");
    let name = HeaderName::new_from_ascii_str("List-Unsubscribe");
    // Folded by hand: the ways are checked to be printable ASCII, and encoded words would break them.
    let builder = builder.raw_header(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
    if unsubscribe.one_click.is_none() {
        return builder;
    }
    let name = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");
    builder.raw_header(HeaderValue::new(name, "List-Unsubscribe=One-Click".to_owned()))
}

/// A header of free text.
fn text_header(name: HeaderName, text: &str) -> HeaderValue {
    if encoded_word::is_ambiguous(text) {
        return HeaderValue::dangerous_new_pre_encoded(name, text.to_owned(), encoded_word::encode(text));
    }
    HeaderValue::new(name, text.to_owned())
}

/// One address a line: lettre does not fold lists of addresses that have no names, and a line has its limit.
fn address_list<'a>(name: HeaderName, boxes: impl IntoIterator<Item = &'a Mailbox>) -> HeaderValue {
    let encoded = |one: &Mailbox| {
        if let Some(name) = one.name.as_deref().map(str::trim).filter(|name| encoded_word::is_ambiguous(name))
        {
            return format!("{}\r\n <{}>", encoded_word::encode(name), one.address);
        }
        let mut headers = Headers::new();
        headers.set(header::To::from(Mailboxes::from(mailbox(one))));
        headers.to_string().trim_start_matches("To:").trim().to_owned()
    };
    let value = boxes.into_iter().map(encoded).collect::<Vec<_>>().join(",\r\n ");
    HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
}

fn mailbox(mailbox: &Mailbox) -> lettre::message::Mailbox {
    let name = mailbox.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    lettre::message::Mailbox::new(name.map(str::to_owned), address(&mailbox.address))
}

/// lettre's grammar is narrower than ours in places; ours has already been applied.
fn address(address: &Address) -> lettre::Address {
    lettre::Address::new_dangerous(address.local(), address.domain())
}

#[cfg(test)]
mod tests;
