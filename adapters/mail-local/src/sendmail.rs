//! A program that takes mails on its standard input.

mod exit;
mod talk;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mailer::{
    Address, Backend, BackendUrl, Capabilities, Context, Envelope, Error, ErrorKind, Outgoing, Receipt,
    Stage, Support,
};
use tokio::process::Command;
use tokio::sync::{Semaphore, oneshot};

use crate::config::SendmailOptions;
use crate::error::from_io;
use crate::gate::{Gate, within};
use talk::Talk;

/// Hands each mail to a program that speaks as sendmail does: Postfix, Exim, `OpenSMTPD` and msmtp have one.
///
/// **Arguments**: what [`SendmailOptions::arguments`] says, then `-i -f <sender> -- <recipients>`. The null sender is
/// `<>`. After `--` no recipient is taken for an option, and with `-i` no line of a mail for its end.
///
/// **Input**: the mail's bytes with LF at the end of lines. That is the form in which such programs have always been
/// given text; each makes CRLF of it for the wire. Most take CRLF as well, but not all: one of them would send
/// CR CR LF. As a mail holds no other CR and no other LF, what is sent in the end is what was handed over, byte for
/// byte.
///
/// **Surroundings**: the folder `/`, the environment `PATH=/usr/sbin:/usr/bin:/sbin:/bin` and `LC_ALL=C`, and nothing
/// else. What the program says on its standard output is thrown away; the beginning of what it says on its standard
/// error is the [`reply`](Error::reply) of an error.
///
/// **Exit**: 0 is taken. The codes of `sysexits.h` are told apart; most of them clearly say no. The moment after which
/// an end that says nothing clear is [`Unknown`](mailer::Outcome::Unknown) is when the program's input is closed,
/// which happens only after it was given every byte. Sendmail itself, told to deliver while the caller waits (`-odi`),
/// says 75 for a mail that it has queued: do not tell it so, or a mail may arrive twice.
///
/// At the deadline, and when the future is dropped, the program is killed, together with what it has started in its
/// process group, before its input ends; and it is waited for. So half a mail is never taken for a whole one, and no
/// process is left behind.
#[derive(Clone, Debug)]
pub struct Sendmail {
    options: Arc<SendmailOptions>,
    gate: Gate,
    turns: Arc<Semaphore>,
}

impl Sendmail {
    /// A backend over this program. Does no I/O: whether it is there, [`check`](Backend::check) says.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self::with(SendmailOptions { program: program.into(), ..SendmailOptions::default() })
    }

    /// A backend with these options. Does no I/O.
    pub fn with(options: SendmailOptions) -> Self {
        let turns = Arc::new(Semaphore::new(options.processes.max(1)));
        Self { options: Arc::new(options), gate: Gate::default(), turns }
    }

    /// Opens `sendmail:` or `sendmail:///path/to/program`; see [`SendmailOptions::from_url`]. Does no I/O.
    pub fn from_url(url: &mut BackendUrl) -> Result<Self, Error> {
        Ok(Self::with(SendmailOptions::from_url(url)?))
    }

    fn command(&self, envelope: &Envelope) -> Command {
        let mut command = Command::new(&self.options.program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").current_dir("/");
        command.args(&self.options.arguments).args(arguments(envelope));
        command
    }
}

/// Waits for a turn, runs the program and says what came of it. Stops when nobody waits for the answer any more.
async fn run(
    command: Command,
    text: &[u8],
    cx: Context,
    turns: Arc<Semaphore>,
    answer: &mut oneshot::Sender<Result<(), Error>>,
) -> Result<(), Error> {
    let turn = within(&cx, "waiting for other mails", turns.acquire_owned());
    let _turn = tokio::select! {
        turn = turn => turn?,
        () = answer.closed() => return Ok(()),
    };
    cx.admit()?;
    Talk::start(command)?.finish(text, cx, answer).await
}

/// What follows the configured arguments.
fn arguments(envelope: &Envelope) -> Vec<OsString> {
    let sender = envelope.from().map_or("<>", Address::as_str);
    let recipients = envelope.to().iter().map(Address::as_str);
    ["-i", "-f", sender, "--"].into_iter().chain(recipients).map(OsString::from).collect()
}

/// The bytes with LF at the end of lines. Every CR in a mail belongs to a CRLF.
fn unix_lines(raw: &[u8]) -> Vec<u8> {
    raw.iter().copied().filter(|&byte| byte != b'\r').collect()
}

fn check_program(path: &Path) -> Result<(), Error> {
    let looked = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(ErrorKind::Config, "there is no such mail program").with_source(error)
        }
        _ => from_io("looking for the mail program", error),
    })?;
    if !looked.is_file() || looked.permissions().mode() & 0o111 == 0 {
        return Err(Error::new(ErrorKind::Config, "the mail program is not executable"));
    }
    Ok(())
}

#[async_trait]
impl Backend for Sendmail {
    /// Whether a local part may be UTF-8 depends on the program and on where it sends to.
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.utf8_local = Support::Negotiated;
        capabilities.envelope_from = Support::Yes;
        capabilities.keeps_message_id = true;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let pass = self.gate.enter(cx).await?;
        self.capabilities().admit(mail)?;
        let (mut answer, answered) = oneshot::channel();
        let (command, text, cx) = (self.command(mail.envelope()), unix_lines(mail.raw()), *cx);
        let turns = Arc::clone(&self.turns);
        // A task of its own, so that a dropped call leaves somebody who kills the program and waits for its end.
        tokio::spawn(async move {
            let ended = run(command, &text, cx, turns, &mut answer).await;
            drop(pass);
            // A caller who has gone does not ask.
            drop(answer.send(ended));
        });
        answered.await.map_err(|_stopped| {
            Error::new(ErrorKind::Other, "the task that feeds the program stopped").at(Stage::Verdict)
        })??;
        Ok(Receipt::new(mail.message_id().clone(), "sendmail").with_attempts(cx.attempt))
    }

    /// Looks whether the program is there and executable. Does not run it.
    async fn check(&self) -> Result<(), Error> {
        let _pass = self.gate.enter(&Context::new()).await?;
        let program = self.options.program.clone();
        tokio::task::spawn_blocking(move || check_program(&program)).await.map_err(|error| {
            Error::new(ErrorKind::Other, "the search for the program stopped").with_source(error)
        })?
    }

    async fn close(&self) {
        self.gate.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_these_and_no_other() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let (ann, odd) = (address("ann@example.com"), address("-x@example.com"));
        let envelope = Envelope::new(None, [odd.clone(), ann.clone()]).unwrap();
        assert_eq!(arguments(&envelope), ["-i", "-f", "<>", "--", "-x@example.com", "ann@example.com"]);
        let envelope = Envelope::new(Some(odd), [ann]).unwrap();
        assert_eq!(arguments(&envelope), ["-i", "-f", "-x@example.com", "--", "ann@example.com"]);
    }

    #[test]
    fn only_line_ends_change() {
        assert_eq!(unix_lines(b"A: b\r\n\r\n.\r\n\xFFx \r\n"), b"A: b\n\n.\n\xFFx \n");
    }
}
