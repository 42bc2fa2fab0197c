//! Rules of links that no backend can change. What backends could get wrong is in the conformance suite.

use super::*;
use crate::Clock;

const NOW: u64 = 1_800_000_000;

fn key(id: &str, fill: u8) -> LinkKey {
    LinkKey::new(id, &[fill; 32]).expect("a good key")
}

fn signer(ring: KeyRing) -> LinkSigner {
    let base = Url::parse("https://host/app/blob/").expect("a URL");
    LinkSigner::new("store", base, ring, Clock::new(|| at(NOW).expect("a time"))).expect("a good base")
}

fn token(link: &Link) -> String {
    link.url.path_segments().expect("a path").nth(2).expect("a token").to_owned()
}

#[test]
fn a_link_grants_what_was_asked_for_and_no_more() {
    let signer = signer(KeyRing::new(key("a", 1)));
    let object = Key::parse("x/ä ?.txt").expect("a key");
    let link = signer.mint(&object, &LinkRequest::get(Duration::from_mins(1))).expect("minted");
    assert_eq!(link.expires_at, at(NOW + 60).expect("a time"));
    let grant =
        signer.verifier().verify(Method::Get, &token(&link), at(NOW).expect("a time")).expect("valid");
    assert_eq!(grant.key, object);
    assert_eq!(grant.write_options(), None);
    assert_eq!(grant.content_disposition().as_deref(), Some("attachment; filename*=UTF-8''%C3%A4%20%3F.txt"));
}

#[test]
fn an_upload_obeys_its_conditions() {
    let signer = signer(KeyRing::new(key("a", 1)));
    let request = LinkRequest::Put {
        expires_in: Duration::from_mins(1),
        size: Some(7),
        sha256: Some([9; 32]),
        content_type: Some("text/plain".to_owned()),
        create_only: true,
    };
    let link = signer.mint(&Key::parse("x").expect("a key"), &request).expect("minted");
    let grant =
        signer.verifier().verify(Method::Put, &token(&link), at(NOW).expect("a time")).expect("valid");
    let expected = WriteOptions::create().sized(7).hashed([9; 32]).typed("text/plain");
    assert_eq!(grant.write_options(), Some(expected));
}

#[test]
fn neither_keys_nor_links_are_shown() {
    let signer = signer(KeyRing::new(key("visible", 0xAB)));
    let link = signer
        .mint(&Key::parse("x").expect("a key"), &LinkRequest::get(Duration::from_mins(1)))
        .expect("minted");
    let shown = format!("{link:?} {signer:?}");
    assert!(shown.contains("visible"));
    assert!(!shown.contains(&token(&link)));
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"));
}

#[test]
fn the_name_in_the_url_cannot_change_it() {
    let signer = signer(KeyRing::new(key("a", 1)));
    for name in ["..", ".", "a/../../b", "a?b#c", "%2e%2e", ""] {
        let request = LinkRequest::Get {
            expires_in: Duration::from_mins(1),
            file_name: Some(name.to_owned()),
            content_type: None,
            inline: true,
        };
        let link = signer.mint(&Key::parse("x").expect("a key"), &request).expect("minted");
        assert!(link.url.path().starts_with("/app/blob/v1.a."), "{name:?}");
        assert_eq!(link.url.path_segments().map(Iterator::count), Some(4), "{name:?}");
        assert_eq!((link.url.query(), link.url.fragment()), (None, None), "{name:?}");
    }
}

#[test]
fn nonsense_is_not_minted() {
    let signer = signer(KeyRing::new(key("a", 1)));
    let object = Key::parse("x").expect("a key");
    let typed = |content_type: &str| LinkRequest::Get {
        expires_in: Duration::from_mins(1),
        file_name: None,
        content_type: Some(content_type.to_owned()),
        inline: false,
    };
    for request in [
        LinkRequest::get(Duration::ZERO),
        LinkRequest::get(Duration::from_millis(999)),
        LinkRequest::get(Duration::MAX),
        typed("text/plain\r\nSet-Cookie: a=b"),
        typed("tëxt"),
        typed(&"x".repeat(2000)),
    ] {
        let error = signer.mint(&object, &request).expect_err("nonsense");
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{request:?}");
    }
}

#[test]
fn weak_keys_and_ambiguous_rings_are_refused() {
    assert!(LinkKey::new("a", &[1; 31]).is_err());
    assert!(LinkKey::new("a.b", &[1; 32]).is_err());
    assert!(LinkKey::new("", &[1; 32]).is_err());
    assert!(KeyRing::new(key("a", 1)).accepting(key("a", 2)).is_err());
}
