//! One connection, from the greeting to the verdicts.

use conformance_tests::mailer::smtp::{Security, Target};
use mailer::{Address, Disposition, Error, ErrorKind, Outgoing, Receipt, Refused};
use tokio::{net::TcpStream, time::Instant};

use super::{
    flaw::Flaw,
    tls,
    wire::{Limits, Reply, Step, Wire},
};

/// What a server has announced.
#[derive(Clone, Default)]
pub(crate) struct Extensions {
    /// Those that are but a word.
    words: Vec<String>,
    size: Option<usize>,
    pub(crate) auth: Vec<String>,
}

/// One connection.
pub(crate) struct Session {
    pub(crate) wire: Wire,
    pub(crate) extensions: Extensions,
    pub(crate) mails: usize,
    pub(crate) used: Instant,
    is_dirty: bool,
}

/// Why a mail was not sent, and whether the connection is as good as before.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) keep: bool,
}

impl Extensions {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|announced| announced == word)
    }
}

impl Session {
    pub(crate) async fn open(target: &Target, limits: Limits) -> Result<Self, Error> {
        let tcp = limits.bound(Step::Connect, TcpStream::connect(target.address)).await?;
        let mut wire = Wire { io: Box::new(tcp), input: bytes::BytesMut::new(), limits };
        if target.security == Security::Implicit {
            wire.io = tls::upgrade(wire.io, target, &limits).await?;
        }
        let greeting = wire.hear(Step::Connect).await?;
        if greeting.is_no() {
            return Err(Step::Connect.no(limits.flaw, &greeting));
        }
        let (extensions, used) = (Extensions::default(), Instant::now());
        let mut session = Self { wire, extensions, mails: 0, used, is_dirty: false };
        session.hello().await?;
        if target.security == Security::StartTls && limits.flaw != Flaw::ForgetsStartTls {
            session = session.start_tls(target, limits).await?;
        }
        session.introduce(target).await?;
        Ok(session)
    }

    async fn hello(&mut self) -> Result<(), Error> {
        let mut reply = self.wire.ask(Step::Connect, "EHLO client.example.com").await?;
        if reply.code / 100 == 5 && !self.wire.is(Flaw::KnowsNoHelo) {
            reply = self.wire.ask(Step::Connect, "HELO client.example.com").await?;
            reply.lines.truncate(1);
        }
        if reply.is_no() {
            return Err(Step::Connect.no(self.wire.limits.flaw, &reply));
        }
        self.extensions = self.announced(&reply);
        Ok(())
    }

    fn announced(&self, reply: &Reply) -> Extensions {
        let mut extensions = Extensions::default();
        for line in reply.lines.iter().skip(1) {
            let line =
                if self.wire.is(Flaw::WantsUpperCase) { line.clone() } else { line.to_ascii_uppercase() };
            let line = line.replace("AUTH=", "AUTH ");
            let mut words = line.split_whitespace();
            match words.next().unwrap_or_default() {
                "SIZE" => extensions.size = words.next().and_then(|size| size.parse().ok()),
                "AUTH" => extensions.auth.extend(words.map(str::to_owned)),
                word => extensions.words.push(word.to_owned()),
            }
        }
        extensions
    }

    async fn start_tls(mut self, target: &Target, limits: Limits) -> Result<Self, Error> {
        let reply = if self.extensions.has("STARTTLS") {
            self.wire.ask(Step::StartTls, "STARTTLS").await?
        } else {
            Reply { code: 502, enhanced: None, lines: Vec::new() }
        };
        if reply.code != 220 {
            let is_fine = limits.flaw == Flaw::Opportunistic;
            return if is_fine { Ok(self) } else { Err(Step::StartTls.no(limits.flaw, &reply)) };
        }
        if !self.wire.input.is_empty() && limits.flaw != Flaw::KeepsClearBytes {
            return Err(Step::StartTls.fault(limits.flaw, ErrorKind::Tls, "somebody else speaks"));
        }
        self.wire.io = tls::upgrade(self.wire.io, target, &limits).await?;
        let clear = self.extensions.clone();
        self.hello().await?;
        if limits.flaw == Flaw::RemembersClear {
            self.extensions = clear;
        }
        Ok(self)
    }

    /// Says who we are, if we are anybody.
    async fn introduce(&mut self, target: &Target) -> Result<(), Error> {
        let flaw = self.wire.limits.flaw;
        let Some(login) = target.login.as_ref().filter(|_| flaw != Flaw::ForgetsLogin) else {
            if flaw == Flaw::LogsInAsNobody && !self.extensions.auth.is_empty() {
                self.wire.ask(Step::Auth, "AUTH PLAIN AAA=").await?;
            }
            return Ok(());
        };
        let is_shown = target.security == Security::None && !target.login_in_clear;
        if is_shown && flaw != Flaw::LogsInAnywhere {
            return Err(Step::Auth.fault(flaw, ErrorKind::Auth, "the secret would be sent in clear"));
        }
        self.log_in(login).await
    }

    pub(crate) async fn transact(&mut self, mail: &Outgoing, target: &Target) -> Result<Receipt, Failure> {
        let flaw = self.wire.limits.flaw;
        self.admit(mail)?;
        if flaw == Flaw::LogsInAlways && target.login.is_some() {
            self.introduce(target).await?;
        }
        if self.is_dirty {
            self.wire.ask(Step::Mail, "RSET").await?;
        }
        self.is_dirty = true;
        let refused = self.envelope(mail).await?;
        let all = refused.len() == mail.envelope().to().len() && flaw != Flaw::SendsToNobody;
        let some = target.all_or_nothing && !refused.is_empty() && flaw != Flaw::SendsToSome;
        if all || some {
            return Err(recipients(flaw, refused));
        }
        let data = self.wire.ask(Step::Data, "DATA").await?;
        if data.is_no() {
            return Err(Failure { error: Step::Data.no(flaw, &data), keep: data.code != 421 });
        }
        if data.code != 354 && !(flaw == Flaw::SendsUnasked || flaw == Flaw::AnyCodeIsYes) {
            return Err(self.wire.nonsense(Step::Data).into());
        }
        self.wire.send(Step::Body, &stuffed(mail.raw(), flaw)).await?;
        let verdict = self.wire.hear(Step::Verdict).await?;
        if verdict.is_no() {
            self.is_dirty = false;
            return Err(Failure { error: Step::Verdict.no(flaw, &verdict), keep: verdict.code != 421 });
        }
        if verdict.code / 100 != 2 {
            return Err(self.wire.nonsense(Step::Verdict).into());
        }
        self.is_dirty = false;
        let text = verdict.lines.concat();
        let id = text.rsplit(' ').next().unwrap_or_default();
        let refused = if flaw == Flaw::HidesRefused { Vec::new() } else { refused };
        Ok(Receipt::new(mail.message_id().clone(), "selftest").with_provider_id(id).with_refused(refused))
    }

    fn admit(&self, mail: &Outgoing) -> Result<(), Failure> {
        let (flaw, extensions) = (self.wire.limits.flaw, &self.extensions);
        let says =
            |kind| Err(Failure { error: Error::new(kind, "not here").at(Step::Mail.stage()), keep: true });
        if extensions.size.is_some_and(|most| mail.raw().len() > most) && flaw != Flaw::IgnoresSize {
            return says(ErrorKind::TooLarge);
        }
        if mail.needs_utf8() && !extensions.has("SMTPUTF8") && flaw != Flaw::IgnoresUtf8 {
            return says(ErrorKind::Unsupported);
        }
        if !mail.raw().is_ascii() && !extensions.has("8BITMIME") && flaw != Flaw::IgnoresEightBit {
            return says(ErrorKind::Unsupported);
        }
        Ok(())
    }

    /// Names sender and recipients, and returns those that were refused.
    async fn envelope(&mut self, mail: &Outgoing) -> Result<Vec<Refused>, Failure> {
        let flaw = self.wire.limits.flaw;
        let from = mail.envelope().from().map(Address::as_str).unwrap_or_default();
        let mut sender = format!("MAIL FROM:<{from}>");
        if !mail.raw().is_ascii() || flaw == Flaw::AssumesExtensions {
            sender += " BODY=8BITMIME";
        }
        if mail.needs_utf8() {
            sender += " SMTPUTF8";
        }
        let mut commands = vec![(Step::Mail, sender)];
        commands.extend(mail.envelope().to().iter().map(|to| (Step::Rcpt, format!("RCPT TO:<{to}>"))));
        let pipelining = self.extensions.has("PIPELINING");
        if pipelining {
            let all: String = commands.iter().flat_map(|(_, line)| [line, "\r\n"]).collect();
            self.wire.send(Step::Mail, all.as_bytes()).await?;
        }
        let mut answers = Vec::new();
        for (step, line) in &commands {
            let answer =
                if pipelining { self.wire.hear(*step).await? } else { self.wire.ask(*step, line).await? };
            if answer.code / 100 == 3 || answer.code == 221 {
                return Err(self.wire.nonsense(*step).into());
            }
            if answer.code == 421 {
                return Err(step.no(flaw, &answer).into());
            }
            if answer.is_no() && *step == Step::Mail && !pipelining {
                return Err(Failure { error: Step::Mail.no(flaw, &answer), keep: true });
            }
            answers.push(answer);
        }
        if answers[0].is_no() {
            return Err(Failure { error: Step::Mail.no(flaw, &answers[0]), keep: true });
        }
        let to = mail.envelope().to();
        let turn = if flaw == Flaw::CountsToAHundred { 100 } else { to.len() };
        let refused = answers[1..].iter().enumerate().filter(|(_, answer)| answer.is_no());
        let refused = refused.map(|(n, answer)| Refused {
            address: to[n % turn].clone(),
            permanent: answer.code / 100 == 5 || flaw == Flaw::RefusedForGood,
            reply: Some(answer.told()),
        });
        Ok(refused.collect())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, keep: false }
    }
}

/// What it means that nobody takes the mail, or not all do that have to.
fn recipients(flaw: Flaw, refused: Vec<Refused>) -> Failure {
    let first = refused[0].reply.clone().expect("each is refused by a reply");
    let code = first.code.parse().expect("a code is a number");
    let reply = Reply { code, enhanced: first.enhanced, lines: first.lines };
    let passes = refused.iter().any(|refused| !refused.permanent) && flaw != Flaw::RecipientsNeverPass;
    let disposition = if passes { Disposition::Transient } else { Disposition::Permanent };
    let error = Step::Rcpt.no(flaw, &reply).with_disposition(disposition).with_refused(refused);
    Failure { error, keep: true }
}

/// The mail with the dots that SMTP adds, and the one that ends it.
fn stuffed(raw: &[u8], flaw: Flaw) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(raw.len() + raw.len() / 50);
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") && flaw != Flaw::StuffsNoDots {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}
