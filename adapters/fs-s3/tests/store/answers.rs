//! What becomes of an answer, and of none: kind, outcome, and whether the request was sent again.

use std::time::Duration;

use futures_util::TryStreamExt;
use persistent_fs::{Backend, Error, ErrorKind, Key, Outcome, Prefix, ReadOptions, Retry, WriteOptions};

use crate::stub::{BEGUN, OK, Reply, Stub};

const LARGE: usize = (5 << 20) + 1;

fn key() -> Key {
    Key::parse("a").expect("a key")
}

fn error(code: &'static str, status: u16) -> Reply {
    let body: &'static str = match code {
        "SlowDown" => "<Error><Code>SlowDown</Code></Error>",
        "NoSuchBucket" => "<Error><Code>NoSuchBucket</Code></Error>",
        "PreconditionFailed" => "<Error><Code>PreconditionFailed</Code></Error>",
        "ConditionalRequestConflict" => "<Error><Code>ConditionalRequestConflict</Code></Error>",
        "NotImplemented" => "<Error><Code>NotImplemented</Code></Error>",
        _ => "<Error><Code>InternalError</Code></Error>",
    };
    Reply::Answer(status, "", body)
}

async fn put(stub: &Stub, options: WriteOptions) -> Result<(), Error> {
    stub.store().await.put(&key(), "body".into(), options).await.map(drop)
}

/// Sends a body in two parts.
async fn upload(stub: &Stub, options: WriteOptions) -> Result<(), Error> {
    stub.store().await.put(&key(), vec![7; LARGE].into(), options).await.map(drop)
}

fn is(error: &Error, kind: ErrorKind, outcome: Outcome) {
    assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{error:?}");
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_unknown_and_not_sent_again() {
    for lost in [Reply::Nothing, error("", 500), error("", 503)] {
        let stub = Stub::answering([lost.clone()]).await;
        let error = put(&stub, WriteOptions::create()).await.expect_err("no answer");
        assert_eq!(error.outcome(), Outcome::Unknown, "{lost:?}: {error:?}");
        assert_eq!(stub.asked(), ["PUT /bucket/a"], "{lost:?}");
    }
}

#[tokio::test]
async fn a_create_that_was_surely_refused_is_sent_again() {
    for refused in [error("SlowDown", 503), error("ConditionalRequestConflict", 409)] {
        let stub = Stub::answering([refused, OK]).await;
        put(&stub, WriteOptions::create()).await.expect("the second time");
        assert_eq!(stub.asked(), ["PUT /bucket/a", "PUT /bucket/a"]);
    }
}

#[tokio::test]
async fn a_replace_whose_answer_is_lost_is_sent_again() {
    let stub = Stub::answering([Reply::Nothing, OK]).await;
    put(&stub, WriteOptions::default()).await.expect("the second time");
    let stub = Stub::answering([Reply::Nothing, error("AccessDenied", 403)]).await;
    let error = put(&stub, WriteOptions::default()).await.expect_err("refused");
    assert_eq!(error.outcome(), Outcome::Unknown, "the first may have been applied: {error:?}");
}

#[tokio::test]
async fn a_failed_condition_is_told_as_what_it_was() {
    let stub = Stub::answering([error("PreconditionFailed", 412)]).await;
    let refused = put(&stub, WriteOptions::create()).await.expect_err("refused");
    is(&refused, ErrorKind::AlreadyExists, Outcome::NotApplied);
    let swap = WriteOptions::matching(persistent_fs::ETag::new("e0"));
    is(&put(&stub, swap).await.expect_err("refused"), ErrorKind::Precondition, Outcome::NotApplied);
}

#[tokio::test]
async fn an_upload_that_ends_in_an_error_behind_a_good_status_has_failed() {
    let stub = Stub::answering([BEGUN, OK, OK, error("", 200), OK]).await;
    let failed = upload(&stub, WriteOptions::create()).await.expect_err("an error in the body");
    is(&failed, ErrorKind::Unavailable, Outcome::Unknown);
    let asked = stub.asked();
    assert_eq!(asked[3..], ["POST /bucket/a?uploadId=u1", "DELETE /bucket/a?uploadId=u1"], "{asked:?}");

    let stub = Stub::answering([BEGUN, OK, OK, error("PreconditionFailed", 200), OK]).await;
    let refused = upload(&stub, WriteOptions::create()).await.expect_err("an error in the body");
    is(&refused, ErrorKind::AlreadyExists, Outcome::NotApplied);
}

#[tokio::test]
async fn an_upload_that_ends_without_an_answer_is_unknown_and_not_ended_again() {
    let stub = Stub::answering([BEGUN, OK, OK, Reply::Nothing, OK]).await;
    let lost = upload(&stub, WriteOptions::create()).await.expect_err("no answer");
    assert_eq!(lost.outcome(), Outcome::Unknown);
    assert_eq!(stub.asked().iter().filter(|line| line.starts_with("POST /bucket/a?uploadId")).count(), 1);
}

#[tokio::test]
async fn parts_that_fail_change_nothing_and_are_given_up() {
    let stub =
        Stub::answering([BEGUN, error("", 500), error("", 500), error("", 500), error("", 500), OK]).await;
    let failed = upload(&stub, WriteOptions::default()).await.expect_err("no part arrives");
    is(&failed, ErrorKind::Unavailable, Outcome::NotApplied);
    while !stub.asked().iter().any(|line| line == "DELETE /bucket/a?uploadId=u1") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_missing_bucket_is_never_a_missing_object() {
    let stub = Stub::answering([Reply::Answer(404, "", ""), error("NoSuchBucket", 404)]).await;
    is(&stub.store().await.head(&key()).await.expect_err("gone"), ErrorKind::Config, Outcome::NotApplied);
    let stub = Stub::answering([error("NoSuchBucket", 404)]).await;
    let store = stub.store().await;
    is(&store.delete(&key()).await.expect_err("gone"), ErrorKind::Config, Outcome::NotApplied);
    let listed = store.list(&Prefix::all(), None).try_next().await;
    is(&listed.expect_err("gone"), ErrorKind::Config, Outcome::NotApplied);
    is(
        &store.read(&key(), ReadOptions::default()).await.expect_err("gone"),
        ErrorKind::Config,
        Outcome::NotApplied,
    );
}

#[tokio::test]
async fn the_pause_that_a_server_asks_for_is_passed_on() {
    let throttled = Reply::Answer(503, "retry-after: 60\r\n", "<Error><Code>SlowDown</Code></Error>");
    let stub = Stub::answering([throttled]).await;
    let error = put(&stub, WriteOptions::default()).await.expect_err("throttled");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Throttled, Retry::After(Duration::from_mins(1))));
    assert_eq!(stub.asked().len(), 1, "nobody waits that long unasked");
}

#[tokio::test]
async fn a_bucket_elsewhere_is_a_configuration_that_names_where() {
    let elsewhere = Reply::Answer(301, "x-amz-bucket-region: eu-north-1\r\nlocation: http://h/\r\n", "");
    let stub = Stub::answering([elsewhere]).await;
    for error in [
        put(&stub, WriteOptions::default()).await.expect_err("elsewhere"),
        stub.store().await.read(&key(), ReadOptions::default()).await.expect_err("elsewhere"),
    ] {
        is(&error, ErrorKind::Config, Outcome::NotApplied);
        assert!(error.to_string().contains("eu-north-1"), "{error}");
    }
}

#[tokio::test]
async fn a_delete_by_prefix_tells_the_object_that_would_not_go() {
    let listed = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1</Size>\
        <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents><Contents><Key>b</Key><Size>1</Size>\
        <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>";
    let deleted = "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code>\
        <Message>no</Message></Error></DeleteResult>";
    let stub = Stub::answering([Reply::Answer(200, "", listed), Reply::Answer(200, "", deleted)]).await;
    let error = stub.store().await.delete_prefix(&Prefix::all()).await.expect_err("one stays");
    is(&error, ErrorKind::Denied, Outcome::Unknown);
}

#[tokio::test]
async fn a_server_that_lists_no_uploads_is_not_swept() {
    let stub = Stub::answering([error("NotImplemented", 501)]).await;
    let error = stub.store().await.sweep(Duration::ZERO).await.expect_err("not offered");
    is(&error, ErrorKind::Unsupported, Outcome::NotApplied);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let stub = Stub::answering([Reply::Silence]).await;
    let mut config = stub.config();
    config.timeout = Duration::from_millis(50);
    config.retries = 0;
    let store = fs_s3::S3::open(config).await.expect("nothing is asked yet");
    let error = store.put(&key(), "body".into(), WriteOptions::default()).await.expect_err("silence");
    is(&error, ErrorKind::Timeout, Outcome::Unknown);
    let error = store.head(&key()).await.expect_err("silence");
    is(&error, ErrorKind::Timeout, Outcome::NotApplied);
}
