//! What a backend can do.

use crate::{Error, ErrorKind, Outgoing, Refused};

/// What a backend can do. What it declares holds in full; what it does not declare it refuses with
/// [`Unsupported`](ErrorKind::Unsupported), before any I/O. Nothing is emulated.
///
/// ```
/// # use mailer::{Capabilities, Support};
/// let mut smtp = Capabilities::default();
/// smtp.max_recipients = Some(100);
/// smtp.envelope_from = Support::Yes;
/// let mut ses = Capabilities::default();
/// ses.max_recipients = Some(50);
/// // Whoever may be sent by either can rely on what both can do.
/// let either = smtp.meet(&ses);
/// assert_eq!((either.max_recipients, either.envelope_from), (Some(50), Support::No));
/// ```
///
/// Starts as the least any backend offers; a backend raises what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent promise, kept or not made")]
pub struct Capabilities {
    /// Largest message in bytes; `None` if there is no limit that is known beforehand.
    pub max_bytes: Option<u64>,
    /// Most recipients of one mail; `None` if there is no limit that is known beforehand.
    pub max_recipients: Option<usize>,
    /// Addresses whose local part is not ASCII.
    pub utf8_local: Support,
    /// An envelope sender that is not the author, the null sender included.
    pub envelope_from: Support,
    /// Mail for several recipients can be taken for some of them; the receipt names the others.
    pub partial: bool,
    /// The receipt carries the provider's own id.
    pub provider_id: bool,
    /// The provider itself drops a second mail with the same [`DedupeKey`](crate::DedupeKey).
    pub dedupe: bool,
    /// The message id that readers see is ours, and the message arrives byte for byte. A provider without it
    /// may replace the `Message-ID` and `Date` headers, and nothing else.
    pub keeps_message_id: bool,
    /// A mail that was taken survives the end of this process and of this computer's power.
    pub durable: bool,
}

/// Whether something is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Support {
    /// Never.
    No,
    /// It depends on the server, which says so when connected to.
    Negotiated,
    /// Always.
    Yes,
}

impl Capabilities {
    /// Refuses a mail that needs what is not declared here. Every backend calls it before its first I/O.
    ///
    /// Answers [`TooLarge`](ErrorKind::TooLarge) or [`Unsupported`](ErrorKind::Unsupported), surely not sent.
    /// A mail whose envelope sender stands in none of its headers counts as having one of its own. Where local parts are
    /// why, [`Error::refused`] names the recipients who have them, and nobody has been asked about the others.
    pub fn admit(&self, mail: &Outgoing) -> Result<(), Error> {
        let bytes = mail.raw().len();
        if self.max_bytes.is_some_and(|max| bytes as u64 > max) {
            return Err(Error::new(ErrorKind::TooLarge, format!("{bytes} bytes")));
        }
        let recipients = mail.envelope().to().len();
        if self.max_recipients.is_some_and(|max| recipients > max) {
            return Err(Error::new(ErrorKind::Unsupported, format!("{recipients} recipients in one mail")));
        }
        if self.utf8_local == Support::No && mail.needs_utf8() {
            let named = mail.envelope().to().iter().filter(|address| address.needs_utf8()).cloned();
            let named = named.map(|address| Refused { address, permanent: true, reply: None }).collect();
            let why = "an address with a local part that is not ASCII";
            return Err(Error::new(ErrorKind::Unsupported, why).with_refused(named));
        }
        if self.envelope_from == Support::No && !mail.is_from_author() {
            return Err(Error::new(ErrorKind::Unsupported, "an envelope sender that is not the author"));
        }
        Ok(())
    }

    /// What two backends have in common, as a combination of both must declare.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            max_bytes: least(self.max_bytes, other.max_bytes),
            max_recipients: self.max_recipients.into_iter().chain(other.max_recipients).min(),
            utf8_local: self.utf8_local.min(other.utf8_local),
            envelope_from: self.envelope_from.min(other.envelope_from),
            partial: self.partial && other.partial,
            provider_id: self.provider_id && other.provider_id,
            dedupe: self.dedupe && other.dedupe,
            keeps_message_id: self.keeps_message_id && other.keeps_message_id,
            durable: self.durable && other.durable,
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            max_bytes: None,
            max_recipients: None,
            utf8_local: Support::No,
            envelope_from: Support::No,
            partial: false,
            provider_id: false,
            dedupe: false,
            keeps_message_id: false,
            durable: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Email, Renderer};

    #[test]
    fn recipients_that_cannot_be_written_to_are_named() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let email = Email::new(address("vault@example.org"), address("ann@example.com"));
        let mixed = email.to(address("jürgen@example.com")).cc(address("名前@例え.example"));
        let error = Capabilities::default().admit(&mixed.render(&Renderer::system()).unwrap()).unwrap_err();
        let named: Vec<_> = error.refused().iter().map(|one| one.address.local()).collect();
        assert_eq!((error.kind(), named), (ErrorKind::Unsupported, vec!["jürgen", "名前"]));
    }
}
