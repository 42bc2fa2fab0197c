//! Backends that run a mail program and get one thing wrong.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conformance_tests::Absent;
use conformance_tests::mailer::{Harness, Setting};
use mailer::{
    Address, Backend, Capabilities, Context, Disposition, Error, ErrorKind, Outcome, Outgoing, Receipt,
    Reply, Scope, Support,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::Suspect;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// The null sender is an argument without a character.
    EmptySender,
    /// Lines end in CRLF.
    CrLf,
    /// No `--` before the recipients.
    NoDashes,
    PassesEnvironment,
    /// Every exit code but 0 is the same.
    OneCode,
    /// No program is a provider that is away.
    MissingIsAway,
    /// Having had no whole mail, it may have sent it all the same.
    AlwaysUnsure,
    /// Having had the whole mail, it surely did not send it.
    NeverUnsure,
    /// Feeds first and listens later.
    ListensLate,
    /// Keeps every word.
    KeepsAll,
    /// The broken pipe is the error.
    Deaf,
    /// Escape sequences and all.
    Raw,
    /// A dropped call lets the program run on.
    LetsRun,
    /// A dropped call ends the program's input.
    EndsInput,
    /// Kills at the deadline and waits for nobody.
    LeavesZombies,
}

const FINDS: &[(Fault, &[&str])] = &[
    (Fault::EmptySender, &["process::it_is_called_with_these_arguments_and_this_input"]),
    (Fault::CrLf, &["process::it_is_called_with_these_arguments_and_this_input"]),
    (Fault::NoDashes, &["process::a_recipient_is_never_an_option"]),
    (Fault::PassesEnvironment, &["process::it_sees_none_of_our_surroundings"]),
    (Fault::OneCode, &["process::each_exit_code_has_its_meaning"]),
    (Fault::MissingIsAway, &["process::a_program_that_cannot_run_is_a_fault_of_the_setup"]),
    (
        Fault::AlwaysUnsure,
        &[
            "process::killed_before_it_had_the_mail_it_surely_sent_nothing",
            "process::one_that_reads_nothing_is_killed_at_the_deadline",
            "process::one_that_ends_early_is_heard",
        ],
    ),
    (
        Fault::NeverUnsure,
        &[
            "process::killed_when_it_had_the_mail_nobody_knows",
            "process::one_that_never_ends_is_killed_at_the_deadline",
        ],
    ),
    (Fault::ListensLate, &["process::one_that_complains_without_end_is_still_fed"]),
    (Fault::KeepsAll, &["process::one_that_complains_without_end_is_still_fed"]),
    (Fault::Deaf, &["process::one_that_ends_early_is_heard"]),
    (Fault::Raw, &["process::one_that_ends_early_is_heard"]),
    (Fault::LetsRun, &["process::a_dropped_call_leaves_no_process"]),
    (Fault::EndsInput, &["process::half_a_mail_is_never_taken_for_a_whole"]),
    (Fault::LeavesZombies, &["process::one_that_never_ends_is_killed_at_the_deadline"]),
];

pub(crate) fn suspects() -> Vec<Suspect> {
    FINDS
        .iter()
        .map(|(fault, found_by)| Suspect::new(format!("{fault:?}"), Press(*fault), found_by))
        .collect()
}

/// Makes backends with one fault.
pub(crate) struct Press(pub(crate) Fault);

#[async_trait]
impl Harness for Press {
    async fn open(&self) -> Result<Setting, Absent> {
        Err(Absent::because("it is about mail programs alone"))
    }

    async fn open_sendmail(&self, program: &Path) -> Result<Arc<dyn Backend>, Absent> {
        Ok(Arc::new(Runner { fault: self.0, program: program.to_owned(), left: Arc::default() }))
    }
}

/// Runs a program for each mail.
#[derive(Debug)]
struct Runner {
    fault: Fault,
    program: PathBuf,
    /// Programs whose call was dropped or timed out.
    left: Arc<Mutex<Vec<Child>>>,
}

impl Runner {
    fn command(&self, mail: &Outgoing) -> Command {
        let mut command = Command::new(&self.program);
        if self.fault != Fault::PassesEnvironment {
            command.env_clear().env("PATH", "/usr/bin:/bin");
        }
        let null = if self.fault == Fault::EmptySender { "" } else { "<>" };
        command.args(["-i", "-f", mail.envelope().from().map_or(null, Address::as_str)]);
        if self.fault != Fault::NoDashes {
            command.arg("--");
        }
        command.args(mail.envelope().to().iter().map(Address::as_str));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Runs the program in a task of its own, so that a dropped call can be noticed.
    async fn run(self: &Runner, mut child: Child, raw: Vec<u8>, cx: Context) -> Result<(), Error> {
        let (mut answer, answered) = oneshot::channel();
        let (fault, left) = (self.fault, Arc::clone(&self.left));
        tokio::spawn(async move {
            let mut input = child.stdin.take();
            let ended = tokio::select! {
                ended = talk(fault, &mut child, &mut input, raw) => ended,
                () = until(cx) => Err(judged(fault, input.is_none(), Error::new(ErrorKind::Timeout, ""))),
                () = answer.closed() => Err(Error::new(ErrorKind::Other, "")),
            };
            if child.id().is_some() {
                match fault {
                    Fault::LetsRun => {}
                    Fault::EndsInput => drop(input.take()),
                    Fault::LeavesZombies => child.start_kill().expect("it is there"),
                    _ => kill(&mut child).await,
                }
            }
            left.lock().expect("nobody panics").push(child);
            drop(input);
            drop(answer.send(ended));
        });
        answered.await.expect("the task answers")
    }
}

/// The whole group: what the program has started would hold its pipes open.
async fn kill(child: &mut Child) {
    let group = format!("-{}", child.id().expect("it runs"));
    let killed = std::process::Command::new("kill").args(["-9", "--", &group]).status();
    assert!(killed.expect("kill is there").success());
    child.wait().await.expect("it is a child");
}

async fn until(cx: Context) {
    match cx.deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn talk(
    fault: Fault,
    child: &mut Child,
    input: &mut Option<tokio::process::ChildStdin>,
    raw: Vec<u8>,
) -> Result<(), Error> {
    let mut output = child.stderr.take().expect("it was asked for");
    let mut complaint = Vec::new();
    let feeding = async {
        let fed = input.as_mut().expect("it is fed once").write_all(&raw).await;
        if fed.is_ok() {
            *input = None;
        }
        fed
    };
    let fed = if fault == Fault::ListensLate {
        let fed = feeding.await;
        drop(output.read_to_end(&mut complaint).await);
        fed
    } else {
        tokio::join!(feeding, output.read_to_end(&mut complaint)).0
    };
    if fault == Fault::Deaf
        && let Err(error) = fed
    {
        return Err(Error::new(ErrorKind::Unavailable, "")
            .with_outcome(Outcome::NotApplied)
            .with_source(error));
    }
    let had_it_all = input.is_none();
    let status = child.wait().await.expect("it can be waited for");
    let error = match status.code() {
        Some(0) if had_it_all => return Ok(()),
        Some(0) => Error::new(ErrorKind::Protocol, ""),
        Some(_) if fault == Fault::OneCode => Error::new(ErrorKind::Other, ""),
        Some(code) => of_code(code),
        None => Error::new(ErrorKind::Unavailable, ""),
    };
    let reply = Reply { code: String::new(), enhanced: None, lines: lines(fault, &complaint) };
    Err(judged(fault, had_it_all, error).with_reply(reply))
}

fn judged(fault: Fault, had_it_all: bool, error: Error) -> Error {
    match fault {
        Fault::AlwaysUnsure => error.with_outcome(Outcome::Unknown),
        Fault::NeverUnsure => error.with_outcome(Outcome::NotApplied),
        _ if !had_it_all => error.with_outcome(Outcome::NotApplied),
        _ => error,
    }
}

fn of_code(code: i32) -> Error {
    use Disposition::{Permanent, Transient};
    let (kind, disposition) = match code {
        64 | 66 | 72 | 78 => (ErrorKind::Config, Permanent),
        65 | 67 => (ErrorKind::Refused, Permanent),
        68 => (ErrorKind::Refused, Transient),
        69 | 71 | 73 | 74 | 75 => (ErrorKind::Unavailable, Transient),
        76 => (ErrorKind::Protocol, Transient),
        77 => (ErrorKind::Auth, Permanent),
        _ => (ErrorKind::Other, Permanent),
    };
    let scope = match code {
        65 => Scope::Message,
        67 | 68 => Scope::Recipients,
        _ => Scope::Transport,
    };
    let unsure = matches!(code, 1 | 70 | 74 | 76);
    let outcome = if unsure { Outcome::Unknown } else { Outcome::NotApplied };
    Error::new(kind, "").with_disposition(disposition).with_scope(scope).with_outcome(outcome)
}

fn lines(fault: Fault, complaint: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(complaint);
    let clean = |line: &str| match fault {
        Fault::Raw => line.to_owned(),
        _ => line.chars().filter(|c| !c.is_control()).collect(),
    };
    text.lines().map(clean).take(if fault == Fault::KeepsAll { usize::MAX } else { 10 }).collect()
}

#[async_trait]
impl Backend for Runner {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.envelope_from = Support::Yes;
        capabilities
    }

    async fn deliver(&self, mail: &Outgoing, cx: &Context) -> Result<Receipt, Error> {
        let kind =
            if self.fault == Fault::MissingIsAway { ErrorKind::Unavailable } else { ErrorKind::Config };
        let refused = |error| Error::new(kind, "").with_outcome(Outcome::NotApplied).with_source(error);
        let child = self.command(mail).spawn().map_err(refused)?;
        let keeps = |byte: &u8| *byte != b'\r' || self.fault == Fault::CrLf;
        self.run(child, mail.raw().iter().copied().filter(keeps).collect(), *cx).await?;
        Ok(Receipt::new(mail.message_id().clone(), "selftest"))
    }

    async fn check(&self) -> Result<(), Error> {
        match Command::new(&self.program).stdin(Stdio::null()).spawn() {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(ErrorKind::Config, "").with_source(error)),
        }
    }

    /// Those that are killed and awaited are so within a moment of their call's end.
    async fn close(&self) {
        while self.left.lock().expect("nobody panics").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
