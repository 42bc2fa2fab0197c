//! Links that a store mints with our own tokens: they do for what they say, and for nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use persistent_fs::{
    ByteStream, Clock, ErrorKind, Files, Link, LinkRequest, Method,
    links::{Access, KeyRing, LinkKey, LinkSigner, LinkVerifier, serve::LinkServer},
};
use url::Url;

use super::{
    Harness,
    bench::{Bench, GET_LINKS, key, refused},
    link_http::{answered, carries, pieces, to, turned_away},
};
use crate::{Absent, Case, Checked, Need, cases};

/// The moment at which all links of the suite are minted, in seconds since 1970.
const NOW: u64 = 1_800_000_000;
const MINUTE: Duration = Duration::from_mins(1);
pub(super) const BASE: &str = "https://files.example/blob";

/// For links that are ours. A store whose links are somebody else's is tested by those over HTTP.
const OUR_GET_LINKS: Need<dyn Harness> = Need {
    declared: |harness| Box::pin(ours(harness, LinkRequest::get(MINUTE))),
    undeclared: |harness| Box::pin(foreign(harness, LinkRequest::get(MINUTE))),
};

const OUR_PUT_LINKS: Need<dyn Harness> = Need {
    declared: |harness| Box::pin(ours(harness, sized(3))),
    undeclared: |harness| Box::pin(foreign(harness, sized(3))),
};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::link_tokens" needs GET_LINKS;
        a_link_of_no_or_endless_duration_is_refused,
    ];
    all.extend(cases!["files::link_tokens" needs OUR_GET_LINKS;
        a_download_link_grants_its_object,
        a_link_dies_when_it_was_asked_to,
        a_link_does_for_its_method_alone,
        every_flipped_byte_is_refused_with_one_answer,
        any_key_travels_unharmed,
        a_link_of_another_store_is_refused,
        a_rotated_key_is_good_until_it_is_removed,
        a_clock_that_is_off_moves_the_expiry_and_nothing_else,
    ]);
    all.extend(cases!["files::link_tokens" needs OUR_PUT_LINKS;
        an_upload_link_carries_every_condition,
        an_upload_under_a_grant_is_held_to_it,
        a_length_that_lies_is_found_out,
        an_upload_that_began_in_time_may_end_later,
    ]);
    all
}

/// The signer for stores under test: fixed keys, fixed clock, and a base that only looks like an address.
pub fn signer() -> LinkSigner {
    let clock = Clock::new(|| after(Duration::ZERO));
    let ring = KeyRing::new(link_key("suite", 0x5A));
    LinkSigner::new("suite", Url::parse(BASE).expect("a URL"), ring, clock).expect("a good base")
}

/// A link for reading yields the object, the name and the type that were asked for.
async fn a_download_link_grants_its_object(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let request = LinkRequest::Get {
        expires_in: MINUTE,
        file_name: Some("Bericht \"1\".pdf".to_owned()),
        content_type: Some("application/pdf".to_owned()),
        inline: true,
    };
    let link = bench.files.link(&key("a/b"), request).await.expect("a link");
    assert_eq!((link.method, link.expires_at), (Method::Get, after(MINUTE)));
    let grant =
        bench.fixture.verify(Method::Get, &token(&link), after(Duration::ZERO))?.expect("a good token");
    assert_eq!((grant.key, grant.expires_at), (key("a/b"), after(MINUTE)));
    let Access::Get { file_name, content_type, inline } = grant.access else { panic!("not for reading") };
    assert_eq!(file_name.as_deref(), Some("Bericht \"1\".pdf"));
    assert_eq!((content_type.as_deref(), inline), (Some("application/pdf"), true));
    Ok(())
}

/// The link dies at `expires_at` at the latest, which is never later than asked for.
async fn a_link_dies_when_it_was_asked_to(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for request in [LinkRequest::get(MINUTE), LinkRequest::put(MINUTE)] {
        let method = request.method();
        let Ok(link) = bench.files.link(&key("a"), request).await else { continue };
        assert!(link.expires_at <= after(MINUTE), "it lives longer than asked for");
        let last = after(MINUTE) - Duration::from_millis(1);
        assert!(bench.fixture.verify(method, &token(&link), last)?.is_ok(), "it died early");
        for late in [MINUTE, MINUTE * 2, MINUTE * 1_000_000] {
            refused(bench.fixture.verify(method, &token(&link), after(late))?, ErrorKind::Denied);
        }
    }
    Ok(())
}

/// A duration of zero or beyond all time: `InvalidOption`.
async fn a_link_of_no_or_endless_duration_is_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for expires_in in [Duration::ZERO, Duration::MAX] {
        refused(bench.files.link(&key("a"), LinkRequest::get(expires_in)).await, ErrorKind::InvalidOption);
    }
    Ok(())
}

/// A link to read does not write, and the other way round.
async fn a_link_does_for_its_method_alone(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for (request, other) in [(LinkRequest::get(MINUTE), Method::Put), (LinkRequest::put(MINUTE), Method::Get)]
    {
        let method = request.method();
        let Ok(link) = bench.files.link(&key("a"), request).await else { continue };
        assert_eq!(link.method, method);
        assert!(bench.fixture.verify(method, &token(&link), after(Duration::ZERO))?.is_ok());
        refused(bench.fixture.verify(other, &token(&link), after(Duration::ZERO))?, ErrorKind::Denied);
    }
    Ok(())
}

/// A token changed anywhere is refused, and all refusals read the same, expired ones included.
async fn every_flipped_byte_is_refused_with_one_answer(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let link = bench.files.link(&key("a"), LinkRequest::get(MINUTE)).await.expect("a link");
    let token = token(&link);
    let mut tampered = vec![String::new(), "x".to_owned(), "...".to_owned(), "x".repeat(100_000)];
    for position in 0..token.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64] {
            let mut bytes = token.clone().into_bytes();
            bytes[position] ^= flip;
            tampered.extend(String::from_utf8(bytes));
        }
        tampered.push(token[..position].to_owned());
        tampered.push(format!("{}A{}", &token[..position], &token[position..]));
    }
    let expired = refused(bench.fixture.verify(Method::Get, &token, after(MINUTE))?, ErrorKind::Denied);
    for bad in tampered {
        let error =
            refused(bench.fixture.verify(Method::Get, &bad, after(Duration::ZERO))?, ErrorKind::Denied);
        assert_eq!(format!("{error:?}"), format!("{expired:?}"), "the refusal tells too much");
    }
    Ok(())
}

/// Keys with characters that mean something in a URL arrive as they were, and never confuse path and query.
async fn any_key_travels_unharmed(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for name in
        ["a?b", "a#b", "a&e=9", "a%2Fb", "a+b", "a;b", "a b", "...", "日本/🙂", "x?expires=99999999999"]
    {
        let link = bench.files.link(&key(name), LinkRequest::get(MINUTE)).await.expect("a link");
        assert_eq!((link.url.query(), link.url.fragment()), (None, None), "{name:?}");
        let grant =
            bench.fixture.verify(Method::Get, &token(&link), after(Duration::ZERO))?.expect("a good token");
        assert_eq!(grant.key, key(name));
    }
    Ok(())
}

/// Size, hash, type and create-only arrive as they were asked for.
async fn an_upload_link_carries_every_condition(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let can = bench.files.capabilities();
    let wanted = Access::Put {
        size: Some(5),
        sha256: Some([7; 32]),
        content_type: can.content_type.then(|| "text/plain".to_owned()),
        create_only: can.create,
    };
    let request = LinkRequest::Put {
        expires_in: MINUTE,
        size: Some(5),
        sha256: Some([7; 32]),
        content_type: can.content_type.then(|| "text/plain".to_owned()),
        create_only: can.create,
    };
    assert_eq!(granted(&bench, request).await?.access, wanted);
    let bare = Access::Put { size: None, sha256: None, content_type: None, create_only: false };
    assert_eq!(granted(&bench, LinkRequest::put(MINUTE)).await?.access, bare);
    Ok(())
}

/// A body written with the grant's options is refused if it is shorter or longer, and a second create as well.
async fn an_upload_under_a_grant_is_held_to_it(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let create_only = bench.files.capabilities().create;
    let request =
        LinkRequest::Put { expires_in: MINUTE, size: Some(5), sha256: None, content_type: None, create_only };
    let options = granted(&bench, request).await?.write_options().expect("for writing");
    for wrong in ["", "1234", "123456"] {
        refused(bench.files.put(&key("up"), wrong.into(), options.clone()).await, ErrorKind::Integrity);
    }
    bench.assert_absent("up").await;
    bench.files.put(&key("up"), "12345".into(), options.clone()).await.expect("written");
    if create_only {
        refused(bench.files.put(&key("up"), "54321".into(), options).await, ErrorKind::AlreadyExists);
    }
    assert_eq!(bench.body("up").await, b"12345");
    Ok(())
}

/// Stores that share their keys do not share their links.
async fn a_link_of_another_store_is_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let link = linked(&bench).await;
    let ring = || KeyRing::new(link_key("suite", 0x5A));
    carries(&read(&bench, &link, LinkVerifier::new("suite", ring()), 0).await, StatusCode::OK, b"it");
    for other in ["other", "Suite", "suite ", ""] {
        turned_away(&read(&bench, &link, LinkVerifier::new(other, ring()), 0).await);
    }
    Ok(())
}

/// While the old key is accepted its links live; without it they are dead. Its name alone is worth nothing.
async fn a_rotated_key_is_good_until_it_is_removed(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let link = linked(&bench).await;
    let new = || KeyRing::new(link_key("new", 1));
    let both = new().accepting(link_key("suite", 0x5A)).expect("two ids");
    let impostor = new().accepting(link_key("suite", 2)).expect("two ids");
    carries(&read(&bench, &link, LinkVerifier::new("suite", both), 0).await, StatusCode::OK, b"it");
    turned_away(&read(&bench, &link, LinkVerifier::new("suite", new()), 0).await);
    turned_away(&read(&bench, &link, LinkVerifier::new("suite", impostor), 0).await);
    Ok(())
}

/// Whoever serves a link may have another clock than who minted it, and it may go back: a link has no beginning, ends at
/// its expiry by the clock that is asked, and is not remembered.
async fn a_clock_that_is_off_moves_the_expiry_and_nothing_else(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", "it").await;
    let link = bench.minted("a", LinkRequest::get(Duration::from_mins(10))).await;
    for (seconds, alive) in
        [(-900, true), (0, true), (599, true), (600, false), (900, false), (0, true), (-900, true)]
    {
        let answer = read(&bench, &link, signer().verifier(), seconds).await;
        assert_eq!(answer.status().is_success(), alive, "{seconds} s after it was minted");
    }
    Ok(())
}

/// The body counts, and not what its header says of it.
async fn a_length_that_lies_is_found_out(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let clock = Clock::new(|| after(Duration::ZERO));
    let server = server(&bench, signer().verifier(), clock);
    for (request, said) in [(sized(3), 3), (LinkRequest::put(MINUTE), 3)] {
        let link = bench.minted("up", request).await;
        for body in [&b""[..], b"12", b"1234"] {
            let upload = to(&link).header("content-length", said).body(pieces(body)).expect("a request");
            turned_away(&answered(&server, upload).await);
            bench.assert_absent("up").await;
        }
    }
    Ok(())
}

/// The expiry says until when a link may be used, and not how fast a line has to be.
async fn an_upload_that_began_in_time_may_end_later(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let link = bench.minted("up", sized(3)).await;
    let seconds = Arc::new(AtomicU64::new(59));
    let (reading, passing) = (Arc::clone(&seconds), Arc::clone(&seconds));
    let server = server(
        &bench,
        signer().verifier(),
        Clock::new(move || after(Duration::from_secs(reading.load(Ordering::Relaxed)))),
    );
    let slow: ByteStream = Box::pin(pieces(b"12").chain(stream::once(async move {
        passing.store(3600, Ordering::Relaxed);
        Ok(Bytes::from_static(b"3"))
    })));
    let begun = answered(&server, to(&link).body(slow).expect("a request")).await;
    assert!(begun.status().is_success(), "{}", begun.status());
    assert_eq!(bench.body("up").await, b"123");
    turned_away(&answered(&server, to(&link).body(pieces(b"456")).expect("a request")).await);
    assert_eq!(bench.body("up").await, b"123");
    Ok(())
}

async fn ours(harness: &dyn Harness, request: LinkRequest) -> Result<bool, Absent> {
    let link = Bench::open(harness).await?.files.link(&key("a"), request).await;
    Ok(link.is_ok_and(|link| link.url.as_str().starts_with(BASE)))
}

/// Either there are no such links, and asking for one says so, or they are signed and served by somebody else.
async fn foreign(harness: &dyn Harness, request: LinkRequest) -> Checked {
    let bench = Bench::open(harness).await?;
    if let Err(error) = bench.files.link(&key("a"), request).await {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    }
    Ok(())
}

/// A link to an object that is there.
async fn linked(bench: &Bench) -> Link {
    bench.put("a", "it").await;
    bench.minted("a", LinkRequest::get(MINUTE)).await
}

/// What a server with these keys answers, whose clock is this far ahead or back.
async fn read(bench: &Bench, link: &Link, verifier: LinkVerifier, seconds: i64) -> Response<Bytes> {
    let clock = Clock::new(move || {
        let off = Duration::from_secs(seconds.unsigned_abs());
        let minted = after(Duration::ZERO);
        if seconds < 0 { minted - off } else { minted + off }
    });
    let request = to(link).body(pieces(b"")).expect("a request");
    answered(&server(bench, verifier, clock), request).await
}

fn server(bench: &Bench, verifier: LinkVerifier, clock: Clock) -> LinkServer {
    LinkServer::new(Files::new(bench.fixture.link_target()), verifier, clock).below("/blob")
}

fn link_key(id: &str, fill: u8) -> LinkKey {
    LinkKey::new(id, &[fill; 32]).expect("a good key")
}

fn sized(size: u64) -> LinkRequest {
    LinkRequest::Put {
        expires_in: MINUTE,
        size: Some(size),
        sha256: None,
        content_type: None,
        create_only: false,
    }
}

async fn granted(bench: &Bench, request: LinkRequest) -> Result<persistent_fs::links::Grant, Absent> {
    let link = bench.files.link(&key("up"), request).await.expect("a link");
    Ok(bench.fixture.verify(Method::Put, &token(&link), after(Duration::ZERO))?.expect("a good token"))
}

/// The token is the segment behind the base.
fn token(link: &Link) -> String {
    let rest = link.url.as_str().strip_prefix(BASE).expect("the base").trim_start_matches('/');
    rest.split('/').next().expect("a token").to_owned()
}

/// The moment that comes so long after all links were minted.
pub(super) fn after(duration: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW) + duration
}
