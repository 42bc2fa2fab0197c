//! `/blob/{token}`: a file by its link.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};

use super::attachments::{announce, attach, link, path_of, put};
use super::{assert_not_found, make_item};
use crate::support::{Answer, Client, TestApp};

const FILE: &[u8] = b"0123456789";

/// An attached file, and the path of a link to it.
async fn linked(app: &TestApp) -> (Client, String) {
    let alice = app.user("alice").await;
    let cipher = make_item(&alice).await;
    let id = attach(&alice, &cipher, FILE).await;
    let path = link(&alice, &cipher, &id).await;
    (alice, path)
}

/// A request without a session, with these headers.
async fn fetch(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let client = app.anonymous();
    let request = headers
        .iter()
        .fold(client.request(method, path), |request, (name, value)| request.header(*name, *value));
    client.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_file_is_answered_so_that_no_browser_runs_it() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    let answer = fetch(&app, Method::GET, &path, &[]).await;
    assert_eq!((answer.status, &answer.bytes[..]), (StatusCode::OK, FILE));
    assert_eq!(answer.header("content-length"), "10");
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("content-disposition").starts_with("attachment"));
}

#[tokio::test]
async fn head_says_the_same_without_the_file() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    let (get, head) =
        (fetch(&app, Method::GET, &path, &[]).await, fetch(&app, Method::HEAD, &path, &[]).await);
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers, get.headers);
}

#[tokio::test]
async fn a_part_of_a_file_can_be_asked_for() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    for (range, part, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
        ("bytes=9-9", "9", "bytes 9-9/10"),
    ] {
        let answer = fetch(&app, Method::GET, &path, &[("range", range)]).await;
        assert_eq!(
            (answer.status, &answer.bytes[..]),
            (StatusCode::PARTIAL_CONTENT, part.as_bytes()),
            "{range}"
        );
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        assert_eq!(answer.header("content-length"), part.len().to_string(), "{range}");
    }
}

#[tokio::test]
async fn a_part_that_is_not_there_is_refused_with_the_length() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    for range in ["bytes=10-", "bytes=100-200", "bytes=-0", "bytes=18446744073709551615-"] {
        let answer = fetch(&app, Method::GET, &path, &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(answer.header("content-range"), "bytes */10", "{range}");
    }
}

#[tokio::test]
async fn a_range_that_is_none_gives_the_whole_file() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    for range in ["bytes=5-2", "lines=0-1", "bytes=0-1,4-5", "bytes=a-b", "nonsense"] {
        let answer = fetch(&app, Method::GET, &path, &[("range", range)]).await;
        assert_eq!((answer.status, &answer.bytes[..]), (StatusCode::OK, FILE), "{range}");
    }
}

#[tokio::test]
async fn a_file_that_the_client_has_is_not_sent_again() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    let tag = fetch(&app, Method::GET, &path, &[]).await.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"another\", {tag}")] {
        let answer = fetch(&app, Method::GET, &path, &[("if-none-match", &known)]).await;
        assert_eq!((answer.status, answer.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(answer.header("etag"), tag);
    }
    let answer = fetch(&app, Method::GET, &path, &[("if-none-match", "\"another\"")]).await;
    assert_eq!((answer.status, &answer.bytes[..]), (StatusCode::OK, FILE));
}

#[tokio::test]
async fn parts_of_two_versions_are_never_put_together() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    let tag = fetch(&app, Method::GET, &path, &[]).await.header("etag").to_owned();
    let part = [("range", "bytes=2-4"), ("if-range", tag.as_str())];
    let answer = fetch(&app, Method::GET, &path, &part).await;
    assert_eq!((answer.status, &answer.bytes[..]), (StatusCode::PARTIAL_CONTENT, &b"234"[..]));
    let other = [("range", "bytes=2-4"), ("if-range", "\"another\"")];
    let answer = fetch(&app, Method::GET, &path, &other).await;
    assert_eq!((answer.status, &answer.bytes[..]), (StatusCode::OK, FILE));
}

#[tokio::test]
async fn a_link_ends() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    app.advance(Duration::from_secs(299));
    assert_eq!(fetch(&app, Method::GET, &path, &[]).await.status, StatusCode::OK);
    app.advance(Duration::from_secs(1));
    assert_not_found(&fetch(&app, Method::GET, &path, &[]).await, "an ended link");
}

#[tokio::test]
async fn a_tampered_link_looks_like_one_to_a_file_that_is_gone() {
    let app = TestApp::new().await;
    let (alice, path) = linked(&app).await;
    let cipher = make_item(&alice).await;
    let gone = {
        let id = attach(&alice, &cipher, FILE).await;
        let path = link(&alice, &cipher, &id).await;
        alice.delete(&format!("/api/ciphers/{cipher}/attachment/{id}"), serde_json::json!(null)).await.ok();
        app.run_jobs().await;
        fetch(&app, Method::GET, &path, &[]).await
    };
    assert_not_found(&gone, "a file that is gone");

    let token = path.split('/').nth(2).unwrap();
    for (place, old) in token.char_indices() {
        let mut tampered = token.to_owned();
        tampered.replace_range(place..=place, if old == 'A' { "B" } else { "A" });
        let answer = fetch(&app, Method::GET, &format!("/blob/{tampered}/name"), &[]).await;
        assert_eq!((answer.status, &answer.bytes), (gone.status, &gone.bytes), "character {place}");
        assert_eq!(answer.headers, gone.headers, "character {place}");
    }
    for token in
        ["", ".", "v1", "v1.1.e30.", &token[..token.len() - 1], &format!("{token}A"), &"A".repeat(9_000)]
    {
        let answer = fetch(&app, Method::GET, &format!("/blob/{token}/name"), &[]).await;
        assert_eq!((answer.status, &answer.bytes), (gone.status, &gone.bytes), "{token}");
    }
    // The name behind the token is for looks alone.
    assert_eq!(fetch(&app, Method::GET, &format!("/blob/{token}/another"), &[]).await.bytes, FILE);
    assert_eq!(fetch(&app, Method::GET, &format!("/blob/{token}"), &[]).await.bytes, FILE);
}

#[tokio::test]
async fn a_link_is_good_for_one_method() {
    let app = TestApp::new().await;
    let (alice, path) = linked(&app).await;
    assert_not_found(&put(&alice, &path, FILE).await, "PUT to a link for reading");
    assert_not_found(&put(&alice, &format!("{path}?comp=blocklist"), "").await, "a list of blocks");
    let cipher = make_item(&alice).await;
    let announced = announce(&alice, &cipher, FILE.len()).await.ok();
    let ticket = path_of(&announced["url"]);
    assert_eq!(put(&alice, &ticket, FILE).await.status, StatusCode::CREATED);
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::POST] {
        let answer = fetch(&app, method.clone(), &ticket, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(fetch(&app, Method::GET, &path, &[]).await.bytes, FILE);
}

#[tokio::test]
async fn pages_of_any_origin_may_use_a_link() {
    let app = TestApp::new().await;
    let (_, path) = linked(&app).await;
    let answer = fetch(
        &app,
        Method::OPTIONS,
        &path,
        &[
            ("origin", "https://elsewhere.example"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-ms-blob-type,x-ms-date,x-ms-version"),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-methods"), "GET,HEAD,PUT");
    for header in ["x-ms-blob-type", "x-ms-date", "x-ms-version", "content-type"] {
        assert!(
            answer.header("access-control-allow-headers").split(',').any(|known| known == header),
            "{header}"
        );
    }
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let answer = fetch(&app, Method::GET, &path, &[("origin", "https://elsewhere.example")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}
