//! Links to write, over HTTP: they take the body they were made for, whole, or nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{future::join_all, stream};
use http::Uri;
use persistent_fs::{ByteStream, ErrorKind, Link, LinkRequest};
use sha2::{Digest, Sha256};

use super::{
    Harness,
    bench::{Bench, PUT_LINKS, key, noise, refused},
    link_http::{Quirk, broken, forgeries, header, pieces, stored, to, turned_away},
};
use crate::{Case, Checked, cases};

const MINUTE: Duration = Duration::from_mins(1);
const BODY: &[u8] = b"0123456789";

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::put_links" needs PUT_LINKS;
        an_upload_needs_nothing_but_the_link,
        a_body_of_another_size_is_never_visible,
        a_body_without_a_length_is_held_to_the_link,
        a_body_of_another_hash_is_never_visible,
        the_media_type_is_the_links,
        an_upload_that_breaks_off_is_never_visible,
        an_endless_body_is_cut_off,
        a_large_body_arrives_whole,
        a_link_to_write_does_nothing_else,
        a_changed_link_writes_nothing,
        an_expired_link_writes_nothing,
        a_link_can_replace_again_and_again,
        pages_of_other_origins_may_ask_first,
        a_link_that_creates_works_once,
        of_many_at_once_one_creates,
    ]
}

/// A link for a body of this length, made out as strictly as a length allows.
fn sized(length: usize) -> LinkRequest {
    LinkRequest::Put {
        expires_in: MINUTE,
        size: Some(length as u64),
        sha256: None,
        content_type: None,
        create_only: false,
    }
}

fn creating(length: usize) -> LinkRequest {
    LinkRequest::Put {
        expires_in: MINUTE,
        size: Some(length as u64),
        sha256: None,
        content_type: None,
        create_only: true,
    }
}

/// The URL and the headers that come with it suffice, and everybody then sees what was sent.
async fn an_upload_needs_nothing_but_the_link(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for (name, body) in [("a/b", BODY.to_vec()), ("empty", Vec::new()), ("a ?#&%2F+ä", noise(3, 70_000))] {
        if bench.fixture.refuses(&key(name)) {
            continue;
        }
        let link = bench.minted(name, sized(body.len())).await;
        stored(&bench.upload(to(&link), &body).await?);
        let meta = bench.files.head(&key(name)).await.expect("stored");
        assert_eq!(meta.size, body.len() as u64);
        assert_eq!(bench.body(name).await, body);
        assert!(bench.list_all().await.contains(&name.to_owned()));
    }
    Ok(())
}

/// Shorter, longer, or other than its own header says: refused, and what was there stands.
async fn a_body_of_another_size_is_never_visible(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "it stands").await;
    for name in ["new", "old"] {
        let link = bench.minted(name, sized(10)).await;
        for (length, body) in [
            (0, &b""[..]),
            (9, b"012345678"),
            (11, b"0123456789a"),
            (10, b"012345678"),
            (11, b"0123456789"),
            (9, b"0123456789"),
        ] {
            turned_away(&bench.upload_saying(to(&link), length, body).await?);
            unchanged(&bench, name).await;
        }
        stored(&bench.upload(to(&link), BODY).await?);
        assert_eq!(bench.body(name).await, BODY);
    }
    Ok(())
}

/// A body in chunks is counted.
async fn a_body_without_a_length_is_held_to_the_link(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let link = bench.minted("new", sized(10)).await;
    for body in [&b""[..], b"012345678", b"0123456789a", &noise(4, 100_000)] {
        turned_away(&bench.upload_unsized(to(&link), pieces(body)).await?);
        unchanged(&bench, "new").await;
    }
    let right = bench.upload_unsized(to(&link), pieces(BODY)).await?;
    if bench.has(Quirk::LengthRequired) && !right.status().is_success() {
        turned_away(&right);
        return Ok(());
    }
    stored(&right);
    assert_eq!(bench.body("new").await, BODY);
    Ok(())
}

/// The link can fix the content itself.
async fn a_body_of_another_hash_is_never_visible(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let sha256 = Some(Sha256::digest(BODY).into());
    let request = LinkRequest::Put {
        expires_in: MINUTE,
        size: Some(10),
        sha256,
        content_type: None,
        create_only: false,
    };
    let link = bench.minted("new", request).await;
    turned_away(&bench.upload(to(&link), b"0123456788").await?);
    unchanged(&bench, "new").await;
    stored(&bench.upload(to(&link), BODY).await?);
    assert_eq!(bench.body("new").await, BODY);
    Ok(())
}

/// The uploader has no say in it.
async fn the_media_type_is_the_links(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let typed = Some("text/plain".to_owned());
    let request = LinkRequest::Put {
        expires_in: MINUTE,
        size: Some(10),
        sha256: None,
        content_type: typed,
        create_only: false,
    };
    if !bench.files.capabilities().content_type {
        refused(bench.files.link(&key("new"), request).await, ErrorKind::Unsupported);
        return Ok(());
    }
    let link = bench.minted("new", request).await;
    let mut other = link.clone();
    other.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    turned_away(&bench.upload(to(&other).header("content-type", "text/html"), BODY).await?);
    unchanged(&bench, "new").await;
    stored(&bench.upload(to(&link), BODY).await?);
    let meta = bench.files.head(&key("new")).await.expect("stored");
    assert_eq!(meta.content_type.as_deref(), Some("text/plain"));
    Ok(())
}

/// A connection that is lost publishes nothing, and the link still works for the next attempt.
async fn an_upload_that_breaks_off_is_never_visible(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "it stands").await;
    for name in ["new", "old"] {
        let link = bench.minted(name, sized(10)).await;
        for sent in [&BODY[..0], &BODY[..4], &BODY[..9]] {
            let request = to(&link).header("content-length", 10);
            let request = request.body(broken(sent)).expect("a request");
            turned_away(&bench.fixture.fetch(request, Duration::ZERO).await?);
            unchanged(&bench, name).await;
        }
        stored(&bench.upload(to(&link), BODY).await?);
        assert_eq!(bench.body(name).await, BODY);
    }
    Ok(())
}

/// More than was agreed is not read to its end, so nobody can keep a server busy with it.
async fn an_endless_body_is_cut_off(harness: &dyn Harness) -> Checked {
    const MOST: usize = 1024;
    let bench = Bench::open(harness).await?;
    let link = bench.minted("new", sized(100_000)).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let piece = Bytes::from(vec![7; 64 * 1024]);
    let endless: ByteStream = Box::pin(stream::iter((0..MOST).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(piece.clone())
    })));
    turned_away(&bench.upload_unsized(to(&link), endless).await?);
    unchanged(&bench, "new").await;
    // What lies in buffers on the way is sent in vain.
    assert!(sent.load(Ordering::Relaxed) < MOST / 2, "it was all read");
    Ok(())
}

/// Many pieces become one object.
async fn a_large_body_arrives_whole(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = noise(5, harness.scale().pick(20, 6) * 1024 * 1024 + 1);
    let link = bench.minted("large", sized(body.len())).await;
    stored(&bench.upload(to(&link), &body).await?);
    assert!(bench.body("large").await == body, "it arrived otherwise than it was sent");
    Ok(())
}

/// It neither reads nor removes, whatever the verb.
async fn a_link_to_write_does_nothing_else(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "it stands").await;
    let link = bench.minted("old", sized(10)).await;
    for method in ["GET", "HEAD", "DELETE"] {
        let answer = bench.send(to(&link).method(method)).await?;
        turned_away(&answer);
        assert!(!answer.body().windows(5).any(|part| part == b"stand"), "{method} tells what is there");
    }
    for method in ["POST", "PATCH"] {
        turned_away(&bench.upload(to(&link).method(method), BODY).await?);
    }
    unchanged(&bench, "old").await;
    Ok(())
}

/// Every byte of what is signed counts.
async fn a_changed_link_writes_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "it stands").await;
    let link = bench.minted("old", sized(10)).await;
    let mut tried = 0;
    for forged in forgeries(&link).into_iter().step_by(harness.scale().pick(1, 7)) {
        let Ok(uri) = forged.parse::<Uri>() else { continue };
        turned_away(&bench.upload(to(&link).uri(uri), BODY).await?);
        tried += 1;
    }
    assert!(tried > 0, "nothing was forged");
    assert_eq!(bench.list_all().await, ["old"], "something was written elsewhere");
    unchanged(&bench, "old").await;
    Ok(())
}

/// An upload begins in time or not at all.
async fn an_expired_link_writes_nothing(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("old", "it stands").await;
    let request = LinkRequest::Put {
        expires_in: Duration::from_secs(1),
        size: Some(10),
        sha256: None,
        content_type: None,
        create_only: false,
    };
    let mut request = to(&bench.minted("old", request).await).body(pieces(BODY)).expect("a request");
    request.headers_mut().insert("content-length", 10.into());
    turned_away(&bench.fixture.fetch(request, Duration::from_secs(2)).await?);
    unchanged(&bench, "old").await;
    Ok(())
}

/// Unless it only creates, a link is good for any number of uploads, each of which replaces the one before.
async fn a_link_can_replace_again_and_again(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "it stands").await;
    let link = bench.minted("a", sized(5)).await;
    for body in [b"first", b"secon", b"third"] {
        stored(&bench.upload(to(&link), body).await?);
        assert_eq!(bench.body("a").await, body);
    }
    Ok(())
}

/// A browser asks before it uploads to another origin, and hears that it may, without a token being looked at.
async fn pages_of_other_origins_may_ask_first(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    if bench.has(Quirk::NoPreflight) {
        return Ok(());
    }
    let link = bench.minted("new", sized(10)).await;
    let forged = forgeries(&link).into_iter().find_map(|url| url.parse::<Uri>().ok()).expect("a forgery");
    let ask = |request: http::request::Builder| {
        let request = request.method("OPTIONS").header("origin", "https://app.example");
        let request = request.header("access-control-request-method", "PUT");
        bench.send(request.header("access-control-request-headers", "content-type"))
    };
    let (answer, to_forged) = (ask(to(&link)).await?, ask(to(&link).uri(forged)).await?);
    stored(&answer);
    assert!(["*", "https://app.example"].contains(&header(&answer, "access-control-allow-origin")));
    assert!(header(&answer, "access-control-allow-methods").contains("PUT"));
    assert!(header(&answer, "access-control-allow-headers").contains("content-type"));
    assert_eq!(header(&answer, "access-control-allow-credentials"), "", "a link is the only proof");
    assert_eq!((answer.status(), answer.headers()), (to_forged.status(), to_forged.headers()));

    let sent = bench.upload(to(&link).header("origin", "https://app.example"), BODY).await?;
    stored(&sent);
    assert_ne!(header(&sent, "access-control-allow-origin"), "", "the page may not know how it went");
    Ok(())
}

/// A second upload is refused, and the first stands, until the object is removed.
async fn a_link_that_creates_works_once(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    if !bench.files.capabilities().create {
        refused(bench.files.link(&key("new"), creating(10)).await, ErrorKind::Unsupported);
        return Ok(());
    }
    let link = bench.minted("new", creating(10)).await;
    stored(&bench.upload(to(&link), BODY).await?);
    for body in [b"9876543210", BODY] {
        turned_away(&bench.upload(to(&link), body).await?);
        assert_eq!(bench.body("new").await, BODY);
    }
    bench.put("old", "it stands").await;
    let late = bench.minted("old", creating(10)).await;
    turned_away(&bench.upload(to(&late), BODY).await?);
    unchanged(&bench, "old").await;
    Ok(())
}

/// Racing uploads through one link have one winner, and the object is the winner's in full.
async fn of_many_at_once_one_creates(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    if !bench.files.capabilities().create {
        refused(bench.files.link(&key("new"), creating(10)).await, ErrorKind::Unsupported);
        return Ok(());
    }
    for round in 0..harness.scale().pick(20, 2) {
        let name = format!("new-{round}");
        let link = bench.minted(&name, creating(30_000)).await;
        let bodies = (0..16).map(|racer| noise(racer, 30_000)).collect::<Vec<_>>();
        let answers = join_all(bodies.iter().map(|body| race(&bench, &link, body))).await;
        let mut winners = Vec::new();
        for (racer, answer) in answers.into_iter().enumerate() {
            let answer = answer?;
            if answer.status().is_success() {
                winners.push(racer);
            } else {
                turned_away(&answer);
            }
        }
        let [winner] = winners[..] else { panic!("{} won", winners.len()) };
        assert!(bench.body(&name).await == bodies[winner], "the object is not the winner's");
    }
    Ok(())
}

async fn race(bench: &Bench, link: &Link, body: &[u8]) -> Result<http::Response<Bytes>, crate::Absent> {
    bench.upload(to(link), body).await
}

/// Demands that nothing was written: no object `new`, and `old` as it was.
async fn unchanged(bench: &Bench, name: &str) {
    if name == "old" {
        assert_eq!(bench.body("old").await, b"it stands");
    } else {
        bench.assert_absent(name).await;
    }
}
