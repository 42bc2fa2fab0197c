//! A system that refuses a call: each call of each step in turn, with each error that it may well give.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write as _},
    process::{Command, Stdio},
};

use fs_local::Local;
use persistent_fs::Files;
use tempfile::{NamedTempFile, TempDir};

use crate::{
    ROOT, Scene, child,
    disk::Tree,
    prepared,
    replay::{objects, swept},
    script::{self, Expected, Progress, Value},
    skipped,
};

/// The calls that a store makes, and what may be wrong with each.
const CALLS: &[(&str, &[&str])] = &[
    ("openat", &["EIO", "EACCES", "EMFILE"]),
    ("openat2", &["EIO", "EACCES"]),
    ("mkdirat", &["ENOSPC", "EROFS"]),
    ("write", &["ENOSPC", "EIO"]),
    ("utimensat", &["EIO"]),
    ("fchmod", &["EPERM"]),
    ("fsync", &["EIO"]),
    ("flock", &["ENOLCK"]),
    ("renameat", &["EIO", "EROFS", "ENOSPC"]),
    ("renameat2", &["EIO", "EROFS"]),
    ("unlinkat", &["EIO"]),
    ("fstat", &["EIO"]),
    ("newfstatat", &["EIO"]),
    ("statx", &["EIO"]),
    ("getdents64", &["EIO"]),
    ("read", &["EIO"]),
    ("pread64", &["EIO"]),
];

const SCENES: &[Scene] = &[
    (&[("stays", "body")], &["put a/b/new body"]),
    (&[("a/old", "first")], &["put a/old second"]),
    (&[("a/old", "first")], &["swap a/old second"]),
    (&[("stays", "body")], &["create a/new body"]),
    (&[("stays", "body")], &["upload a/new body"]),
    (&[("stays", "body")], &["ingest a/taken body"]),
    (&[("a/from", "body")], &["copy a/from b/to"]),
    (&[("a/b/gone", "body"), ("stays", "body")], &["delete a/b/gone"]),
    (&[("a/one", "1"), ("a/two", "2"), ("stays", "body")], &["clear a/"]),
    (&[("a/one", "1")], &["read a/one"]),
    (&[("a/one", "1")], &["head a/one"]),
    (&[("a/one", "1")], &["list"]),
];

/// What a child said of its only step, and the folder it worked in.
struct Ran {
    folder: TempDir,
    process: String,
    said: String,
    trace: String,
}

#[test]
fn every_refused_call_has_its_kind_and_a_true_outcome() {
    let mut wrong = Vec::new();
    for scene in SCENES {
        let Some(plain) = run(scene, None) else { return };
        assert_eq!(plain.said, "done 0", "{scene:?}");
        let mut tried = 0;
        for (call, errors) in CALLS {
            for nth in 1..=calls_of_the_worker(&plain, call) {
                for error in *errors {
                    let fault = format!("{call}:error={error}:when={nth}");
                    let ran = run(scene, Some(&fault)).expect("traced before");
                    if let Err(why) = judge(scene, &ran, call, error) {
                        wrong.push(format!("{scene:?} with {fault}: {}: {why}", ran.said));
                    }
                    tried += 1;
                }
            }
        }
        assert!(tried > 0, "{scene:?} makes no call");
        println!("{scene:?}: {tried} faults");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Does a scene in a child that is traced from the moment when its store is open.
fn run(scene: &Scene, fault: Option<&str>) -> Option<Ran> {
    let folder = prepared(scene.0);
    let path = fs::canonicalize(folder.path()).expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let mut orders = child.stdin.take().expect("piped");
    orders.write_all(child::orders(&path, scene.1, 0).as_bytes()).expect("heard");
    let mut said =
        BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    assert!(said.any(|line| line == child::READY), "the child ended before it was ready");

    let trace = NamedTempFile::new().expect("a temporary file");
    let names = CALLS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    let mut tracer = Command::new("strace")
        .args(["-f", "-p", &child.id().to_string(), "-e", &format!("trace={names}"), "-o"])
        .arg(trace.path())
        .args(fault.iter().flat_map(|fault| ["-e".to_owned(), format!("inject={fault}")]))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok();
    // Kept open to the end, since the tracer has more to say.
    let notes = tracer.as_mut().and_then(|tracer| tracer.stderr.take()).map(BufReader::new);
    let mut notes = notes.into_iter().flat_map(|notes| notes.lines().map_while(Result::ok));
    let attached = notes.any(|note| note.contains(" attached"));
    orders.write_all(b"go\n").expect("heard");
    let said = said.filter(|line| line.starts_with("done") || line.starts_with("failed")).last();
    // The test runner that is part of the child may suffer from the fault as well, so its end means nothing.
    child.wait().expect("ended");
    if let Some(mut tracer) = tracer {
        tracer.wait().expect("ended");
    }
    drop(notes);
    if !attached {
        skipped("no process can be traced here");
        return None;
    }
    let trace = fs::read_to_string(trace.path()).expect("a trace");
    Some(Ran { folder, process: child.id().to_string(), said: said.unwrap_or_default(), trace })
}

/// How often the one thread that does the blocking work makes this call. The test runner's own thread does not count.
fn calls_of_the_worker(ran: &Ran, call: &str) -> usize {
    let mut counts = BTreeMap::<&str, usize>::new();
    let calls = ran.trace.lines().filter_map(|line| line.split_once(' '));
    let calls = calls.filter(|(thread, _)| *thread != ran.process);
    for (thread, _) in calls.filter(|(_, text)| text.trim_start().starts_with(&format!("{call}("))) {
        *counts.entry(thread).or_default() += 1;
    }
    counts.into_values().max().unwrap_or_default()
}

/// What is there agrees with what was said, and nothing is left behind.
fn judge(scene: &Scene, ran: &Ran, call: &str, error: &str) -> Result<(), String> {
    let said = ran.said.split(' ').collect::<Vec<_>>();
    let progress = match said[..] {
        ["done", _] => Progress::Done,
        ["failed", _, _, "NotApplied"] => Progress::Refused,
        ["failed", _, _, "Unknown"] => Progress::Begun,
        _ => return Err("no such word".into()),
    };
    let kind = said.get(2).copied();
    if kind.is_some_and(|kind| !kinds(scene, error).contains(&kind)) {
        return Err("another kind".into());
    }
    if kind.is_none() && matches!(call, "fsync" | "write" | "renameat" | "renameat2" | "read" | "pread64") {
        return Err("it did not notice".into());
    }
    let root = ran.folder.path().join(ROOT);
    let files = Files::new(Local::open(&root).expect("a store"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let found = runtime.block_on(objects(&files))?;
    let allowed = Expected::of(scene.0, &script::parse(scene.1, 0)).allowed(&BTreeMap::from([(0, progress)]));
    for (name, values) in &allowed {
        let value: Value = found.get(name).cloned();
        if !values.contains(&value) {
            return Err(format!("{name} is {value:?}, and should be one of {values:?}"));
        }
    }
    runtime.block_on(swept(&files, &root))?;
    let is_taken = scene.1[0].starts_with("ingest") && progress == Progress::Done;
    let is_outside = ran.folder.path().join("outside-0").exists();
    if scene.1[0].starts_with("ingest") && progress != Progress::Begun && is_outside == is_taken {
        return Err("the file to ingest is not where it should be".into());
    }
    // A directory that could not be removed stays, and is no harm. Nothing else makes one that holds nothing.
    if progress == Progress::Refused && call != "unlinkat" && empty_directories(&Tree::of(&root)) > 1 {
        return Err(format!("an empty directory is left: {:?}", Tree::of(&root)));
    }
    Ok(())
}

/// The kinds that this error may have.
fn kinds(scene: &Scene, error: &str) -> &'static [&'static str] {
    match error {
        "ENOSPC" => &["NoSpace"],
        "EACCES" | "EROFS" | "EPERM" if scene.1[0].starts_with("ingest") => &["Denied", "InvalidOption"],
        "EACCES" | "EROFS" | "EPERM" => &["Denied"],
        "ENOLCK" => &["Other"],
        _ if scene.1[0].starts_with("ingest") => &["Unavailable", "InvalidOption"],
        _ => &["Unavailable"],
    }
}

/// How many there are, with the staging directory.
fn empty_directories(tree: &Tree) -> usize {
    match tree {
        Tree::File(_) => 0,
        Tree::Directory(entries) if entries.is_empty() => 1,
        Tree::Directory(entries) => entries.values().map(empty_directories).sum(),
    }
}
