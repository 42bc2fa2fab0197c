//! Several processes on one root: they race, and one of them is killed.
//!
//! A child is this program again, running [`child`] alone. What it is to do comes by its standard input, so that it
//! takes nothing from its surroundings; what it did, it writes into a file.

#![cfg(unix)]

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use fs_local::Local;
use futures_util::TryStreamExt;
use persistent_fs::{ErrorKind, Files, Key, Prefix, Swept, WriteOptions};
use tempfile::TempDir;

const CHILDREN: usize = 3;
const ROUNDS: usize = 150;

/// What an upload has written when its process is killed: pieces that reached the disk, and one that did not.
const HALF_WRITTEN: usize = 3 * 256 * 1024;

/// A line of a child's output that is not the test runner's.
const READY: &str = "the child is ready";

/// A process that waits for the word to begin.
struct Other {
    process: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
    report: PathBuf,
}

impl Other {
    /// Starts a child on this store and waits until it has opened it.
    fn start(folder: &TempDir, task: &str, name: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let (orders, said) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        let report = folder.path().join(name);
        let mut other = Self { process, orders, said: BufReader::new(said), report };
        let root = folder.path().join("root");
        writeln!(other.orders, "{task}\n{}\n{}\n{name}", root.display(), other.report.display())
            .expect("heard");
        other.wait_until_ready();
        other
    }

    fn wait_until_ready(&mut self) {
        let is_ready = |line: io::Result<String>| line.expect("a line").contains(READY);
        assert!((&mut self.said).lines().any(is_ready), "the child ended before it was ready");
    }

    fn begin(&mut self) {
        writeln!(self.orders, "go").expect("heard");
    }

    /// Waits for the child's end and returns what it reports.
    fn report(mut self) -> String {
        drop(self.orders);
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).expect("text");
        assert!(self.process.wait().expect("ended").success(), "{rest}");
        fs::read_to_string(self.report).expect("a report")
    }
}

/// All children do the same at once; their reports come back.
fn race(folder: &TempDir, task: &str) -> Vec<String> {
    let mut others =
        (0..CHILDREN).map(|n| Other::start(folder, task, &format!("child-{n}"))).collect::<Vec<_>>();
    others.iter_mut().for_each(Other::begin);
    others.into_iter().map(Other::report).collect()
}

fn store(folder: &TempDir) -> Files {
    Files::new(Local::open(folder.path().join("root")).expect("a store"))
}

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

fn staged(folder: &TempDir) -> usize {
    let staging = folder.path().join("root").join(persistent_fs::RESERVED).join("staging");
    fs::read_dir(staging).expect("the staging directory").count()
}

#[tokio::test]
async fn of_processes_that_race_to_create_one_wins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let reports = race(&folder, "create");
    let files = store(&folder);
    for round in 0..ROUNDS {
        let won = |report: &&String| report.lines().any(|line| line == round.to_string());
        let winners = (0..CHILDREN).zip(&reports).filter(|(_, report)| won(report));
        let winners = winners.map(|(n, _)| format!("child-{n}")).collect::<Vec<_>>();
        let body = files.read_all(&key(&format!("f/{round}")), 100).await.expect("one has won");
        assert_eq!(winners, [String::from_utf8_lossy(&body)], "round {round}");
    }
    assert_eq!(staged(&folder), 0);
}

#[tokio::test]
async fn processes_that_compare_and_swap_lose_no_step() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = store(&folder);
    files.put(&key("counter"), "0".into(), WriteOptions::default().atomic()).await.expect("written");
    race(&folder, "count");
    let counted = files.read_all(&key("counter"), 100).await.expect("there");
    assert_eq!(counted, (CHILDREN * ROUNDS).to_string());
    assert_eq!(staged(&folder), 0);
}

#[tokio::test]
async fn what_a_killed_process_left_behind_is_invisible_and_swept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = store(&folder);
    files.put(&key("a/replaced"), "old".into(), WriteOptions::default().atomic()).await.expect("written");
    let mut other = Other::start(&folder, "upload", "child");
    other.begin();
    other.wait_until_ready();

    // While it lives, its upload is under way and nobody's to remove.
    assert_eq!(files.sweep(Duration::ZERO).await.expect("swept"), Swept::default());
    other.process.kill().expect("killed");
    other.process.wait().expect("ended");

    let seen = files.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
    assert_eq!(seen.try_collect::<Vec<_>>().await.expect("a listing"), ["a/replaced"]);
    assert_eq!(files.read_all(&key("a/replaced"), 100).await.expect("there"), "old");
    assert_eq!(files.head(&key("b/new")).await.expect_err("never finished").kind(), ErrorKind::NotFound);

    assert_eq!(staged(&folder), 2);
    assert_eq!(files.sweep(Duration::from_hours(1)).await.expect("swept"), Swept::default());
    let swept = files.sweep(Duration::ZERO).await.expect("swept");
    assert_eq!(swept, Swept { uploads: 2, bytes: 2 * HALF_WRITTEN as u64 });
    assert_eq!(staged(&folder), 0);
    assert_eq!(files.read_all(&key("a/replaced"), 100).await.expect("there"), "old");
}

/// The other side of the tests above. Without orders it does nothing.
#[tokio::test]
#[ignore = "started by the tests of this file, with orders on its standard input"]
async fn child() {
    let mut orders = io::stdin().lines().map(|line| line.expect("text"));
    let Some(task) = orders.next() else { return };
    let mut next = || orders.next().expect("an order");
    let (root, report, name) = (next(), next(), next());
    let files = Files::new(Local::open(root).expect("a store"));
    say_ready();
    assert_eq!(next(), "go");
    match task.as_str() {
        "create" => create(&files, Path::new(&report), &name).await,
        "count" => {
            count(&files).await;
            fs::write(report, "done").expect("written");
        }
        "upload" => {
            let _held = [upload(&files, "a/replaced").await, upload(&files, "b/new").await];
            say_ready();
            // Nothing more comes: this is where it is killed.
            orders.next();
        }
        other => panic!("no such task: {other}"),
    }
}

/// On a line of its own, whatever the test runner has begun to write.
fn say_ready() {
    let mut output = io::stdout();
    writeln!(output, "\n{READY}").and_then(|()| output.flush()).expect("standard output");
}

/// Tries to create every object, and reports those that it did.
async fn create(files: &Files, report: &Path, name: &str) {
    let mut won = Vec::new();
    for round in 0..ROUNDS {
        let body = Bytes::from(name.to_owned());
        match files.put(&key(&format!("f/{round}")), body, WriteOptions::create().atomic()).await {
            Ok(_) => won.push(round.to_string()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}"),
        }
    }
    fs::write(report, won.join("\n")).expect("written");
}

/// Counts up as often as there are rounds, starting over whenever another was faster.
async fn count(files: &Files) {
    for _ in 0..ROUNDS {
        loop {
            let seen = files.head(&key("counter")).await.expect("there").etag.expect("a version");
            let counted = files.read_all(&key("counter"), 100).await.expect("there");
            let counted = std::str::from_utf8(&counted).expect("digits").parse::<usize>().expect("a number");
            let body = Bytes::from((counted + 1).to_string());
            match files.put(&key("counter"), body, WriteOptions::matching(seen).atomic()).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Precondition, "{error:?}"),
            }
        }
    }
}

async fn upload(files: &Files, name: &str) -> Box<dyn persistent_fs::Upload> {
    let mut upload = files.writer(&key(name), WriteOptions::default()).await.expect("begun");
    upload.write(vec![7; HALF_WRITTEN].into()).await.expect("written");
    upload.write("and a little more that is collected".into()).await.expect("written");
    upload
}
