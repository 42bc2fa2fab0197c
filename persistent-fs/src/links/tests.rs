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

/// The token of a link to read `x` for a minute.
fn minted(signer: &LinkSigner) -> String {
    let request = LinkRequest::get(Duration::from_mins(1));
    token(&signer.mint(&Key::parse("x").expect("a key"), &request).expect("minted"))
}

/// Demands the one refusal there is, and returns it in full, so that two can be compared.
#[track_caller]
fn refusal(verified: Result<Grant>) -> String {
    let error = verified.expect_err("this must not be granted");
    assert_eq!(error.kind(), ErrorKind::Denied);
    format!("{error:?}")
}

#[test]
fn a_rotation_breaks_no_link() {
    let (old, new) = (key("old", 1), key("new", 2));
    let now = at(NOW).expect("a time");
    let before = signer(KeyRing::new(old.clone()));
    let prepared = signer(KeyRing::new(old.clone()).accepting(new.clone()).expect("two ids"));
    let switched = signer(KeyRing::new(new.clone()).accepting(old).expect("two ids"));
    let after = signer(KeyRing::new(new));

    // A node is at most one step ahead of another, and each accepts what the other signs.
    for (one, other) in [(&before, &prepared), (&prepared, &switched), (&switched, &after)] {
        let signed_later = minted(other);
        assert!(other.verifier().verify(Method::Get, &signed_later, now).is_ok());
        assert!(one.verifier().verify(Method::Get, &signed_later, now).is_ok());
    }
    assert!(minted(&prepared).starts_with("v1.old."));
    assert!(minted(&switched).starts_with("v1.new."));

    // The last step cuts off what the old key signed, and nothing else does.
    assert!(switched.verifier().verify(Method::Get, &minted(&before), now).is_ok());
    refusal(after.verifier().verify(Method::Get, &minted(&before), now));
}

#[test]
fn a_key_is_known_by_its_secret_and_not_by_its_name() {
    let token = minted(&signer(KeyRing::new(key("a", 1))));
    let impostor = signer(KeyRing::new(key("a", 2)).accepting(key("b", 1)).expect("two ids"));
    let now = at(NOW).expect("a time");
    refusal(impostor.verifier().verify(Method::Get, &token, now));
    // The name of the key is signed too: the right secret under another name is as wrong.
    let renamed = token.replacen("v1.a.", "v1.b.", 1);
    refusal(impostor.verifier().verify(Method::Get, &renamed, now));
}

#[test]
fn a_link_of_another_store_is_refused() {
    let ring = KeyRing::new(key("a", 1));
    let token = minted(&signer(ring.clone()));
    let now = at(NOW).expect("a time");
    assert!(LinkVerifier::new("store", ring.clone()).verify(Method::Get, &token, now).is_ok());
    for other in ["other", "Store", "store ", ""] {
        refusal(LinkVerifier::new(other, ring.clone()).verify(Method::Get, &token, now));
    }
}

#[test]
fn a_link_does_for_its_method_and_until_its_expiry() {
    let signer = signer(KeyRing::new(key("a", 1)));
    let object = Key::parse("x").expect("a key");
    let minute = Duration::from_mins(1);
    for request in [LinkRequest::get(minute), LinkRequest::put(minute)] {
        let token = token(&signer.mint(&object, &request).expect("minted"));
        let verify = |method, now| signer.verifier().verify(method, &token, now);
        let (mine, not_mine) = match request.method() {
            Method::Get => (Method::Get, Method::Put),
            Method::Put => (Method::Put, Method::Get),
        };
        let end = at(NOW + 60).expect("a time");
        assert!(verify(mine, end - Duration::from_nanos(1)).is_ok());
        refusal(verify(not_mine, at(NOW).expect("a time")));
        for late in [end, end + Duration::from_nanos(1), end + Duration::from_hours(1_000_000)] {
            refusal(verify(mine, late));
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_with_one_answer() {
    let signer = signer(KeyRing::new(key("a", 1)));
    let token = minted(&signer);
    let now = at(NOW).expect("a time");
    let one_answer = refusal(signer.verifier().verify(Method::Get, "", now));
    for (place, bit) in (0..token.len()).flat_map(|place| (0..7).map(move |bit| (place, bit))) {
        let mut bytes = token.clone().into_bytes();
        bytes[place] ^= 1 << bit;
        let forged = String::from_utf8(bytes).expect("ASCII stays ASCII without its eighth bit");
        assert_eq!(refusal(signer.verifier().verify(Method::Get, &forged, now)), one_answer, "{forged}");
    }
}

#[test]
fn a_token_that_is_cut_grown_or_put_together_is_refused() {
    let minter = signer(KeyRing::new(key("a", 1)));
    let (token, now) = (minted(&minter), at(NOW).expect("a time"));
    let (signed, mac) = token.rsplit_once('.').expect("a token has parts");
    let object = Key::parse("y").expect("a key");
    let other = minter.mint(&object, &LinkRequest::get(Duration::from_mins(1))).expect("minted");
    let mac_of_other = self::token(&other).rsplit('.').next().expect("a token has parts").to_owned();
    let forgeries = [
        format!("{signed}.{mac_of_other}"),
        format!("{signed}."),
        signed.to_owned(),
        format!("{token}="),
        format!("{token}A"),
        format!(" {token}"),
        format!("{token}."),
        token.replacen("v1.", "v2.", 1),
        token.replacen("v1.", "", 1),
        token.replacen(".a.", "..", 1),
        format!("{signed}.{}", &mac[..mac.len() - 4]),
        "x".repeat(100_000),
        "...".to_owned(),
        "v1.a.é.é".to_owned(),
    ];
    for forged in forgeries {
        refusal(minter.verifier().verify(Method::Get, &forged, now));
    }
    for cut in 0..token.len() {
        refusal(minter.verifier().verify(Method::Get, &token[..cut], now));
    }
}
