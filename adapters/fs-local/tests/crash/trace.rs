//! What a process asked of the system, as `strace` saw it.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Everything that changes a file system, or makes a change last. What is missing here is not replayed.
const CALLS: &str = "openat,mkdir,mkdirat,write,pwrite64,writev,ftruncate,rename,renameat,renameat2,link,linkat,\
    unlink,unlinkat,rmdir,symlinkat,fsync,fdatasync,sync_file_range,syncfs";

/// A change below the traced folder, with paths from there, or a word of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    MakeFile(PathBuf),
    MakeDirectory(PathBuf),
    Write(PathBuf, Vec<u8>),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    /// A sync with this number begins; it covers what was there by now.
    SyncBegins(usize, PathBuf),
    /// What the sync covers is on the disk.
    SyncEnds(usize),
    /// The process has said this on its standard output.
    Said(String),
}

/// Runs this program's `child` under trace with these orders and these faults. `None` where nothing can be traced.
///
/// Syncs are held up a little, so that others come while one is running.
pub(crate) fn record(folder: &Path, orders: &str, faults: &[&str]) -> Option<Vec<Event>> {
    let trace = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut child = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "65536", "-e", &format!("trace={CALLS}")])
        .args(["-e", "inject=fsync:delay_enter=1000:delay_exit=1000"])
        .args(faults.iter().flat_map(|fault| ["-e".to_owned(), format!("inject={fault}")]))
        .arg("-o")
        .arg(trace.path())
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let heard = child.stdin.take().expect("piped").write_all(orders.as_bytes());
    let ended = child.wait().expect("ended");
    heard.ok()?;
    let trace = fs::read_to_string(trace.path()).expect("a trace");
    let events = read(&trace, folder);
    // A trace without a word of the child is that of a tracer that was not allowed to.
    (ended.success() && events.iter().any(|event| matches!(event, Event::Said(_)))).then_some(events)
}

/// One system call. Of calls that ran at the same time, each has its begin and its end in the trace.
struct Call {
    begins: usize,
    ends: usize,
    name: String,
    arguments: Vec<String>,
}

/// Orders what the calls did. A change counts from the end of its call, a sync covers what was there when it began:
/// where two ran at the same time, the one cannot rely on the other.
fn read(trace: &str, folder: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    for (number, call) in calls(trace).iter().enumerate() {
        match (call.name.as_str(), call.event(folder)) {
            ("fsync" | "fdatasync", Some(Event::SyncBegins(_, path))) => {
                events.push((call.begins, Event::SyncBegins(number, path)));
                events.push((call.ends, Event::SyncEnds(number)));
            }
            ("writev", Some(said @ Event::Said(_))) => events.push((call.begins, said)),
            (_, Some(event)) => events.push((call.ends, event)),
            (_, None) => {}
        }
    }
    events.sort_by_key(|(at, _)| *at);
    events.into_iter().map(|(_, event)| event).collect()
}

/// The calls that succeeded.
fn calls(trace: &str) -> Vec<Call> {
    let mut unfinished = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((process, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process.to_owned(), (at, begun.to_owned()));
            continue;
        }
        let (begins, whole) = match text.strip_prefix("<... ") {
            Some(resumed) => {
                let (begins, begun) = unfinished.remove(process).expect("begun before it is resumed");
                (begins, begun + resumed.split_once(" resumed>").expect("a resumed call").1)
            }
            None => (at, text.to_owned()),
        };
        let Some((name, rest)) = whole.split_once('(') else { continue };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { continue };
        if result.starts_with('-') || result.starts_with('?') {
            continue;
        }
        assert!(!arguments.contains("\"..."), "a cut string: {whole}");
        let arguments = arguments.trim_end().strip_suffix(')').expect("a closed call");
        let arguments = arguments.split(", ").map(str::to_owned).collect();
        calls.push(Call { begins, ends: at, name: name.to_owned(), arguments });
    }
    calls
}

impl Call {
    /// What it did below the folder, if anything.
    fn event(&self, folder: &Path) -> Option<Event> {
        let inside = |path: Option<PathBuf>| Some(path?.strip_prefix(folder).ok()?.to_owned());
        let at = |directory, name| inside(self.path_at(directory, name));
        match self.name.as_str() {
            "openat" if self.arguments[2].contains("O_CREAT") => Some(Event::MakeFile(at(0, 1)?)),
            "mkdir" => Some(Event::MakeDirectory(inside(Some(self.path(0)))?)),
            "mkdirat" => Some(Event::MakeDirectory(at(0, 1)?)),
            // Nothing but the child's words is written by this call.
            "writev" => {
                let said = unhex(self.arguments[1].trim_start_matches("[{iov_base=").trim_matches('"'));
                Some(Event::Said(String::from_utf8_lossy(&said).trim().to_owned()))
            }
            "write" => Some(Event::Write(inside(self.descriptor(0))?, self.text(1))),
            "rename" => Some(Event::Rename(inside(Some(self.path(0)))?, inside(Some(self.path(1)))?)),
            "renameat" | "renameat2" => Some(Event::Rename(at(0, 1)?, at(2, 3)?)),
            "link" => Some(Event::Link(inside(Some(self.path(0)))?, inside(Some(self.path(1)))?)),
            "linkat" => Some(Event::Link(at(0, 1)?, at(2, 3)?)),
            "unlink" | "rmdir" => Some(Event::Remove(inside(Some(self.path(0)))?)),
            "unlinkat" => Some(Event::Remove(at(0, 1)?)),
            "fsync" | "fdatasync" => Some(Event::SyncBegins(0, inside(self.descriptor(0))?)),
            "openat" => None,
            other => {
                let touches = self.arguments.iter().any(|argument| argument.contains(&hex(folder)));
                assert!(!touches, "`{other}` is not replayed");
                None
            }
        }
    }

    /// The path of an open file, unless it was removed.
    fn descriptor(&self, argument: usize) -> Option<PathBuf> {
        let (_, path) = self.arguments[argument].split_once('<')?;
        let path = path.strip_suffix('>')?;
        Some(PathBuf::from(OsStr::from_bytes(&unhex(path))))
    }

    fn text(&self, argument: usize) -> Vec<u8> {
        unhex(self.arguments[argument].trim_matches('"'))
    }

    fn path(&self, argument: usize) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.text(argument)))
    }

    fn path_at(&self, directory: usize, name: usize) -> Option<PathBuf> {
        let name = self.path(name);
        if name.is_absolute() { Some(name) } else { Some(self.descriptor(directory)?.join(name)) }
    }
}

/// A string as `strace -xx` writes it.
fn unhex(text: &str) -> Vec<u8> {
    let digits = text.split("\\x").skip(1);
    digits.map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits")).collect()
}

fn hex(path: &Path) -> String {
    use std::fmt::Write as _;
    path.as_os_str().as_bytes().iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\x{byte:02x}").expect("a string takes everything");
        text
    })
}
