//! Links that a store mints with our own tokens: they do for what they say, and for nothing else.

use std::time::{Duration, SystemTime};

use persistent_fs::{
    Clock, ErrorKind, Link, LinkRequest, Method,
    links::{Access, KeyRing, LinkKey, LinkSigner},
};
use url::Url;

use super::{
    Harness,
    bench::{Bench, GET_LINKS, PUT_LINKS, key, refused},
};
use crate::{Absent, Case, Checked, cases};

/// The moment at which all links of the suite are minted, in seconds since 1970.
const NOW: u64 = 1_800_000_000;
const MINUTE: Duration = Duration::from_mins(1);
const BASE: &str = "https://files.example/blob";

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    let mut all = cases!["files::link_tokens" needs GET_LINKS;
        a_download_link_grants_its_object,
        a_link_dies_when_it_was_asked_to,
        a_link_of_no_or_endless_duration_is_refused,
        a_link_does_for_its_method_alone,
        every_flipped_byte_is_refused_with_one_answer,
        any_key_travels_unharmed,
    ];
    all.extend(cases!["files::link_tokens" needs PUT_LINKS;
        an_upload_link_carries_every_condition,
        an_upload_under_a_grant_is_held_to_it,
    ]);
    all
}

/// The signer for stores under test: fixed keys, fixed clock, and a base that only looks like an address.
pub fn signer() -> LinkSigner {
    let ring = KeyRing::new(LinkKey::new("suite", &[0x5A; 32]).expect("a good key"));
    let clock = Clock::new(|| after(Duration::ZERO));
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

async fn granted(bench: &Bench, request: LinkRequest) -> Result<persistent_fs::links::Grant, Absent> {
    let link = bench.files.link(&key("up"), request).await.expect("a link");
    Ok(bench.fixture.verify(Method::Put, &token(&link), after(Duration::ZERO))?.expect("a good token"))
}

/// The token is the segment behind the base.
fn token(link: &Link) -> String {
    let rest = link.url.as_str().strip_prefix(BASE).expect("the base").trim_start_matches('/');
    rest.split('/').next().expect("a token").to_owned()
}

fn after(duration: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW) + duration
}
