//! What each operation asks of the server where nothing goes wrong: requests are what a bucket costs.

use std::time::SystemTime;

use bytes::Bytes;
use conformance_tests::fault_proxy::{Fault, When};
use futures_util::TryStreamExt;
use persistent_fs::{Backend, ErrorKind, Meta, Outcome, ReadOptions, WriteOptions};

use crate::bench::{Bench, FOR_EVER, PART, key};

async fn patient() -> Bench {
    Bench::with(|config| config.timeout = FOR_EVER).await
}

/// The methods of the requests since the last time.
fn methods(bench: &Bench) -> Vec<String> {
    let methods = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    bench.proxy.take_requests().iter().map(methods).collect()
}

/// The written object as its write describes it is the one that is there, but for the time.
async fn assert_told(bench: &Bench, mut told: Meta) {
    let seen = bench.store.head(&told.key).await.expect("there");
    told.modified = seen.modified;
    assert_eq!(told, seen);
    bench.proxy.take_requests();
}

#[tokio::test]
async fn a_small_object_is_one_request_each_way() {
    let bench = patient().await;
    let options = WriteOptions::create().typed("text/plain");
    let told = bench.store.put(&key("a"), "body".into(), options).await.expect("written");
    assert_eq!(methods(&bench), ["PUT"]);
    let read = bench.store.read(&key("a"), ReadOptions::default()).await.expect("there");
    let body: Vec<Bytes> = read.body.try_collect().await.expect("in full");
    assert_eq!((body.concat(), methods(&bench)), (b"body".to_vec(), vec!["GET".to_owned()]));
    assert_told(&bench, told).await;
}

#[tokio::test]
async fn an_upload_in_parts_is_a_request_for_each_and_two_more() {
    let bench = patient().await;
    let mut upload = bench.store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(vec![7; 12 << 20].into()).await.expect("written");
    let told = upload.finish().await.expect("finished");
    assert_eq!((12_usize << 20).div_ceil(PART), 3);
    assert_eq!(methods(&bench), ["POST", "PUT", "PUT", "PUT", "POST"]);
    assert_told(&bench, told).await;
}

#[tokio::test]
async fn a_copy_is_a_look_and_a_request() {
    let bench = patient().await;
    let typed = WriteOptions::default().typed("text/plain");
    bench.store.put(&key("a"), "body".into(), typed).await.expect("written");
    bench.proxy.take_requests();
    let told = bench.store.copy(&key("a"), &key("b"), WriteOptions::default()).await.expect("copied");
    assert_eq!(methods(&bench), ["HEAD", "PUT"]);
    assert_told(&bench, told).await;
}

#[tokio::test]
async fn a_version_that_the_answer_does_not_name_is_looked_up() {
    let bench = patient().await;
    bench.proxy.inject(When::method("PUT"), Fault::Header("etag", None));
    let told = bench.store.put(&key("a"), "body".into(), WriteOptions::default()).await.expect("written");
    assert_eq!(methods(&bench), ["PUT", "HEAD"]);
    assert_told(&bench, told).await;
}

#[tokio::test]
async fn a_write_is_dated_by_the_answer_to_it() {
    let bench = patient().await;
    let second_of_2001 = Fault::Header("date", Some("Mon, 01 Jan 2001 00:00:02 GMT"));
    bench.proxy.inject(When::method("PUT"), second_of_2001);
    let told = bench.store.put(&key("a"), "body".into(), WriteOptions::default()).await.expect("written");
    let since = told.modified.duration_since(SystemTime::UNIX_EPOCH).expect("later");
    assert_eq!(since.as_secs(), 978_307_202);
}

/// The end of an upload is asked for twice, and what the second time says is lost: nobody knows how it ended.
#[tokio::test]
async fn a_refusal_that_breaks_off_does_not_blame_the_configuration() {
    let bench = patient().await;
    let end = || When::method("POST").query("uploadId=");
    bench.proxy.inject(end(), Fault::CutAfter);
    bench.proxy.inject(end(), Fault::Truncate(3));
    let mut upload = bench.store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(vec![7; PART + 1].into()).await.expect("written");
    let error = upload.finish().await.expect_err("nobody hears how it ended");
    assert_eq!(bench.proxy.heal(), 2);
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error:?}");
}
