//! Any transport of lettre as a backend, and lettre's messages as mails. Needs the feature `lettre`.
//!
//! For a program that moves from lettre in two steps: first its transport stays and stands behind a
//! [`Mailer`](crate::Mailer), with layers and an outbox in front of it; then the transport goes, too.
//!
//! ```
//! # use lettre::{AsyncSmtpTransport, Tokio1Executor};
//! # use mailer::{Mailer, Renderer, lettre::Bridge};
//! # fn example(transport: AsyncSmtpTransport<Tokio1Executor>) -> Mailer {
//! Mailer::new(Bridge::smtp(transport), Renderer::system())
//! # }
//! ```
//!
//! A message that lettre built goes out as it is, if it has a `Message-ID`:
//!
//! ```
//! # use mailer::{Mailer, Outgoing};
//! # async fn example(mailer: &Mailer) -> Result<(), Box<dyn std::error::Error>> {
//! let message = lettre::Message::builder()
//!     .from("Vault <vault@example.org>".parse()?)
//!     .to("ann@example.com".parse()?)
//!     .message_id(None)
//!     .body("hello".to_owned())?;
//! mailer.deliver(&Outgoing::try_from(message)?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a bridge does not add
//!
//! It checks what can be checked before the transport is asked: the deadline and the capabilities. Behind that it is
//! lettre, and keeps what lettre's documentation says, which is less than [`Backend`] asks for: a deadline that passes
//! while a mail is under way is not noticed, one refused recipient refuses the mail for all, and an error does not say
//! which command it answers. What lettre leaves open is [`Outcome::Unknown`] here, so that nothing is sent twice.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::lettre::transport::{smtp, stub};
use ::lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, transport::stub::AsyncStubTransport,
};
use async_trait::async_trait;

use crate::{
    Address, Backend, Capabilities, Context, Disposition, Envelope, Error, ErrorKind, Meta, Outcome,
    Outgoing, Receipt, Reply, Scope, Stage, Support,
};

/// A transport of lettre as a backend.
///
/// | Made by | Capabilities | The mail may have gone out |
/// |---|---|---|
/// | [`smtp`](Self::smtp) | what a server negotiates | after every error but a reply, a failed connection and a failed handshake |
/// | [`stub`](Self::stub) | everything a stub can be said to do | never: a stub that fails was told to |
/// | [`new`](Self::new) | the least, until said otherwise | whatever your function says |
///
/// [`close`](Backend::close) shuts the transport down. [`check`](Backend::check) asks nothing: lettre's transports have
/// no common way to.
pub struct Bridge<T: AsyncTransport> {
    transport: T,
    via: Arc<str>,
    capabilities: Capabilities,
    judge: Box<Judge<T>>,
    /// Whether the transport ends a mail with a line break of its own.
    ends_lines: bool,
    closed: AtomicBool,
}

/// What a transport answered, in the words of this crate. `Ok` holds the provider's own id, if the answer has one.
type Judge<T> = dyn Fn(Answer<T>) -> Result<Option<String>, Error> + Send + Sync;

type Answer<T> = Result<<T as AsyncTransport>::Ok, <T as AsyncTransport>::Error>;

impl<T> Bridge<T>
where
    T: AsyncTransport + Send + Sync + 'static,
{
    /// Any transport, with the name that receipts carry and a function that translates its answers.
    ///
    /// The function claims [`Outcome::NotApplied`] only where the transport's error proves it. With `Ok` it may name
    /// the provider's id, and then [`provider_id`](Capabilities::provider_id) should be declared.
    ///
    /// ```
    /// # use lettre::transport::stub::AsyncStubTransport;
    /// # use mailer::{Error, ErrorKind, lettre::Bridge};
    /// # let transport = AsyncStubTransport::new_ok();
    /// // Nothing is known about its errors, so each leaves open whether the mail went out.
    /// let failed = |_| Error::new(ErrorKind::Other, "the transport failed");
    /// let bridge = Bridge::new(transport, "ours", move |answer| answer.map(|()| None).map_err(failed));
    /// ```
    pub fn new(
        transport: T,
        via: impl Into<Arc<str>>,
        judge: impl Fn(Answer<T>) -> Result<Option<String>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            transport,
            via: via.into(),
            capabilities: Capabilities::default(),
            judge: Box::new(judge),
            ends_lines: false,
            closed: AtomicBool::new(false),
        }
    }

    /// Declares what the transport can do.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    fn admit(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        Ok(())
    }
}

impl Bridge<AsyncSmtpTransport<Tokio1Executor>> {
    /// lettre's SMTP client.
    ///
    /// A reply of the server is a clear no: [`Auth`](ErrorKind::Auth), [`TooLarge`](ErrorKind::TooLarge),
    /// [`Unavailable`](ErrorKind::Unavailable) for 421, else [`Refused`](ErrorKind::Refused). Because nobody says which
    /// command it answers, no recipient is blamed and the stage stays [`Prepare`](Stage::Prepare).
    pub fn smtp(transport: AsyncSmtpTransport<Tokio1Executor>) -> Self {
        let capabilities = Capabilities {
            envelope_from: Support::Yes,
            utf8_local: Support::Negotiated,
            keeps_message_id: true,
            ..Capabilities::default()
        };
        // The reply to the message is free text; where an id stands in it differs from server to server.
        let judge = |answer: Result<_, _>| answer.map(|_| None).map_err(|error| smtp_error(&error));
        let bridge = Self::new(transport, "lettre smtp", judge).with_capabilities(capabilities);
        Self { ends_lines: true, ..bridge }
    }
}

impl Bridge<AsyncStubTransport> {
    /// lettre's stub for tests.
    pub fn stub(transport: AsyncStubTransport) -> Self {
        let capabilities = Capabilities {
            envelope_from: Support::Yes,
            utf8_local: Support::Yes,
            keeps_message_id: true,
            ..Capabilities::default()
        };
        let judge = |answer: Result<(), stub::Error>| {
            let failed = |_| Error::new(ErrorKind::Other, "the stub fails").with_outcome(Outcome::NotApplied);
            answer.map(|()| None).map_err(failed)
        };
        Self::new(transport, "lettre stub", judge).with_capabilities(capabilities)
    }
}

#[async_trait]
impl<T> Backend for Bridge<T>
where
    T: AsyncTransport + Send + Sync + 'static,
    T::Ok: Send,
    T::Error: Send,
{
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        self.admit()?;
        cx.admit()?;
        self.capabilities.admit(mail)?;
        let envelope = lettre_envelope(mail.envelope())?;
        // Left there, the last line break would be followed by another, and the mail would end in an empty line.
        let raw = if self.ends_lines { &mail.raw()[..mail.raw().len() - 2] } else { mail.raw() };
        let answer = self.transport.send_raw(&envelope, raw).await;
        let mut receipt =
            Receipt::new(mail.message_id().clone(), Arc::clone(&self.via)).with_attempts(cx.attempt);
        receipt.provider_id = (self.judge)(answer)?;
        Ok(receipt)
    }

    async fn check(&self) -> Result<(), Error> {
        self.admit()
    }

    async fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.transport.shutdown().await;
        }
    }
}

impl<T: AsyncTransport> fmt::Debug for Bridge<T> {
    /// Shows no transport: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("via", &self.via).finish_non_exhaustive()
    }
}

/// A message that lettre built, with the envelope that it made of it. A last line without an end is ended, as SMTP would.
///
/// Answers [`Invalid`](ErrorKind::Invalid) for a message without a `Message-ID`, which lettre adds only if asked to, for
/// one that kept its `Bcc`, and for whatever else [`Outgoing`] does not hold.
impl TryFrom<Message> for Outgoing {
    type Error = Error;

    fn try_from(message: Message) -> Result<Self, Error> {
        let address = |address: &::lettre::Address| Address::parse(address.as_ref());
        let from = message.envelope().from().map(address).transpose()?;
        let to = message.envelope().to().iter().map(address).collect::<Result<Vec<_>, _>>()?;
        let mut raw = message.formatted();
        if !raw.ends_with(b"\r\n") {
            raw.extend_from_slice(b"\r\n");
        }
        Self::new(Envelope::new(from, to)?, raw, Meta::default())
    }
}

/// lettre's grammar is narrower than ours in places; ours has already been applied.
fn lettre_envelope(envelope: &Envelope) -> Result<::lettre::address::Envelope, Error> {
    let address = |address: &Address| ::lettre::Address::new_dangerous(address.local(), address.domain());
    let to = envelope.to().iter().map(address).collect();
    ::lettre::address::Envelope::new(envelope.from().map(address), to)
        .map_err(|_| Error::invalid("to", "no recipient"))
}

fn smtp_error(error: &smtp::Error) -> Error {
    if let Some(code) = error.status() {
        return refused(code.into(), &source_text(error));
    }
    // Its kinds for these have no predicate, or one that depends on how lettre was built, so its text is read. Should
    // the text change one day, errors become less sure, and nothing worse.
    let text = error.to_string();
    let (never_reached, never_private) =
        (text.starts_with("Connection error"), text.starts_with("tls error"));
    let timed_out = error.is_timeout();
    match () {
        () if never_private => Error::new(ErrorKind::Tls, "no handshake").at(Stage::Tls),
        () if never_reached => {
            let kind = if timed_out { ErrorKind::Timeout } else { ErrorKind::Unavailable };
            Error::new(kind, "no connection").with_outcome(Outcome::NotApplied).at(Stage::Connect)
        }
        () if error.is_transport_shutdown() => Error::new(ErrorKind::Closed, ""),
        () if timed_out => Error::new(ErrorKind::Timeout, ""),
        () if error.is_response() => Error::new(ErrorKind::Protocol, "no SMTP reply"),
        () if error.is_client() => client_error(&source_text(error)),
        () => Error::new(ErrorKind::Unavailable, "connection lost"),
    }
}

/// What the client itself refuses, which it does before it hands over anything.
fn client_error(text: &str) -> Error {
    let not_sent = |kind| Error::new(kind, text).with_outcome(Outcome::NotApplied);
    match text {
        _ if text.contains("does not support") => not_sent(ErrorKind::Unsupported).at(Stage::Envelope),
        _ if text.contains("STARTTLS") => not_sent(ErrorKind::Tls).at(Stage::Tls),
        _ if text.contains("mechanism") || text.contains("challenge") => {
            not_sent(ErrorKind::Auth).at(Stage::Auth)
        }
        _ => Error::new(ErrorKind::Other, "the SMTP client failed"),
    }
}

/// A reply that says no.
fn refused(code: u16, text: &str) -> Error {
    use Disposition::{Permanent, Transient};
    let (kind, scope) = match code {
        421 => (ErrorKind::Unavailable, Scope::Transport),
        454 | 530 | 534 | 535 | 538 => (ErrorKind::Auth, Scope::Transport),
        552 => (ErrorKind::TooLarge, Scope::Message),
        _ => (ErrorKind::Refused, Scope::Message),
    };
    let disposition = if code < 500 { Transient } else { Permanent };
    Error::new(kind, "")
        .with_scope(scope)
        .with_disposition(disposition)
        .with_outcome(Outcome::NotApplied)
        .with_reply(reply(code, text))
}

fn reply(code: u16, text: &str) -> Reply {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_enhanced = first.split('.').count() == 3
        && first.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let enhanced = is_enhanced.then(|| first.to_owned());
    let clean = |line: &str| {
        let line = enhanced.as_deref().and_then(|code| line.strip_prefix(code)).unwrap_or(line);
        line.trim().replace(char::is_control, "")
    };
    Reply { code: code.to_string(), lines: text.lines().map(clean).collect(), enhanced }
}

fn source_text(error: &impl StdError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Email, Renderer};

    fn mail() -> Outgoing {
        let ann: Address = "ann@example.com".parse().unwrap();
        Email::new(ann.clone(), ann).text("hello").render(&Renderer::system()).unwrap()
    }

    #[tokio::test]
    async fn a_stub_is_given_envelope_and_bytes() {
        let (mail, stub) = (mail(), AsyncStubTransport::new_ok());
        let bridge = Bridge::stub(stub.clone());
        let receipt = bridge.deliver(&mail, &Context::new().with_attempt(3)).await.unwrap();
        assert_eq!((&*receipt.via, receipt.attempts, receipt.provider_id), ("lettre stub", 3, None));
        let (envelope, raw) = stub.messages().await.remove(0);
        assert_eq!(
            (envelope.to()[0].to_string(), raw.as_bytes()),
            ("ann@example.com".into(), &mail.raw()[..])
        );
        bridge.close().await;
        assert_eq!(bridge.deliver(&mail, &Context::new()).await.unwrap_err().kind(), ErrorKind::Closed);
        let error = Bridge::stub(AsyncStubTransport::new_error()).deliver(&mail, &Context::new()).await;
        assert_eq!(error.unwrap_err().outcome(), Outcome::NotApplied);
    }

    #[tokio::test]
    async fn what_was_never_reached_was_not_sent() {
        // A port that was just given back refuses.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let smtp = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(port).build();
        let error = Bridge::smtp(smtp).deliver(&mail(), &Context::new()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome(), error.stage()),
            (ErrorKind::Unavailable, Outcome::NotApplied, Stage::Connect)
        );
    }

    #[test]
    fn replies_are_a_clear_no() {
        for (code, kind, scope, disposition) in [
            (421, ErrorKind::Unavailable, Scope::Transport, Disposition::Transient),
            (451, ErrorKind::Refused, Scope::Message, Disposition::Transient),
            (535, ErrorKind::Auth, Scope::Transport, Disposition::Permanent),
            (552, ErrorKind::TooLarge, Scope::Message, Disposition::Permanent),
            (550, ErrorKind::Refused, Scope::Message, Disposition::Permanent),
        ] {
            let error = refused(code, "5.1.1 no such user\n5.1.1 at all\u{7}");
            assert_eq!((error.kind(), error.scope(), error.disposition()), (kind, scope, disposition));
            let reply = error.reply().unwrap();
            assert_eq!((reply.enhanced.as_deref(), reply.lines.len()), (Some("5.1.1"), 2));
            assert_eq!(reply.lines.concat(), "no such userat all");
        }
    }

    #[test]
    fn a_message_needs_an_id_to_become_a_mail() {
        let builder = || {
            ::lettre::Message::builder()
                .from("vault@example.org".parse().unwrap())
                .to("ann@example.com".parse().unwrap())
                .bcc("bob@example.com".parse().unwrap())
        };
        let mail = Outgoing::try_from(builder().message_id(None).body("hello".to_owned()).unwrap()).unwrap();
        assert_eq!(mail.envelope().to().len(), 2);
        assert!(mail.is_from_author());
        let nameless = Outgoing::try_from(builder().body("hello".to_owned()).unwrap()).unwrap_err();
        assert_eq!(nameless.kind(), ErrorKind::Invalid);
    }
}
