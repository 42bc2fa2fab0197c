//! How much memory it takes to stream a file that is larger than the memory anybody wants to spend.

use std::{fmt, fs::File, path::Path, process::Command};

use futures_util::TryStreamExt;
use persistent_fs::{Files, Key, ReadOptions};
use serde_json::{Value, json};

pub(crate) const NAME: &str = "memory of a stream of 4 GiB";

const SIZE: u64 = 4 << 30;
const GOAL: u64 = 16 << 20;

/// What a process had at most while it streamed, and what it had before.
#[derive(Debug)]
pub(crate) struct Peak {
    before: u64,
    after: u64,
}

/// Streams a sparse file in a process of its own, whose peak the system keeps.
pub(crate) fn peak_of_a_stream() -> Peak {
    let folder = tempfile::tempdir().expect("a folder");
    let body = folder.path().join("body");
    File::create(&body).and_then(|file| file.set_len(SIZE)).expect("a sparse file");
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).arg("--stream").arg(&body).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("numbers");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    Peak { before: next(), after: next() }
}

/// The other side: streams the file once and prints the peak before and after.
pub(crate) async fn stream(file: &Path) {
    let root = file.parent().expect("a folder");
    let key = Key::parse(&file.file_name().expect("a name").to_string_lossy()).expect("a key");
    let files = Files::new(fs_local::Local::open(root).expect("a store"));
    let before = high_water();
    let mut download = files.read(&key, ReadOptions::default()).await.expect("it is there");
    let mut streamed = 0;
    while let Some(piece) = download.body.try_next().await.expect("it can be read") {
        streamed += piece.len() as u64;
    }
    assert_eq!(streamed, SIZE);
    println!("{before} {}", high_water());
}

/// The most memory that this process has had so far.
fn high_water() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let kibibytes = line.split_whitespace().next().expect("a number");
    kibibytes.parse::<u64>().expect("a number") << 10
}

impl Peak {
    fn is_met(&self) -> bool {
        self.after <= GOAL
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "benchmark": NAME, "bytes_before": self.before, "bytes_at_most": self.after, "goal": GOAL, "met": self.is_met() })
    }
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: u64| bytes >> 20;
        let told = if self.is_met() { "met" } else { "MISSED" };
        let (before, after) = (mebibytes(self.before), mebibytes(self.after));
        write!(f, "{NAME}: {after} MiB in all, {before} MiB of them before it began  goal 16 MiB: {told}")
    }
}
