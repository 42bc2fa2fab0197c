//! What the server offers while it behaves well.

use super::Certificate;

/// What a server offers. Starts as one that takes every mail, in clear and from anybody, and announces `PIPELINING`,
/// `8BITMIME`, `SMTPUTF8` and `ENHANCEDSTATUSCODES`.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) keywords: Vec<String>,
    pub(super) has_ehlo: bool,
    pub(super) tls: Tls,
    pub(super) certificate: Certificate,
    pub(super) users: Vec<(String, String)>,
    pub(super) mechanisms: Vec<Mechanism>,
    pub(super) auth_line: Option<String>,
    pub(super) auth_in_clear: bool,
    pub(super) recipients: Vec<(String, String)>,
    pub(super) connections: Option<usize>,
    pub(super) drips: bool,
}

/// A way for clients to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// User and password in one line.
    Plain,
    /// User and password in a line each.
    Login,
    /// A token.
    Xoauth2,
}

/// When a connection becomes private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Never,
    OnRequest,
    AtOnce,
}

impl Options {
    /// What every server here offers.
    pub fn new() -> Self {
        Self::bare()
            .keyword("PIPELINING")
            .keyword("8BITMIME")
            .keyword("SMTPUTF8")
            .keyword("ENHANCEDSTATUSCODES")
    }

    /// A server that announces nothing.
    pub fn bare() -> Self {
        Self {
            keywords: Vec::new(),
            has_ehlo: true,
            tls: Tls::Never,
            certificate: Certificate::Sound,
            users: Vec::new(),
            mechanisms: vec![Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2],
            auth_line: None,
            auth_in_clear: false,
            recipients: Vec::new(),
            connections: None,
            drips: false,
        }
    }

    /// Announces one thing more, such as `SIZE 1000`. Mails that are larger than announced are refused.
    #[must_use]
    pub fn keyword(mut self, line: &str) -> Self {
        self.keywords.push(line.to_owned());
        self
    }

    /// Knows no `EHLO`, as servers did before there were extensions.
    #[must_use]
    pub fn helo_only(mut self) -> Self {
        self.has_ehlo = false;
        self
    }

    /// Offers `STARTTLS`.
    #[must_use]
    pub fn start_tls(mut self) -> Self {
        self.tls = Tls::OnRequest;
        self
    }

    /// Speaks TLS from the first byte.
    #[must_use]
    pub fn implicit_tls(mut self) -> Self {
        self.tls = Tls::AtOnce;
        self
    }

    /// Shows another certificate than a sound one.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = certificate;
        self
    }

    /// Knows a user by this password or token, and takes mail from known users only. `AUTH` is offered on private
    /// connections, or on all if the server has no TLS.
    #[must_use]
    pub fn user(mut self, name: &str, secret: &str) -> Self {
        self.users.push((name.to_owned(), secret.to_owned()));
        self
    }

    /// Offers these mechanisms instead of all.
    #[must_use]
    pub fn mechanisms(mut self, mechanisms: &[Mechanism]) -> Self {
        mechanisms.clone_into(&mut self.mechanisms);
        self
    }

    /// Announces `AUTH` by exactly this line, such as `auth=PLAIN`.
    #[must_use]
    pub fn auth_line(mut self, line: &str) -> Self {
        self.auth_line = Some(line.to_owned());
        self
    }

    /// Offers `AUTH` in clear even though it has TLS.
    #[must_use]
    pub fn auth_in_clear(mut self) -> Self {
        self.auth_in_clear = true;
        self
    }

    /// Answers this, such as `550 5.1.1 nobody here`, to one recipient.
    #[must_use]
    pub fn recipient(mut self, address: &str, reply: &str) -> Self {
        self.recipients.push((address.to_owned(), reply.to_owned()));
        self
    }

    /// Sends connections over this number away with 421.
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = Some(most);
        self
    }

    /// Sends every reply byte by byte.
    #[must_use]
    pub fn drips(mut self) -> Self {
        self.drips = true;
        self
    }

    /// The largest mail that is announced.
    pub(super) fn size(&self) -> Option<usize> {
        let size = |line: &String| line.to_ascii_uppercase().strip_prefix("SIZE ").map(str::to_owned);
        self.keywords.iter().find_map(size).and_then(|size| size.trim().parse().ok())
    }

    /// What is answered for a recipient.
    pub(super) fn reply_for(&self, address: &str) -> &str {
        let known = self.recipients.iter().find(|(of, _)| of == address);
        known.map_or("250 2.1.5 ok", |(_, reply)| reply)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Mechanism {
    /// The name that is announced.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Xoauth2 => "XOAUTH2",
        }
    }
}
