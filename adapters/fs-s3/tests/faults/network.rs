//! Servers that are away, that are somebody else, that send us elsewhere, or that ask for patience.

use std::sync::Arc;

use bytes::Bytes;
use conformance_tests::{
    fault_proxy::{Fault, Reply, When},
    s3_server::S3Server,
};
use fs_s3::S3;
use futures_util::TryStreamExt;
use persistent_fs::{Backend, Error, ErrorKind, Outcome, Prefix, ReadOptions, Retry, WriteOptions};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::bench::{Bench, PART, config, key, within};

/// What every kind of call says of a server that cannot be used.
async fn errors(store: &S3) -> Vec<Error> {
    let key = key("a");
    let mut upload = store.writer(&key, WriteOptions::default()).await.expect("nothing is asked yet");
    let uploaded = match upload.write(vec![0; PART + 1].into()).await {
        Ok(()) => upload.finish().await.map(drop),
        Err(error) => Err(error),
    };
    let all = [
        store.put(&key, "body".into(), WriteOptions::default()).await.map(drop),
        store.put(&key, "body".into(), WriteOptions::create()).await.map(drop),
        uploaded,
        store.head(&key).await.map(drop),
        store.read(&key, ReadOptions::default()).await.map(drop),
        store.list(&Prefix::all(), None).try_collect::<Vec<_>>().await.map(drop),
        store.delete(&key).await,
        store.delete_prefix(&Prefix::all()).await.map(drop),
        store.sweep(std::time::Duration::ZERO).await.map(drop),
    ];
    all.into_iter().map(|ended| ended.expect_err("there is no server")).collect()
}

async fn assert_out_of_reach(server: &S3Server, endpoint: &str) {
    let store = S3::open(config(server, endpoint)).await.expect("nothing is asked yet");
    for error in within(errors(&store)).await {
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Unavailable, Outcome::NotApplied),
            "{error:?}"
        );
        assert_eq!(error.retry(), Retry::Backoff, "{error:?}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_out_of_reach() {
    let server = S3Server::start().await.expect("a server");
    // Reserved for names that never resolve.
    assert_out_of_reach(&server, "http://s3.undercroft.invalid").await;
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_is_out_of_reach() {
    let server = S3Server::start().await.expect("a server");
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    assert_out_of_reach(&server, &format!("http://{nobody}")).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_has_signed_is_refused() {
    let server = S3Server::start().await.expect("a server");
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .expect("a key");
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let accepting = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            assert!(
                acceptor.accept(socket).await.is_err(),
                "the client speaks to somebody whom it cannot know"
            );
        }
    });
    assert_out_of_reach(&server, &format!("https://localhost:{port}")).await;
    assert!(!accepting.is_finished(), "nothing was sent to a server that is not known");
}

#[tokio::test]
async fn a_redirect_names_the_region_and_is_not_followed() {
    let bench = Bench::open().await;
    let elsewhere = Bench::open().await;
    let target: &'static str = elsewhere.proxy.endpoint().leak();
    for (status, code) in [(301, "PermanentRedirect"), (307, "TemporaryRedirect")] {
        let reply = Reply::s3_error(status, code)
            .header("location", target)
            .header("x-amz-bucket-region", "eu-south-2");
        bench.proxy.inject(When::any().always(), Fault::Answer(reply));
        for error in errors(&bench.store).await {
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Config, Outcome::NotApplied),
                "{error:?}"
            );
            assert!(error.to_string().contains("eu-south-2"), "{error}");
        }
        bench.proxy.heal();
    }
    assert_eq!(elsewhere.proxy.take_requests(), [""; 0], "a redirect was followed");
}

#[tokio::test]
async fn a_burst_is_waited_out_and_an_outage_is_not() {
    let bench = Bench::with(|config| config.retries = 2).await;
    let busy = Reply::s3_error(503, "SlowDown");
    bench.proxy.inject(When::method("PUT").times(2), Fault::Answer(busy.clone()));
    bench.store.put(&key("a"), "body".into(), WriteOptions::create()).await.expect("the third attempt works");
    assert_eq!(bench.proxy.heal(), 2);

    bench.proxy.inject(When::method("PUT").always(), Fault::Answer(busy));
    let error = bench.store.put(&key("b"), "body".into(), WriteOptions::create()).await.expect_err("busy");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::NotApplied), "{error:?}");
    assert_eq!(bench.proxy.heal(), 3, "so many attempts, and no more");
}

#[tokio::test]
async fn a_long_pause_is_left_to_the_caller() {
    let bench = Bench::open().await;
    let later = Reply::s3_error(503, "SlowDown").header("retry-after", "3600");
    bench.proxy.inject(When::method("PUT").always(), Fault::Answer(later));
    let error = bench.store.put(&key("a"), "body".into(), WriteOptions::default()).await.expect_err("busy");
    assert_eq!(error.retry(), Retry::After(std::time::Duration::from_hours(1)), "{error:?}");
    assert_eq!(bench.proxy.heal(), 1);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_does_not_meet_itself() {
    let bench = Bench::with(|config| config.retries = 3).await;
    bench.proxy.inject(When::method("PUT").always(), Fault::CutAfter);
    let error = bench.store.put(&key("a"), "mine".into(), WriteOptions::create()).await.expect_err("lost");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{error:?}");
    assert_eq!(bench.proxy.heal(), 1, "it is not sent again");
    assert_eq!(bench.raw("a").as_deref(), Some(&b"mine"[..]));
}

#[tokio::test]
async fn parts_may_arrive_in_any_order() {
    let bench = Bench::with(|config| {
        config.concurrency = 3;
        config.timeout = crate::bench::FOR_EVER;
    })
    .await;
    bench.proxy.inject(When::method("PUT").query("partNumber=1&"), Fault::Overtaken);
    let body: Bytes = (0..=2_u8).flat_map(|n| vec![n; PART]).collect();
    let mut upload = bench.store.writer(&key("a"), WriteOptions::default()).await.expect("an upload");
    upload.write(body.clone()).await.expect("written");
    within(upload.finish()).await.expect("finished");
    assert_eq!(bench.proxy.heal(), 1);
    assert!(bench.raw("a") == Some(body), "the parts are in their places");
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_where_it_broke() {
    let bench = Bench::open().await;
    let body = Bytes::from(vec![7; 300_000]);
    bench.place("a", &body).await;
    bench.proxy.inject(When::method("GET"), Fault::Truncate(100_000));
    let download = bench.store.read(&key("a"), ReadOptions::default()).await.expect("there");
    let read: Vec<Bytes> = download.body.try_collect().await.expect("in full");
    assert!(read.concat() == body);
    assert_eq!(bench.proxy.heal(), 1);
}
