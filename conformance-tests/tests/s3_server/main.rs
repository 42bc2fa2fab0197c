//! What an S3 server must refuse, or a test that passes against it says nothing about signatures and links.
//!
//! Each test runs against the server of this crate, and against the one that `TEST_S3_ENDPOINT` names, if there is one.

mod request;

use std::io::Write as _;

use conformance_tests::s3_server::{Account, Flaws, S3Server};
use request::Request;

/// Runs a check against both servers.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod in_process {
            $(#[tokio::test]
            async fn $name() {
                let server = super::S3Server::start().await.expect("a server");
                super::$name(server.account()).await;
            })+
        }

        mod real {
            $(#[tokio::test]
            async fn $name() {
                match super::Account::from_environment() {
                    Ok(account) => super::$name(&account).await,
                    Err(absent) => super::skipped(stringify!($name), &absent),
                }
            })+
        }
    };
}

on_both![
    what_is_signed_is_done,
    what_is_not_signed_is_refused,
    a_wrong_secret_is_refused,
    an_unknown_key_is_refused,
    a_clock_that_is_an_hour_off_is_refused,
    a_body_that_is_not_the_signed_one_is_refused,
    a_link_that_was_changed_is_refused,
    a_link_that_has_expired_is_refused,
    a_link_binds_the_headers_it_signs,
    a_create_is_refused_where_an_object_is,
];

async fn what_is_signed_is_done(account: &Account) {
    let put = Request::new(account, "PUT", "signed", "hello").signed(account, 0).send().await;
    assert_eq!(put.status, 200, "{put:?}");
    let got = Request::new(account, "GET", "signed", "").signed(account, 0).send().await;
    assert!(got.status == 200 && got.text.ends_with("hello"), "{got:?}");
    let got = Request::new(account, "GET", "signed", "").presigned(account, -30, 60).send().await;
    assert!(got.status == 200 && got.text.ends_with("hello"), "{got:?}");
    let put = Request::new(account, "PUT", "signed", "again").presigned(account, 0, 60).send().await;
    assert_eq!(put.status, 200, "{put:?}");
}

async fn what_is_not_signed_is_refused(account: &Account) {
    for method in ["GET", "PUT", "DELETE"] {
        let answer = Request::new(account, method, "bare", "").send().await;
        assert_eq!((answer.status, answer.code()), (403, "AccessDenied"), "{method}");
    }
}

async fn a_wrong_secret_is_refused(account: &Account) {
    let wrong = Account { secret_key: "wrong".to_owned(), ..account.clone() };
    let put = Request::new(account, "PUT", "wrong", "body");
    for request in [put.clone().signed(&wrong, 0), put.presigned(&wrong, 0, 60)] {
        let answer = request.send().await;
        assert_eq!((answer.status, answer.code()), (403, "SignatureDoesNotMatch"));
    }
    assert_absent(account, "wrong").await;
}

async fn an_unknown_key_is_refused(account: &Account) {
    let unknown = Account { access_key: "nobody".to_owned(), ..account.clone() };
    let answer = Request::new(account, "PUT", "unknown", "body").signed(&unknown, 0).send().await;
    assert_eq!((answer.status, answer.code()), (403, "InvalidAccessKeyId"));
}

async fn a_clock_that_is_an_hour_off_is_refused(account: &Account) {
    for skew in [-3600, 3600] {
        let answer = Request::new(account, "PUT", "skewed", "body").signed(account, skew).send().await;
        assert_eq!((answer.status, answer.code()), (403, "RequestTimeTooSkewed"), "{skew}");
    }
    assert_absent(account, "skewed").await;
}

async fn a_body_that_is_not_the_signed_one_is_refused(account: &Account) {
    let mut request = Request::new(account, "PUT", "swapped", "one body").signed(account, 0);
    request.body = "1t other";
    let answer = request.send().await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_absent(account, "swapped").await;
}

async fn a_link_that_was_changed_is_refused(account: &Account) {
    for key in ["linked", "linked2"] {
        let put = Request::new(account, "PUT", key, "hello").signed(account, 0).send().await;
        assert_eq!(put.status, 200, "{put:?}");
    }
    let link = Request::new(account, "GET", "linked", "").presigned(account, 0, 60);
    assert_eq!(link.send().await.status, 200);

    let mut other_key = link.clone();
    other_key.path += "2";
    let mut longer = link.clone();
    longer.query.insert("X-Amz-Expires".to_owned(), "61".to_owned());
    let mut flipped = link.clone();
    let signature = flipped.query.get_mut("X-Amz-Signature").expect("signed");
    let last = if signature.pop() == Some('0') { '1' } else { '0' };
    signature.push(last);
    let deleting = Request { method: "DELETE", ..link.clone() };
    let writing = Request { method: "PUT", body: "other", ..link.clone() };
    for changed in [other_key, longer, flipped, deleting, writing] {
        let answer = changed.send().await;
        assert_eq!((answer.status, answer.code()), (403, "SignatureDoesNotMatch"), "{changed:?}");
    }
    assert_eq!(link.send().await.status, 200, "nothing has changed the object");
}

async fn a_link_that_has_expired_is_refused(account: &Account) {
    for method in ["GET", "PUT"] {
        let answer = Request::new(account, method, "expired", "").presigned(account, -120, 60).send().await;
        assert_eq!((answer.status, answer.code()), (403, "AccessDenied"), "{method}");
    }
}

async fn a_link_binds_the_headers_it_signs(account: &Account) {
    remove(account, "bound").await;
    let link = Request::new(account, "PUT", "bound", "hello")
        .with("content-length", "5")
        .with("content-type", "text/plain")
        .presigned(account, 0, 60);
    let mut longer = link.clone().with("content-length", "6");
    longer.body = "hello!";
    for changed in [longer, link.clone().with("content-type", "text/html")] {
        assert_eq!(changed.send().await.status, 403, "{changed:?}");
    }
    assert_absent(account, "bound").await;
    assert_eq!(link.send().await.status, 200);
}

async fn a_create_is_refused_where_an_object_is(account: &Account) {
    let create =
        |body| Request::new(account, "PUT", "once", body).with("if-none-match", "*").signed(account, 0);
    remove(account, "once").await;
    assert_eq!(create("first").send().await.status, 200);
    let second = create("other").send().await;
    assert_eq!((second.status, second.code()), (412, "PreconditionFailed"));
    let got = Request::new(account, "GET", "once", "").signed(account, 0).send().await;
    assert!(got.text.ends_with("first"), "{got:?}");
}

#[tokio::test]
async fn keys_that_have_expired_are_refused() {
    let server = S3Server::start().await.expect("a server");
    let put = Request::new(server.account(), "PUT", "late", "body").signed(server.account(), 0);
    server.expire_keys(true);
    let answer = put.send().await;
    assert_eq!((answer.status, answer.code()), (400, "ExpiredToken"));
    assert_eq!(server.raw_entries(), [""; 0]);
    server.expire_keys(false);
    assert_eq!(put.send().await.status, 200);
    assert_eq!(server.object("late").as_deref(), Some(&b"body"[..]));
}

#[tokio::test]
async fn of_32_racing_creators_one_wins() {
    let server = S3Server::start().await.expect("a server");
    let account = server.account();
    let create = Request::new(account, "PUT", "raced", "body").with("if-none-match", "*").signed(account, 0);
    let racing = (0..32).map(|_| create.send());
    let answers = futures_util::future::join_all(racing).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.code() == "PreconditionFailed").count(), 31);
}

#[tokio::test]
async fn a_flaw_is_what_it_says() {
    let flaws = Flaws { overwrites_on_create: true, ..Flaws::default() };
    let server = S3Server::flawed(flaws).await.expect("a server");
    let account = server.account();
    for body in ["first", "second"] {
        let create = Request::new(account, "PUT", "once", body).with("if-none-match", "*").signed(account, 0);
        assert_eq!(create.send().await.status, 200);
    }
    assert_eq!(server.object("once").as_deref(), Some(&b"second"[..]));
}

#[tokio::test]
async fn a_server_that_was_dropped_is_gone() {
    let server = S3Server::start().await.expect("a server");
    let address = server.address();
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// What an earlier run has left behind.
async fn remove(account: &Account, key: &str) {
    let gone = Request::new(account, "DELETE", key, "").signed(account, 0).send().await;
    assert_eq!(gone.status, 204, "{gone:?}");
}

async fn assert_absent(account: &Account, key: &str) {
    let answer = Request::new(account, "GET", key, "").signed(account, 0).send().await;
    assert_eq!((answer.status, answer.code()), (404, "NoSuchKey"), "{key} must not be there: {answer:?}");
}

/// Said around the test's capture, so that it is seen although the test passes.
fn skipped(name: &str, absent: &conformance_tests::Absent) {
    writeln!(std::io::stderr(), "skipped: {name}: {absent}").expect("standard error");
}
