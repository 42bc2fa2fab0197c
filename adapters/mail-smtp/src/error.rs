//! From what a server says, or fails to say, to our errors.

use std::io;

use mailer::{Disposition, Error, ErrorKind, Outcome, Refused, Scope, Stage};
use rustls::CertificateError;

use crate::{reply::Reply, wire::Fault};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    Greeting,
    Hello,
    StartTls,
    Handshake,
    Auth,
    Ping,
    Reset,
    Mail,
    Rcpt,
    Data,
    Body,
    Verdict,
}

impl Step {
    pub(crate) fn stage(self) -> Stage {
        match self {
            Self::Connect | Self::Greeting | Self::Hello | Self::Ping => Stage::Connect,
            Self::StartTls | Self::Handshake => Stage::Tls,
            Self::Auth => Stage::Auth,
            Self::Reset | Self::Mail | Self::Rcpt => Stage::Envelope,
            Self::Data | Self::Body => Stage::Data,
            Self::Verdict => Stage::Verdict,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Greeting => "the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Handshake => "the TLS handshake",
            Self::Auth => "AUTH",
            Self::Ping => "NOOP",
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Body => "the mail",
            Self::Verdict => "the end of the mail",
        }
    }

    /// An error of this kind. Only at the very end nobody knows whether the mail was sent.
    pub(crate) fn error(self, kind: ErrorKind, message: impl Into<String>) -> Error {
        let outcome = if self == Self::Verdict { Outcome::Unknown } else { Outcome::NotApplied };
        Error::new(kind, message).with_outcome(outcome).at(self.stage())
    }

    /// What it means that the connection failed here.
    pub(crate) fn fault(self, fault: Fault) -> Error {
        let words = self.words();
        match fault {
            Fault::Lost => {
                self.error(ErrorKind::Unavailable, format!("the server closed the connection at {words}"))
            }
            Fault::Broken(error) => {
                let message = format!("the connection broke at {words}");
                self.error(ErrorKind::Unavailable, message).with_source(error)
            }
            Fault::Slow if self == Self::Greeting => {
                // A server that waits for TLS says nothing at all.
                let message = "the server sent no greeting; a port for TLS from the start wants smtps://";
                self.error(ErrorKind::Timeout, message)
            }
            Fault::Slow => self.error(ErrorKind::Timeout, format!("no answer in time at {words}")),
            Fault::Nonsense(what) => {
                self.error(ErrorKind::Protocol, format!("the server sent {what} at {words}"))
            }
        }
    }

    /// What it means that the server answered this, which is not what it should.
    pub(crate) fn refused(self, reply: Reply) -> Error {
        if reply.code == 221 {
            let message = format!("the server said goodbye at {}", self.words());
            return self.error(ErrorKind::Unavailable, message).with_reply(reply.into());
        }
        if !reply.is_no() {
            let error =
                self.error(ErrorKind::Protocol, format!("an answer that does not fit {}", self.words()));
            return error.with_reply(reply.into());
        }
        let (kind, scope) = self.meaning(&reply);
        let disposition = if reply.is_permanent() { Disposition::Permanent } else { Disposition::Transient };
        self.error(kind, format!("the server refused {}", self.words()))
            .with_scope(scope)
            .with_disposition(disposition)
            // The no is clear, also at the very end.
            .with_outcome(Outcome::NotApplied)
            .with_reply(reply.into())
    }

    fn meaning(self, reply: &Reply) -> (ErrorKind, Scope) {
        let of_mail = matches!(self, Self::Mail | Self::Data | Self::Body | Self::Verdict);
        let says = |word| reply.lines.iter().any(|line| line.to_ascii_lowercase().contains(word));
        match (self, reply.code) {
            (_, 421) => (ErrorKind::Unavailable, Scope::Transport),
            (Self::StartTls, _) => (ErrorKind::Tls, Scope::Transport),
            (_, 530) | (Self::Auth, _) => (ErrorKind::Auth, Scope::Transport),
            (Self::Rcpt, _) => (ErrorKind::Refused, Scope::Recipients),
            (_, 552) if of_mail => (ErrorKind::TooLarge, Scope::Message),
            _ if of_mail && reply.enhanced.as_deref() == Some("5.3.4") => {
                (ErrorKind::TooLarge, Scope::Message)
            }
            // As Amazon's servers say it.
            (_, 454) if of_mail && says("throttl") && says("quota") => (ErrorKind::Quota, Scope::Transport),
            (_, 454) if of_mail && says("throttl") => (ErrorKind::Throttled, Scope::Transport),
            _ if of_mail && reply.is_permanent() => (ErrorKind::Refused, Scope::Message),
            _ => (ErrorKind::Unavailable, Scope::Transport),
        }
    }
}

/// What it means that no recipient was taken, or not all of them where all had to be.
pub(crate) fn recipients_refused(refused: Vec<Refused>, first: Reply) -> Error {
    // Sending it again is worth it as long as somebody may take it then.
    let passes = refused.iter().any(|one| !one.permanent);
    let disposition = if passes { Disposition::Transient } else { Disposition::Permanent };
    Step::Rcpt.refused(first).with_disposition(disposition).with_refused(refused)
}

/// What it means that a handshake failed.
pub(crate) fn handshake(error: io::Error) -> Error {
    use rustls::Error as Tls;
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    let (message, disposition) = match cause {
        None => ("the connection was lost during the handshake", Disposition::Transient),
        Some(Tls::InvalidCertificate(fault)) => (of_certificate(fault), Disposition::Permanent),
        Some(Tls::InvalidMessage(_)) => (
            "the server does not speak TLS here; a port that begins in clear wants smtp://",
            Disposition::Permanent,
        ),
        Some(_) => ("the server speaks no TLS that is understood here", Disposition::Permanent),
    };
    Step::Handshake.error(ErrorKind::Tls, message).with_disposition(disposition).with_source(error)
}

fn of_certificate(fault: &CertificateError) -> &'static str {
    use CertificateError as Fault;
    match fault {
        Fault::Expired | Fault::ExpiredContext { .. } => "the server's certificate has expired",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => "the server's certificate is not valid yet",
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            "the server's certificate bears another name"
        }
        Fault::UnknownIssuer => "the server's certificate is signed by nobody who is trusted here",
        _ => "the server's certificate is not trusted",
    }
}

#[cfg(test)]
mod tests;
