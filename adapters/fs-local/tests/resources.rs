//! What a store takes of the process it is in: little memory whatever the size of an object, and neither descriptors
//! nor threads that it does not give back.
//!
//! One test after the other, since all of them look at the whole process.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    path::Path,
};

use bytes::Bytes;
use fs_local::Local;
use futures_util::{StreamExt, TryStreamExt};
use persistent_fs::{Files, Key, Prefix, ReadOptions, WriteOptions};

const MIB: u64 = 1 << 20;

/// How much may be added to the memory in use by a stream of any size.
const MEMORY: u64 = 16 * MIB;

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

#[tokio::test]
async fn a_store_takes_little_and_gives_it_back() {
    // In memory if there is such a place: there, a hole is read without being kept in the system's cache.
    let folder =
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder");
    let files = Files::new(Local::open(folder.path()).expect("a store"));
    memory_is_flat_while_streaming_out(folder.path(), &files).await;
    memory_is_flat_while_streaming_in(&files).await;
    descriptors_and_threads_are_given_back(&files).await;
}

async fn memory_is_flat_while_streaming_out(root: &Path, files: &Files) {
    const SIZE: u64 = 4096 * MIB;
    // A hole takes no room on the disk, and is as long to read as anything else.
    File::create(root.join("large")).and_then(|file| file.set_len(SIZE)).expect("a hole");
    let before = forget_the_peak();
    let mut body = files.read(&key("large"), ReadOptions::default()).await.expect("there").body;
    let mut read = 0;
    while let Some(piece) = body.try_next().await.expect("read") {
        read += piece.len() as u64;
    }
    assert_eq!(read, SIZE);
    let peak = status("VmHWM").saturating_sub(before);
    assert!(peak <= MEMORY, "{peak} bytes more while reading");
}

async fn memory_is_flat_while_streaming_in(files: &Files) {
    const PIECES: u64 = 512;
    let piece = Bytes::from(vec![7; 100 * 1024]);
    let before = forget_the_peak();
    let mut upload = files.writer(&key("large"), WriteOptions::default().atomic()).await.expect("begun");
    for _ in 0..PIECES {
        upload.write(piece.clone()).await.expect("written");
    }
    assert_eq!(upload.finish().await.expect("written").size, PIECES * 100 * 1024);
    let peak = status("VmHWM").saturating_sub(before);
    assert!(peak <= MEMORY, "{peak} bytes more while writing");
}

async fn descriptors_and_threads_are_given_back(files: &Files) {
    // So that what is made once is made.
    for _ in 0..100 {
        use_it_once(files, 0).await;
    }
    let (descriptors, threads) = (descriptors(), status("Threads"));
    for n in 0..1_000 {
        use_it_once(files, n % 10).await;
    }
    // A stream that is dropped in the middle is freed by the thread that is reading for it, soon.
    for _ in 0..10_000 {
        if self::descriptors() <= descriptors + 10 {
            break;
        }
        tokio::task::spawn_blocking(|| ()).await.expect("it runs");
    }
    assert!(self::descriptors() <= descriptors + 10, "{} instead of {descriptors}", self::descriptors());
    // The runtime keeps as many as were ever busy at once, which depends on the machine; a leak would be one a round.
    assert!(status("Threads") <= threads + 64, "{} threads instead of {threads}", status("Threads"));
}

/// Ten operations, among them streams and an upload that are dropped in the middle.
async fn use_it_once(files: &Files, n: u64) {
    let name = key(&format!("a/{n}/object"));
    let atomic = || WriteOptions::default().atomic();
    files.put(&name, "body".into(), atomic()).await.expect("written");
    files.put(&name, "refused".into(), WriteOptions::create().atomic()).await.expect_err("it is there");
    assert_eq!(files.read_all(&name, 100).await.expect("there"), "body");
    files.head(&name).await.expect("there");
    files.copy(&name, &key(&format!("a/{n}/copy")), atomic()).await.expect("copied");
    let mut body = files.read(&key("large"), ReadOptions::default()).await.expect("there").body;
    body.next().await.expect("a piece").expect("read");
    drop(body);
    drop(files.list(&Prefix::all(), None).next().await);
    let mut upload = files.writer(&name, atomic()).await.expect("begun");
    upload.write(vec![1; 300 * 1024].into()).await.expect("written");
    drop(upload);
    files.delete(&name).await.expect("deleted");
    let prefix = Prefix::parse(&format!("a/{n}/")).expect("a prefix");
    assert_eq!(files.delete_prefix(&prefix).await.expect("deleted"), 1);
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("a folder").count()
}

/// Begins to measure the peak from here, and says how much memory is in use.
fn forget_the_peak() -> u64 {
    fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
    status("VmRSS")
}

/// A number out of what the system knows about this process, in bytes where it is a size.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a file");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a line");
    let mut words = line.split_whitespace();
    let number = words.next().expect("a number").parse::<u64>().expect("a number");
    if words.next() == Some("kB") { number * 1024 } else { number }
}
