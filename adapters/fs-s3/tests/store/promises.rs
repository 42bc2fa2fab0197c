//! What is promised of which server, and what links are bound to.

use std::time::{Duration, SystemTime};

use conformance_tests::s3_server::{Flaws, S3Server};
use fs_s3::{Conditional, Config, Credentials, Encryption, Keys, S3};
use persistent_fs::{Backend, Capabilities, Clock, ErrorKind, Key, LinkRequest, PutLinks, WriteOptions};

use crate::harness;

fn key() -> Key {
    Key::parse("a").expect("a key")
}

async fn promised(flaws: Flaws, conditional: Conditional) -> Capabilities {
    let server = S3Server::flawed(flaws).await.expect("a server");
    let mut config = harness::config(server.account());
    config.conditional = conditional;
    let store = S3::open(config).await.expect("a store");
    assert!(server.raw_entries().is_empty(), "the probe left {:?}", server.raw_entries());
    store.capabilities()
}

#[tokio::test]
async fn a_server_is_promised_for_what_it_keeps() {
    let good = promised(Flaws::default(), Conditional::Probe).await;
    assert!(good.create && good.compare_and_swap);
    assert_eq!(good.put_links, PutLinks::Exact);
    let overwrites = Flaws { overwrites_on_create: true, ..Flaws::default() };
    assert!(!promised(overwrites, Conditional::Probe).await.create);
    let overwrites = Flaws { overwrites_on_match: true, ..Flaws::default() };
    assert!(!promised(overwrites, Conditional::Probe).await.compare_and_swap);
}

#[tokio::test]
async fn what_the_operator_says_is_taken_for_it() {
    let no = promised(Flaws::default(), Conditional::No).await;
    assert!(!no.create && !no.compare_and_swap);
    let yes = promised(Flaws { overwrites_on_create: true, ..Flaws::default() }, Conditional::Yes).await;
    assert!(yes.create && yes.compare_and_swap);
}

#[tokio::test]
async fn a_store_without_parts_says_how_small_its_objects_are() {
    let put = promised(Flaws::default(), Conditional::Put).await;
    assert!(put.create && put.compare_and_swap);
    assert_eq!(put.max_size, Some(8 << 20));
}

#[tokio::test]
async fn opening_tells_what_is_wrong_with_keys_and_bucket() {
    let server = S3Server::start().await.expect("a server");
    let good = harness::config(server.account());
    let with = |change: fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        S3::open(config)
    };
    let forged = with(|config| config.credentials = Credentials::Static(Keys::new("id", "hush"))).await;
    let forged = forged.expect_err("unknown keys");
    assert_eq!(forged.kind(), ErrorKind::Unauthenticated, "{forged:?}");
    assert!(!format!("{forged:?}").contains("hush"));
    let missing = with(|config| config.bucket = "another".to_owned()).await.expect_err("no such bucket");
    assert_eq!(missing.kind(), ErrorKind::Config, "{missing:?}");
    let nobody = with(|config| config.endpoint = Some("http://127.0.0.1:1".parse().expect("a URL"))).await;
    assert_eq!(nobody.expect_err("nobody listens").kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn keys_that_expire_are_unauthenticated_and_nothing_shows_them() {
    let server = S3Server::start().await.expect("a server");
    let store = S3::open(harness::config(server.account())).await.expect("a store");
    server.expire_keys(true);
    for error in [
        store.put(&key(), "body".into(), WriteOptions::default()).await.expect_err("expired"),
        store.delete(&key()).await.expect_err("expired"),
        store.sweep(Duration::ZERO).await.expect_err("expired"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    }
    assert!(!format!("{store:?}").contains(&server.account().secret_key));
}

#[tokio::test]
async fn a_link_lives_seven_days_at_most_and_never_longer_than_its_keys() {
    let server = S3Server::start().await.expect("a server");
    let (day, now) =
        (Duration::from_hours(24), SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_900));
    let mut config = harness::config(server.account());
    config.clock = Clock::new(move || now);
    config.credentials = Credentials::Static(Keys { expires_at: Some(now + day), ..Keys::new("id", "hush") });
    config.conditional = Conditional::Yes;
    let store = S3::open(config).await.expect("a store");
    let key = key();
    let mint = |expires_in| store.link(&key, LinkRequest::get(expires_in));
    for refused in
        [Duration::ZERO, Duration::from_millis(999), 7 * day + Duration::from_secs(1), Duration::MAX]
    {
        assert_eq!(mint(refused).await.expect_err("refused").kind(), ErrorKind::InvalidOption);
    }
    let second = Duration::from_secs(1);
    assert!(mint(second).await.expect("short").expires_at <= now + second);
    let long = mint(7 * day).await.expect("long").expires_at;
    assert_eq!(long, SystemTime::UNIX_EPOCH + Duration::from_hours(500_000) + day, "whole seconds");
}

#[tokio::test]
async fn a_link_to_write_brings_the_headers_of_new_objects() {
    let server = S3Server::start().await.expect("a server");
    let mut config = harness::config(server.account());
    config.encryption = Some(Encryption::S3);
    config.storage_class = Some("STANDARD_IA".to_owned());
    let store = S3::open(config).await.expect("a store");
    let link = store.link(&key(), LinkRequest::put(Duration::from_mins(1))).await.expect("a link");
    let told =
        |name: &str| link.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
    assert_eq!(told("x-amz-server-side-encryption"), Some("AES256"));
    assert_eq!(told("x-amz-storage-class"), Some("STANDARD_IA"));
}
