//! One mail over one connection.
//!
//! What goes to a server that takes commands in a row (PIPELINING):
//!
//! ```text
//! we                                                   the server
//! RSET?  MAIL FROM  RCPT TO …  DATA      (one write)
//!                                                      250  250  250 …  354
//! the mail and the dot                   (one write, if it is not large)
//!                                                      250 queued
//! ```
//!
//! That is two round trips. Without the extension each command waits for its answer. Where one refused recipient is to
//! stop the mail for all, `DATA` waits too: once it was answered with 354 there is no way back but an empty mail.

use mailer::{Error, ErrorKind, Outgoing, Receipt, Refused};

use crate::{
    body::Blocks,
    config::Limits,
    error::{Step, recipients_refused},
    provider_id::provider_id,
    reply::Reply,
    session::Session,
    wire::Fault,
};

/// Why a mail was not handed over, and what that means for the connection.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) fate: Fate,
}

/// What becomes of a connection after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Both sides know where they are.
    Keep,
    /// It is gone, or nobody knows what its next answer would belong to.
    Discard,
    /// It was gone before it had answered anything about this mail.
    Stale,
}

/// What the server said about the envelope, once it took the sender.
struct Envelope {
    /// Who will not get the mail.
    refused: Vec<Refused>,
    /// The reply that refused the first of them.
    first: Option<Reply>,
    /// The answer to DATA, if that was sent already.
    data: Option<Reply>,
}

/// Hands one mail over.
pub(crate) async fn transact(
    session: &mut Session,
    mail: &Outgoing,
    partial: bool,
    limits: &Limits,
) -> Result<Receipt, Failure> {
    admit(session, mail).map_err(|error| Failure { error, fate: Fate::Keep })?;
    let envelope = send_envelope(session, mail, partial, limits).await?;
    if let Some(first) = &envelope.first
        && (!partial || envelope.refused.len() == mail.envelope().to().len())
    {
        let fate = withdraw(session, envelope.data, limits).await;
        return Err(Failure { error: recipients_refused(envelope.refused, first.clone()), fate });
    }
    let data = match envelope.data {
        Some(data) => data,
        None => ask(session, Step::Data, "DATA\r\n", limits).await?,
    };
    if data.code != 354 {
        let Failure { error, fate } = no(Step::Data, data);
        return Err(Failure { error: error.with_refused(envelope.refused), fate });
    }
    let verdict = send_body(session, mail, limits).await?;
    // Now the server holds neither sender nor recipients any more.
    session.needs_reset = false;
    let receipt = Receipt::new(mail.message_id().clone(), "smtp").with_refused(envelope.refused);
    Ok(match provider_id(verdict.text()) {
        Some(id) => receipt.with_provider_id(id),
        None => receipt,
    })
}

/// Refuses what the server has said it does not take.
fn admit(session: &Session, mail: &Outgoing) -> Result<(), Error> {
    let extensions = &session.extensions;
    let bytes = mail.raw().len();
    if let Some(max) = extensions.max_bytes.filter(|&max| bytes as u64 > max) {
        let message = format!("{bytes} bytes, and the server takes {max}");
        return Err(Step::Mail.error(ErrorKind::TooLarge, message));
    }
    let mut everybody = mail.envelope().from().into_iter().chain(mail.envelope().to());
    if let Some(address) = everybody.find(|address| address.needs_utf8()).filter(|_| !extensions.smtputf8) {
        let message =
            format!("{}: the server takes no address whose local part is not ASCII", address.masked());
        return Err(Step::Mail.error(ErrorKind::Unsupported, message));
    }
    if !extensions.eight_bit && !mail.raw().is_ascii() {
        let message = "the server takes no mail with bytes over 127";
        return Err(Step::Mail.error(ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// Names sender and recipients, and asks to send the mail where that cannot do harm.
async fn send_envelope(
    session: &mut Session,
    mail: &Outgoing,
    partial: bool,
    limits: &Limits,
) -> Result<Envelope, Failure> {
    let pipelining = session.extensions.pipelining;
    let commands = commands(session, mail, pipelining && partial);
    session.needs_reset = true;
    if pipelining {
        let all: String = commands.iter().map(|(_, command)| command.as_str()).collect();
        session.wire.send(all.as_bytes(), commands.len(), limits.until(limits.timeouts.command)).await;
    }
    let mut sender = None;
    let mut envelope = Envelope { refused: Vec::new(), first: None, data: None };
    let mut recipients = mail.envelope().to().iter();
    for (n, (step, command)) in commands.iter().enumerate() {
        let answer = if pipelining {
            hear(session, *step, limits).await
        } else {
            ask(session, *step, command, limits).await
        };
        let answer = answer.map_err(|failure| if n == 0 { failure.before_anything() } else { failure })?;
        match step {
            Step::Mail if answer.is_no() => {
                sender = Some(answer);
                if !pipelining {
                    break;
                }
            }
            Step::Rcpt => {
                let address = recipients.next().expect("there is one RCPT for each recipient").clone();
                if answer.is_no() {
                    let (permanent, reply) = (answer.is_permanent(), Some(answer.clone().into()));
                    envelope.refused.push(Refused { address, permanent, reply });
                    envelope.first.get_or_insert(answer);
                }
            }
            Step::Data => envelope.data = Some(answer),
            _ => {}
        }
    }
    let Some(sender) = sender else { return Ok(envelope) };
    let mut failure = no(Step::Mail, sender);
    // A server that refuses the sender and waits for a mail all the same might take a lone dot for one.
    if envelope.data.is_some_and(|data| !data.is_no()) {
        failure.fate = Fate::Discard;
    }
    Err(failure)
}

fn commands(session: &Session, mail: &Outgoing, with_data: bool) -> Vec<(Step, String)> {
    let extensions = &session.extensions;
    let from = mail.envelope().from().map(mailer::Address::as_str).unwrap_or_default();
    let size = if extensions.size { format!(" SIZE={}", mail.raw().len()) } else { String::new() };
    let body = if mail.raw().is_ascii() { "" } else { " BODY=8BITMIME" };
    let utf8 = if mail.needs_utf8() { " SMTPUTF8" } else { "" };
    let sender = format!("MAIL FROM:<{from}>{size}{body}{utf8}\r\n");
    let reset = session.needs_reset.then(|| (Step::Reset, "RSET\r\n".to_owned()));
    let recipients = mail.envelope().to().iter().map(|to| (Step::Rcpt, format!("RCPT TO:<{to}>\r\n")));
    let data = with_data.then(|| (Step::Data, "DATA\r\n".to_owned()));
    reset.into_iter().chain([(Step::Mail, sender)]).chain(recipients).chain(data).collect()
}

/// Sends nothing to a server that has refused recipients and may be waiting for the mail.
async fn withdraw(session: &mut Session, data: Option<Reply>, limits: &Limits) -> Fate {
    match data {
        // All were refused, so the empty mail reaches nobody, whatever the server says about it.
        Some(data) if data.code == 354 => match ask(session, Step::Verdict, ".\r\n", limits).await {
            Ok(_) => Fate::Keep,
            Err(_) => Fate::Discard,
        },
        Some(data) if !data.is_no() => Fate::Discard,
        _ => Fate::Keep,
    }
}

/// Sends the mail and the dot, and waits for the verdict.
async fn send_body(session: &mut Session, mail: &Outgoing, limits: &Limits) -> Result<Reply, Failure> {
    let mut blocks = Blocks::new(mail.raw());
    let mut answers = 1;
    while let Some(block) = blocks.next() {
        let taken = session.wire.send(block, answers, limits.until(limits.timeouts.data)).await;
        answers = 0;
        if taken < block.len() {
            // The dot is not out, so whatever has happened, the mail is not either.
            return match hear(session, Step::Body, limits).await {
                Ok(early) => Err(Failure { fate: Fate::Discard, ..no(Step::Body, early) }),
                Err(failure) => Err(failure),
            };
        }
    }
    let verdict = session.wire.answer(limits.until(limits.timeouts.verdict)).await;
    let verdict = fitting(Step::Verdict, verdict)?;
    if verdict.is_yes() { Ok(verdict) } else { Err(no(Step::Verdict, verdict)) }
}

/// Sends one command and waits for its answer.
async fn ask(session: &mut Session, step: Step, command: &str, limits: &Limits) -> Result<Reply, Failure> {
    let answer = session.wire.ask(command.as_bytes(), limits.until(limits.timeouts.command)).await;
    fitting(step, answer)
}

/// Waits for the answer to a command that was sent before.
async fn hear(session: &mut Session, step: Step, limits: &Limits) -> Result<Reply, Failure> {
    let answer = session.wire.answer(limits.until(limits.timeouts.command)).await;
    fitting(step, answer)
}

/// An answer that says yes, no, or to go on where that may be said. After anything else the connection is of no use.
fn fitting(step: Step, answer: Result<Reply, Fault>) -> Result<Reply, Failure> {
    let error = match answer {
        Err(fault) => step.fault(fault),
        Ok(reply) if reply.is_farewell() || (step == Step::Reset && !reply.is_yes()) => step.refused(reply),
        Ok(reply) if reply.is_yes() || reply.is_no() || (step == Step::Data && reply.code == 354) => {
            return Ok(reply);
        }
        Ok(reply) => step.refused(reply),
    };
    Err(Failure { error, fate: Fate::Discard })
}

/// What it means that the server said no, or something else that is not what it should.
fn no(step: Step, reply: Reply) -> Failure {
    let fate = if reply.is_no() { Fate::Keep } else { Fate::Discard };
    Failure { error: step.refused(reply), fate }
}

impl Failure {
    /// The same for the very first answer about a mail: a connection that is gone by then had been so before.
    fn before_anything(mut self) -> Self {
        if self.error.kind() == ErrorKind::Unavailable {
            self.fate = Fate::Stale;
        }
        self
    }
}
