//! What reaches the disk in which order: the body before its name, and the name before the call returns.
//!
//! A crash at the wrong moment cannot be staged here, but what the system is asked for can be seen. This program runs
//! itself again under `strace`, doing one thing, and reads what was traced.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use fs_local::Local;
use persistent_fs::{Backend, Key, WriteOptions};

/// What a write must ask for when the directory `a` is the only one on its way.
const DURABLE: [&str; 4] = ["sync the body", "name it", "sync a", "sync the root"];

/// What this task asks the system for, in order, or `None`, said on standard error, where nothing can be traced.
fn traced(task: &str) -> Option<Vec<&'static str>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (root, trace) = (folder.path().join("root"), folder.path().join("trace"));
    // Made beforehand, so that making it is not in the trace.
    drop(Local::open(&root).expect("a store"));
    let child = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,linkat,unlinkat", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let ended = child.and_then(|mut child| {
        let orders = format!("{task}\n{}\n", folder.path().display());
        child.stdin.take().expect("piped").write_all(orders.as_bytes())?;
        child.wait()
    });
    if !ended.is_ok_and(|status| status.success()) || !folder.path().join("done").exists() {
        // Written around the test's capture, so that it is seen although the test passes.
        writeln!(io::stderr(), "SKIPPED: no process can be traced here").expect("standard error");
        return None;
    }
    let trace = fs::read_to_string(trace).expect("a trace");
    Some(trace.lines().filter_map(step).collect())
}

/// The step that a traced call is, if it is one.
fn step(call: &str) -> Option<&'static str> {
    let is = |name: &str| call.contains(&format!(" {name}("));
    if is("fsync") || is("fdatasync") {
        let path = call.split('<').nth(1)?.split('>').next()?;
        return match Path::new(path) {
            path if path.ends_with("root/a") => Some("sync a"),
            path if path.ends_with("root") => Some("sync the root"),
            path if path.parent()?.ends_with("staging") || path.ends_with("outside") => Some("sync the body"),
            _ => None,
        };
    }
    if is("rename") || is("renameat") || is("renameat2") || is("linkat") {
        return Some("name it");
    }
    (is("unlinkat") && call.contains("\"object\"")).then_some("remove it")
}

#[test]
fn a_durable_write_syncs_the_body_then_names_it_then_syncs_every_directory() {
    for task in ["put", "create", "upload", "ingest", "swap"] {
        let Some(steps) = traced(task) else { return };
        assert_eq!(steps, DURABLE, "{task}");
    }
}

#[test]
fn the_second_write_need_not_sync_what_the_first_has() {
    let Some(steps) = traced("twice") else { return };
    assert_eq!(steps, [&DURABLE[..], &DURABLE[..3]].concat());
}

#[test]
fn an_atomic_write_only_names_it() {
    let Some(steps) = traced("atomic") else { return };
    assert_eq!(steps, ["name it"]);
}

#[test]
fn a_delete_removes_it_and_then_syncs_the_directory() {
    let Some(steps) = traced("delete") else { return };
    assert_eq!(steps, ["remove it", "sync a"]);
}

/// The program under trace. Without orders it does nothing.
#[tokio::test]
#[ignore = "started by the tests of this file, with orders on its standard input"]
async fn child() {
    let mut orders = io::stdin().lines().map(|line| line.expect("text"));
    let (Some(task), Some(folder)) = (orders.next(), orders.next()) else { return };
    let folder = Path::new(&folder);
    let (store, key) =
        (Local::open(folder.join("root")).expect("a store"), Key::parse("a/object").expect("a key"));
    let prepare = async |name: &str| {
        fs::create_dir_all(folder.join("root/a")).expect("made");
        fs::write(folder.join("root/a").join(name), "old").expect("written");
        store
            .head(&Key::parse(&format!("a/{name}")).expect("a key"))
            .await
            .expect("there")
            .etag
            .expect("a version")
    };
    let put = async |options| store.put(&key, "body".into(), options).await.map(drop);
    let done = match task.as_str() {
        "put" => put(WriteOptions::default()).await,
        "create" => put(WriteOptions::create()).await,
        "twice" => {
            put(WriteOptions::default()).await.expect("it succeeds");
            put(WriteOptions::default()).await
        }
        "atomic" => put(WriteOptions::default().atomic()).await,
        "swap" => put(WriteOptions::matching(prepare("object").await)).await,
        "upload" => {
            let mut upload = store.writer(&key, WriteOptions::default()).await.expect("begun");
            upload.write("body".into()).await.expect("written");
            upload.finish().await.map(drop)
        }
        "ingest" => {
            fs::write(folder.join("outside"), "body").expect("written");
            store.ingest(&key, &folder.join("outside"), WriteOptions::default()).await.map(drop)
        }
        "delete" => {
            prepare("object").await;
            // Another one keeps the directory from being removed.
            prepare("neighbour").await;
            store.delete(&key).await
        }
        other => panic!("no such task: {other}"),
    };
    done.expect("it succeeds");
    fs::write(folder.join("done"), "").expect("written");
}
