//! One running program: it is fed, listened to, and never left behind.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mailer::{Context, Error, ErrorKind, Outcome, Stage};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::oneshot;

use super::exit;
use crate::error::from_io;

/// As much of a complaint as is kept; the rest is read and thrown away.
const KEPT: usize = 8 << 10;

/// How long to go on reading the complaint of a program that has failed: something it has started may hold the other
/// end open for good.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A program that is running.
pub(super) struct Talk {
    // First, because fields are dropped in this order: the program must be dead before its input ends, or it would
    // take half a mail for a whole one.
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: ChildStderr,
    complaint: Vec<u8>,
}

impl Talk {
    /// Starts a program, which leads a process group of its own.
    pub(super) fn start(mut command: Command) -> Result<Self, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.process_group(0).kill_on_drop(true).spawn().map_err(cannot_start)?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take().expect("it was asked for above");
        Ok(Self { child, stdin, stderr, complaint: Vec::new() })
    }

    /// Hands the text over and says what came of it. Kills the program at the deadline, and when `caller` is gone. In
    /// each case it has ended, and was waited for, when this answers.
    pub(super) async fn finish<T>(
        mut self,
        text: &[u8],
        cx: Context,
        caller: &mut oneshot::Sender<T>,
    ) -> Result<(), Error> {
        let late = async {
            match cx.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = self.end(text) => Some(ended),
            () = late => None,
            () = caller.closed() => None,
        };
        let had_it_all = self.stdin.is_none();
        match ended {
            Some(Ok(status)) => {
                if !status.success() {
                    self.hear_last_words().await;
                }
                exit::verdict(status, had_it_all, &self.complaint)
            }
            Some(Err(error)) => {
                self.kill().await;
                Err(unsure(from_io("waiting for the mail program", error), had_it_all))
            }
            None => {
                self.kill().await;
                Err(unsure(Error::new(ErrorKind::Timeout, "the mail program was killed"), had_it_all))
            }
        }
    }

    /// Feeds and listens until the program ends. Its input is closed if and only if it was given all.
    async fn end(&mut self, text: &[u8]) -> io::Result<ExitStatus> {
        let Self { child, stdin, stderr, complaint } = self;
        let feed = async {
            if let Some(pipe) = stdin.as_mut()
                && pipe.write_all(text).await.is_ok()
                && pipe.flush().await.is_ok()
            {
                *stdin = None;
            }
        };
        // Both at once: a program that complains at length reads nothing until it is heard.
        let talk = async {
            tokio::join!(feed, hear(stderr, complaint));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            status = child.wait() => status,
            () = talk => unreachable!("it never ends"),
        }
    }

    async fn hear_last_words(&mut self) {
        // What came by then will do.
        drop(tokio::time::timeout(LAST_WORDS, hear(&mut self.stderr, &mut self.complaint)).await);
    }

    /// Kills the program with all it has started, and waits for its end.
    async fn kill(&mut self) {
        let group = self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            // It fails only if nobody is left in the group.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        // Fails only if it has ended by itself.
        drop(self.child.kill().await);
    }
}

/// Reads to the end and keeps the beginning.
async fn hear(from: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) {
    let mut heard = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut heard).await {
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&heard[..count.min(room)]);
    }
}

/// A program whose input was closed may have passed the mail on.
fn unsure(error: Error, had_it_all: bool) -> Error {
    if had_it_all {
        error.with_outcome(Outcome::Unknown).at(Stage::Verdict)
    } else {
        error.with_outcome(Outcome::NotApplied).at(Stage::Data)
    }
}

fn cannot_start(error: io::Error) -> Error {
    const NOT_A_PROGRAM: i32 = 8;
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Some(ErrorKind::Config),
        io::ErrorKind::ArgumentListTooLong => Some(ErrorKind::Unsupported),
        _ if error.raw_os_error() == Some(NOT_A_PROGRAM) => Some(ErrorKind::Config),
        _ => None,
    };
    match kind {
        Some(kind) => Error::new(kind, "the mail program cannot be started").with_source(error),
        None => from_io("starting the mail program", error),
    }
    .at(Stage::Connect)
}
