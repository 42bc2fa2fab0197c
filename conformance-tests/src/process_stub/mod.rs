//! A program such as sendmail that does what a test tells it.
//!
//! ```no_run
//! # use conformance_tests::process_stub::ProcessStub;
//! let stub = ProcessStub::new();
//! stub.plays("echo 'queue is full' >&2; exit 75");
//! // … hand a mail to `stub.program()` …
//! for run in stub.runs() {
//!     println!("{:?} was given {:?}", run.arguments, run.input);
//! }
//! ```
//!
//! A play is a piece of shell. It may say:
//!
//! | | |
//! |---|---|
//! | `take` | reads the input to its end; from then on [`Run::input`] has it |
//! | `exec 3> "$here/signs"` | opens the way to tell the test something; closed when the program ends |
//! | `echo … >&3` | tells it, see [`ProcessStub::signs`] |
//! | `read _ < "$here/go"` | waits for [`ProcessStub::go`] |
//!
//! The program itself is a file of this package that nobody writes to: a file that was written a moment ago cannot be
//! run for as long as another thread's new process still holds it open.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tokio::net::unix::pipe;

/// A program in a folder of its own. Dropping it removes the folder.
#[derive(Debug)]
pub struct ProcessStub {
    folder: TempDir,
}

/// How the program was called once, and what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The process.
    pub id: u32,
    /// The arguments, without the program's own name.
    pub arguments: Vec<String>,
    /// The environment as lines `NAME=value`.
    pub environment: Vec<String>,
    /// What came on the standard input; `None` unless the play took it to its end.
    pub input: Option<Vec<u8>>,
}

impl ProcessStub {
    /// A program that takes every mail.
    ///
    /// # Panics
    /// If there is no place for temporary files, or no `mkfifo`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/process_stub/sendmail.sh");
        symlink(script, folder.path().join("sendmail")).expect("a link can be made");
        let made = Command::new("mkfifo").args(["signs", "go"]).current_dir(folder.path()).status();
        assert!(made.expect("mkfifo is there").success(), "the pipes can be made");
        let stub = Self { folder };
        stub.plays("take");
        stub
    }

    /// What the program does from now on.
    ///
    /// # Panics
    /// If the folder is gone.
    pub fn plays(&self, play: &str) {
        fs::write(self.folder.path().join("play"), play).expect("the play can be written");
    }

    /// The path to give to a backend.
    pub fn program(&self) -> PathBuf {
        self.folder.path().join("sendmail")
    }

    /// All runs that have begun, the oldest process first.
    ///
    /// # Panics
    /// If the folder is gone.
    pub fn runs(&self) -> Vec<Run> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder can be read");
        let mut runs: Vec<Run> = entries.filter_map(|entry| read(&entry.ok()?.path())).collect();
        runs.sort_by_key(|run| run.id);
        runs
    }

    /// What the program tells. Ends when the program has ended, or has closed it. Open it before the program runs.
    ///
    /// # Panics
    /// If the folder is gone, or outside of a runtime.
    pub fn signs(&self) -> pipe::Receiver {
        pipe::OpenOptions::new()
            .open_receiver(self.folder.path().join("signs"))
            .expect("the pipe can be opened")
    }

    /// Lets the program go on, if it is waiting for that; false if nobody waits.
    pub fn go(&self) -> bool {
        pipe::OpenOptions::new().open_sender(self.folder.path().join("go")).is_ok()
    }
}

impl Default for ProcessStub {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    /// Whether the process is still there, be it only as an entry nobody has asked about.
    ///
    /// # Panics
    /// If there is no `kill`.
    pub fn is_left(&self) -> bool {
        let asked = Command::new("kill").args(["-0", &self.id.to_string()]).stderr(Stdio::null()).status();
        asked.expect("kill is there").success()
    }
}

/// A run whose arguments are written down, or nothing.
fn read(folder: &Path) -> Option<Run> {
    let id = folder.file_name()?.to_str()?.strip_prefix("run.")?.parse().ok()?;
    let arguments = fs::read_to_string(folder.join("arguments")).ok()?;
    Some(Run {
        id,
        arguments: arguments.split_terminator('\0').map(str::to_owned).collect(),
        environment: fs::read_to_string(folder.join("environment"))
            .ok()?
            .lines()
            .map(str::to_owned)
            .collect(),
        input: fs::read(folder.join("input")).ok(),
    })
}
