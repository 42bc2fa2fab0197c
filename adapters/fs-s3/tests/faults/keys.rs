//! Keys that stop being good, and servers that do not keep what they seem to promise.

use std::time::Duration;

use conformance_tests::s3_server::{Flaws, S3Server};
use fs_s3::{Conditional, S3};
use persistent_fs::{Backend, ErrorKind, Outcome, WriteOptions};

use crate::bench::{Bench, PART, config, key};

#[tokio::test]
async fn keys_that_expire_within_an_upload_end_it_and_nothing_else() {
    let bench = Bench::open().await;
    bench.place("a", &"old".into()).await;
    let mut upload = bench.store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(vec![1; PART + 1].into()).await.expect("the first part");
    bench.server.expire_keys(true);
    let error = upload.finish().await.expect_err("the keys have expired");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unauthenticated, Outcome::NotApplied), "{error}");
    bench.assert_discreet(&error);
    assert_eq!(bench.raw("a").as_deref(), Some(&b"old"[..]));

    bench.server.expire_keys(false);
    bench.assert_recovers().await;
}

#[tokio::test]
async fn a_server_that_forgets_conditions_is_found_out() {
    let create = Flaws { overwrites_on_create: true, ..Flaws::default() };
    let swap = Flaws { overwrites_on_match: true, ..Flaws::default() };
    for flaws in [Flaws::default(), create, swap] {
        let server = S3Server::flawed(flaws).await.expect("a server");
        let mut probing = config(&server, &server.account().endpoint);
        probing.conditional = Conditional::Probe;
        let store = S3::open(probing).await.expect("a store");
        assert_eq!(server.raw_entries(), [""; 0], "the probe cleans up");

        let can = store.capabilities();
        assert_eq!(can.create, !flaws.overwrites_on_create, "{flaws:?}");
        // A probe that spends its parts on the one condition may leave the other undeclared.
        let swaps = !flaws.overwrites_on_match && !flaws.overwrites_on_create;
        assert_eq!(can.compare_and_swap, swaps, "{flaws:?}");
        let first = store.put(&key("a"), "first".into(), WriteOptions::default()).await.expect("written");
        let created = store.put(&key("a"), "second".into(), WriteOptions::create()).await;
        let wanted = if can.create { ErrorKind::AlreadyExists } else { ErrorKind::Unsupported };
        assert_eq!(created.expect_err("there is one").kind(), wanted, "{flaws:?}");
        store.delete(&key("a")).await.expect("deleted");
        let over = WriteOptions::matching(first.etag.expect("a version"));
        let swapped = store.put(&key("a"), "third".into(), over).await;
        let wanted = if can.compare_and_swap { ErrorKind::Precondition } else { ErrorKind::Unsupported };
        assert_eq!(swapped.expect_err("it is gone").kind(), wanted, "{flaws:?}");
        assert_eq!(server.raw_entries(), [""; 0], "nothing was written");
    }
}

#[tokio::test]
async fn uploads_that_cannot_be_listed_cannot_be_swept() {
    let flaws = Flaws { hides_uploads: true, ..Flaws::default() };
    let server = S3Server::flawed(flaws).await.expect("a server");
    let store = S3::open(config(&server, &server.account().endpoint)).await.expect("a store");
    let error = store.sweep(Duration::ZERO).await.expect_err("nothing can be swept");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn a_wrong_secret_is_told_at_once_and_tells_nothing() {
    let bench = Bench::open().await;
    let mut wrong = config(&bench.server, &bench.server.account().endpoint);
    wrong.conditional = Conditional::Probe;
    wrong.credentials = fs_s3::Credentials::Static(fs_s3::Keys::new(
        &bench.server.account().access_key,
        "this-is-not-the-secret",
    ));
    let error = S3::open(wrong).await.expect_err("the secret is wrong");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(!format!("{error:?}").contains("this-is-not-the-secret"));
    bench.assert_discreet(&error);
}
