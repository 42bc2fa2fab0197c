//! Replies, within bounds of time and memory, and what they mean.

use std::{io, time::Duration};

use bytes::BytesMut;
use futures_util::FutureExt as _;
use mailer::{Disposition, Error, ErrorKind, Outcome, Scope, Stage};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};

use super::flaw::Flaw;

const LONGEST_REPLY: usize = 64 << 10;

/// A connection, in clear or private.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Wait,
    Connect,
    StartTls,
    Handshake,
    Auth,
    Mail,
    Rcpt,
    Data,
    Body,
    Verdict,
}

/// Until when everything, and how long one step, may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) deadline: Option<Instant>,
    pub(crate) step: Duration,
    pub(crate) flaw: Flaw,
}

/// One reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) enhanced: Option<String>,
    pub(crate) lines: Vec<String>,
}

/// A connection with what came and was not read yet.
pub(crate) struct Wire {
    pub(crate) io: Box<dyn Io>,
    pub(crate) input: BytesMut,
    pub(crate) limits: Limits,
}

impl Step {
    pub(crate) fn stage(self) -> Stage {
        match self {
            Self::Wait => Stage::Prepare,
            Self::Connect => Stage::Connect,
            Self::StartTls | Self::Handshake => Stage::Tls,
            Self::Auth => Stage::Auth,
            Self::Mail | Self::Rcpt => Stage::Envelope,
            Self::Data | Self::Body => Stage::Data,
            Self::Verdict => Stage::Verdict,
        }
    }

    /// Something went wrong, and it was not the server that said no.
    pub(crate) fn fault(self, flaw: Flaw, kind: ErrorKind, text: &str) -> Error {
        let unsure = match flaw {
            Flaw::SureAfterTheDot => false,
            Flaw::UnsureBeforeTheDot => true,
            _ => self == Self::Verdict,
        };
        let outcome = if unsure { Outcome::Unknown } else { Outcome::NotApplied };
        Error::new(kind, text).with_outcome(outcome).at(self.stage())
    }

    /// The server said no.
    pub(crate) fn no(self, flaw: Flaw, reply: &Reply) -> Error {
        let (kind, scope) = self.meaning(flaw, reply);
        let permanent = match (flaw, self) {
            (Flaw::EverythingPasses, _) | (Flaw::LoginMayPass, Self::Auth) => false,
            (Flaw::LoginNeverPasses, Self::Auth) => true,
            _ => reply.code / 100 == 5,
        };
        let disposition = if permanent { Disposition::Permanent } else { Disposition::Transient };
        Error::new(kind, "the server said no")
            .with_scope(scope)
            .with_disposition(disposition)
            .with_outcome(Outcome::NotApplied)
            .at(self.stage())
            .with_reply(reply.told())
    }

    fn meaning(self, flaw: Flaw, reply: &Reply) -> (ErrorKind, Scope) {
        let of_mail = matches!(self, Self::Mail | Self::Data | Self::Body | Self::Verdict);
        let text = reply.lines.concat().to_lowercase();
        let is_large = reply.code == 552 || reply.enhanced.as_deref() == Some("5.3.4");
        let throttled = of_mail && reply.code == 454 && text.contains("throttl");
        match self {
            Self::Connect if flaw == Flaw::BlamesTheMail => (ErrorKind::Refused, Scope::Message),
            _ if reply.code == 421 && flaw != Flaw::KnowsNoFarewell => {
                (ErrorKind::Unavailable, Scope::Transport)
            }
            _ if reply.code == 530 && flaw != Flaw::KnowsNot530 => (ErrorKind::Auth, Scope::Transport),
            Self::StartTls => (ErrorKind::Tls, Scope::Transport),
            Self::Auth => (ErrorKind::Auth, Scope::Transport),
            Self::Rcpt if flaw == Flaw::BlamesNoRecipient => (ErrorKind::Refused, Scope::Message),
            Self::Rcpt => (ErrorKind::Refused, Scope::Recipients),
            _ if of_mail && is_large && flaw != Flaw::KnowsNoSize => (ErrorKind::TooLarge, Scope::Message),
            _ if throttled && text.contains("quota") && flaw != Flaw::KnowsNoQuota => {
                (ErrorKind::Quota, Scope::Transport)
            }
            _ if throttled => (ErrorKind::Throttled, Scope::Transport),
            _ if of_mail && (reply.code / 100 == 5 || flaw == Flaw::TemporaryIsRefused) => {
                (ErrorKind::Refused, Scope::Message)
            }
            _ => (ErrorKind::Unavailable, Scope::Transport),
        }
    }
}

impl Limits {
    /// Waits for a step as long as it may take.
    pub(crate) async fn bound<T>(
        &self,
        step: Step,
        future: impl Future<Output = io::Result<T>>,
    ) -> Result<T, Error> {
        let until = Instant::now() + self.step;
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        let until =
            if self.flaw == Flaw::WaitsForEver { Instant::now() + Duration::from_mins(9) } else { until };
        match timeout_at(until, future).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(step.fault(self.flaw, ErrorKind::Unavailable, "the connection is lost")),
            Err(_) => Err(step.fault(self.flaw, ErrorKind::Timeout, "it took too long")),
        }
    }
}

impl Reply {
    pub(crate) fn is_no(&self) -> bool {
        matches!(self.code / 100, 4 | 5)
    }

    pub(crate) fn told(&self) -> mailer::Reply {
        let Self { code, enhanced, lines } = self.clone();
        mailer::Reply { code: code.to_string(), enhanced, lines }
    }
}

impl Wire {
    pub(crate) fn is(&self, flaw: Flaw) -> bool {
        self.limits.flaw == flaw
    }

    pub(crate) fn nonsense(&self, step: Step) -> Error {
        let kind = if self.is(Flaw::NonsenseIsLost) { ErrorKind::Unavailable } else { ErrorKind::Protocol };
        step.fault(self.limits.flaw, kind, "this makes no sense")
    }

    /// Whether nothing has come that nobody waits for, and the connection is open.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.input.is_empty() && self.io.read_buf(&mut self.input).now_or_never().is_none()
    }

    pub(crate) async fn send(&mut self, step: Step, bytes: &[u8]) -> Result<(), Error> {
        if self.is(Flaw::WritesAtOnce) {
            let written = self.io.write(bytes).now_or_never().and_then(Result::ok);
            return match written {
                Some(written) if written == bytes.len() => Ok(()),
                _ => Err(step.fault(self.limits.flaw, ErrorKind::Unavailable, "it did not fit")),
            };
        }
        let io = &mut self.io;
        let sending = async {
            io.write_all(bytes).await?;
            io.flush().await
        };
        self.limits.bound(step, sending).await
    }

    pub(crate) async fn ask(&mut self, step: Step, line: &str) -> Result<Reply, Error> {
        self.send(step, format!("{line}\r\n").as_bytes()).await?;
        self.hear(step).await
    }

    /// Reads a reply that says yes, no, or to go on.
    pub(crate) async fn hear(&mut self, step: Step) -> Result<Reply, Error> {
        let mut reply: Option<Reply> = None;
        let mut size = 0;
        loop {
            let line = self.line(step).await?;
            size += line.len();
            if size > LONGEST_REPLY || (self.is(Flaw::WantsShortLines) && line.len() > 512) {
                return Err(self.endless(step));
            }
            let code = line.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit));
            let code = code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
            let code: u16 = code.ok_or_else(|| self.nonsense(step))?;
            let (goes_on, text) = match line.get(3) {
                Some(b'-') => (true, &line[4..]),
                Some(b' ') => (false, &line[4..]),
                None if !self.is(Flaw::WantsText) => (false, &[][..]),
                _ => return Err(self.nonsense(step)),
            };
            if self.is(Flaw::WantsUtf8) && std::str::from_utf8(text).is_err() {
                return Err(self.nonsense(step));
            }
            let reply = reply.get_or_insert_with(|| Reply { code, enhanced: None, lines: Vec::new() });
            let mut text = String::from_utf8_lossy(text).into_owned();
            if !self.is(Flaw::KeepsControls) {
                text.retain(|c| !c.is_control());
            }
            take_enhanced(reply, &mut text);
            if self.is(Flaw::TellsTheLastLine) {
                reply.lines.clear();
            }
            reply.lines.push(text);
            if !goes_on {
                let reply = reply.clone();
                let is_known = matches!(code / 100, 2..=5) || self.is(Flaw::AnyCodeIsYes);
                return if is_known { Ok(reply) } else { Err(self.nonsense(step)) };
            }
        }
    }

    async fn line(&mut self, step: Step) -> Result<Vec<u8>, Error> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.input[searched..].iter().position(|&byte| byte == b'\n') {
                let line = self.input.split_to(searched + end + 1);
                let line = &line[..line.len() - 1];
                return Ok(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
            }
            searched = self.input.len();
            if searched > LONGEST_REPLY {
                return Err(self.endless(step));
            }
            let read = self.limits.bound(step, self.io.read_buf(&mut self.input)).await?;
            if read == 0 {
                return Err(step.fault(self.limits.flaw, ErrorKind::Unavailable, "the server hung up"));
            }
            if self.is(Flaw::WantsWholeReplies) && !self.input.ends_with(b"\n") {
                return Err(self.nonsense(step));
            }
        }
    }

    fn endless(&self, step: Step) -> Error {
        if self.is(Flaw::EndlessIsLost) {
            return step.fault(self.limits.flaw, ErrorKind::Unavailable, "the server says too much");
        }
        self.nonsense(step)
    }
}

/// Cuts the enhanced code off a line.
fn take_enhanced(reply: &mut Reply, text: &mut String) {
    let word = text.split(' ').next().unwrap_or_default().to_owned();
    let parts: Vec<_> = word.split('.').collect();
    if parts.len() == 3 && parts.iter().all(|part| part.parse::<u16>().is_ok()) {
        *text = text[word.len()..].trim_start().to_owned();
        reply.enhanced.get_or_insert(word);
    }
}
