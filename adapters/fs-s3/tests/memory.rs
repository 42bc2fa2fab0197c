//! How much memory an object takes that passes through, however large it is.
//!
//! The server holds all of it, so it runs in a process of its own: this program, started again.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use conformance_tests::s3_server::S3Server;
use fs_s3::{Conditional, Config, Credentials, Keys, S3};
use futures_util::{StreamExt, TryStreamExt, stream};
use peak_alloc::PeakAlloc;
use persistent_fs::{Error, Files, Key, ReadOptions, WriteOptions};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How much passes through, and in what pieces.
const TOTAL: usize = 256 << 20;
const PIECE: usize = 256 * 1024;
/// The smallest parts, of which two are on their way at once and a third is collected.
const PART: usize = 5 << 20;
const WRITING: usize = 3 * PART + (8 << 20);
const READING: usize = 8 << 20;

#[tokio::test]
async fn a_large_object_passes_through_in_parts() {
    let (mut server, config) = server_elsewhere();
    let files = Files::new(S3::open(config).await.expect("a store"));
    let key = Key::parse("large").expect("a key");
    let piece: Bytes = (0..PIECE).map(|n| u8::try_from(n % 251).expect("a byte")).collect();

    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let body = stream::repeat(piece.clone()).take(TOTAL / PIECE).map(Ok::<_, Error>);
    let meta = files.put_stream(&key, body, WriteOptions::default()).await.expect("written");
    assert_eq!(meta.size, TOTAL as u64);
    let written = ALLOCATOR.peak_usage() - before;
    assert!(written < WRITING, "writing took {written} bytes");

    ALLOCATOR.reset_peak_usage();
    let mut download = files.read(&key, ReadOptions::default()).await.expect("there");
    let mut read = 0;
    while let Some(part) = download.body.try_next().await.expect("a piece") {
        let mut part = part.as_ref();
        while !part.is_empty() {
            let expected = &piece[read % PIECE..];
            let length = expected.len().min(part.len());
            assert!(part[..length] == expected[..length], "changed at {read}");
            part = &part[length..];
            read += length;
        }
    }
    assert_eq!(read, TOTAL);
    let peak = ALLOCATOR.peak_usage() - before;
    assert!(peak < READING, "reading took {peak} bytes");

    // The server ends with its standard input.
    drop(server.stdin.take());
    server.wait().expect("the server has ended");
}

/// A server in another process, and a store in its bucket.
fn server_elsewhere() -> (Child, Config) {
    let mut server = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "the_server", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("another process");
    let said = BufReader::new(server.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let account = { said }
        .find_map(|line| Some(line.split_once("serving ")?.1.to_owned()))
        .expect("the server tells where it is");
    let [endpoint, region, bucket, access, secret] =
        account.split(' ').collect::<Vec<_>>().try_into().expect("five words");
    let mut config = Config::new(bucket, region, Credentials::Static(Keys::new(access, secret)));
    config.endpoint = Some(endpoint.parse().expect("a URL"));
    config.allow_http = true;
    config.conditional = Conditional::Yes;
    config.part_size = PART as u64;
    config.concurrency = 2;
    (server, config)
}

#[tokio::test]
#[ignore = "it is the other process of the other test"]
async fn the_server() {
    let server = S3Server::start().await.expect("a server");
    let account = server.account();
    let words =
        [&account.endpoint, &account.region, &account.bucket, &account.access_key, &account.secret_key];
    eprintln!("serving {}", words.map(String::as_str).join(" "));
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.expect("no panic").expect("standard input");
}
