//! Links to read, over HTTP: they give their holder one object, and nobody anything else.

use std::time::Duration;

use http::{StatusCode, Uri};
use persistent_fs::{ErrorKind, Link, LinkRequest};

use super::{
    Harness,
    bench::{Bench, GET_LINKS, key, noise},
    link_http::{Quirk, carries, forgeries, header, pieces, to, turned_away},
};
use crate::{Absent, Case, Checked, cases};

const MINUTE: Duration = Duration::from_mins(1);
const BODY: &[u8] = b"0123456789";

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases!["files::get_links" needs GET_LINKS;
        a_link_gives_the_object_to_whoever_has_it,
        head_says_what_get_says_without_the_body,
        a_range_is_that_part_of_the_object,
        a_range_without_a_byte_is_refused_with_the_size,
        several_ranges_never_give_wrong_bytes,
        a_link_changed_anywhere_is_refused,
        a_link_is_dead_once_it_has_expired,
        a_link_to_read_does_nothing_else,
        a_link_to_one_object_never_gives_another,
        keys_that_mean_something_in_a_url_are_only_keys,
        a_missing_object_looks_like_a_bad_link,
        a_file_name_stays_in_its_header,
        no_browser_runs_what_is_served,
        a_link_survives_a_restart,
        a_link_gives_what_is_there_when_it_is_used,
        a_version_that_the_client_has_is_not_sent_again,
        a_version_can_be_demanded,
        parts_of_two_versions_are_never_mixed,
    ]
}

/// The URL is all that is needed, and length, name and type are what was stored and asked for.
async fn a_link_gives_the_object_to_whoever_has_it(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for (name, body) in [("a/b", BODY.to_vec()), ("empty", Vec::new()), ("large", noise(1, 700_000))] {
        bench.put(name, body.clone()).await;
        let request = LinkRequest::Get {
            expires_in: MINUTE,
            file_name: Some("Bericht.pdf".to_owned()),
            content_type: Some("application/pdf".to_owned()),
            inline: false,
        };
        let answer = bench.send(to(&bench.minted(name, request).await)).await?;
        carries(&answer, StatusCode::OK, &body);
        assert_eq!(header(&answer, "content-length"), body.len().to_string());
        if !bench.has(Quirk::LinkHeadersIgnored) {
            assert_eq!(header(&answer, "content-type"), "application/pdf");
            assert!(header(&answer, "content-disposition").starts_with("attachment"));
            assert!(header(&answer, "content-disposition").contains("Bericht.pdf"));
        }
    }
    Ok(())
}

/// HEAD has the status and headers of GET, and no body.
async fn head_says_what_get_says_without_the_body(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let link = bench.get_link("a").await;
    let (get, head) = (bench.send(to(&link)).await?, bench.send(to(&link).method("HEAD")).await?);
    if bench.has(Quirk::HeadRefused) {
        turned_away(&head);
        return Ok(());
    }
    carries(&head, StatusCode::OK, b"");
    for name in ["content-length", "content-type", "content-disposition", "etag", "last-modified"] {
        assert_eq!(header(&head, name), header(&get, name), "{name}");
    }
    Ok(())
}

/// A range gives 206, exactly its bytes, and where they lie.
async fn a_range_is_that_part_of_the_object(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let body = noise(2, 700_000);
    bench.put("a", body.clone()).await;
    let link = bench.get_link("a").await;
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-9", 0, 9),
        ("bytes=262143-262144", 262_143, 262_144),
        ("bytes=5-", 5, 699_999),
        ("bytes=699999-", 699_999, 699_999),
        ("bytes=-7", 699_993, 699_999),
        ("bytes=699990-9999999", 699_990, 699_999),
    ] {
        let answer = bench.send(to(&link).header("range", range)).await?;
        carries(&answer, StatusCode::PARTIAL_CONTENT, &body[first..=last]);
        assert_eq!(header(&answer, "content-range"), format!("bytes {first}-{last}/700000"), "{range}");
        assert_eq!(header(&answer, "content-length"), (last - first + 1).to_string(), "{range}");
    }
    Ok(())
}

/// A range behind the end gives 416, which says how long the object is.
async fn a_range_without_a_byte_is_refused_with_the_size(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let link = bench.get_link("a").await;
    for range in ["bytes=10-", "bytes=10-12", "bytes=4000000000000-"] {
        let answer = bench.send(to(&link).header("range", range)).await?;
        assert_eq!(answer.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        if !bench.has(Quirk::RefusalsDiffer) {
            assert_eq!(header(&answer, "content-range"), "bytes */10", "{range}");
        }
    }
    Ok(())
}

/// Whoever does not serve several ranges answers with everything.
async fn several_ranges_never_give_wrong_bytes(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let link = bench.get_link("a").await;
    for range in ["bytes=0-1,4-5", "bytes=0-1, -1", "bytes=5-2", "lines=0-1"] {
        let answer = bench.send(to(&link).header("range", range)).await?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT if bench.has(Quirk::OneRangeOnly) => {
                // One of them is an answer too, if it says which.
                let one = header(&answer, "content-range");
                let one = one.strip_prefix("bytes ").and_then(|range| range.split(['-', '/']).next());
                let start = one.and_then(|start| start.parse::<usize>().ok()).expect(range);
                assert!(BODY[start..].starts_with(answer.body()), "{range}");
            }
            StatusCode::PARTIAL_CONTENT => {
                assert!(header(&answer, "content-type").starts_with("multipart/byteranges"), "{range}");
            }
            status if status.is_client_error() => {
                assert!(bench.has(Quirk::OneRangeOnly), "{range}: {status}");
            }
            _ => carries(&answer, StatusCode::OK, BODY),
        }
    }
    Ok(())
}

/// Every byte of what is signed counts, and all forgeries get one answer.
async fn a_link_changed_anywhere_is_refused(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let link = bench.get_link("a").await;
    let mut answers = Vec::new();
    for forged in forgeries(&link).into_iter().step_by(harness.scale().pick(1, 7)) {
        // What is no URL any more cannot be sent.
        let Ok(uri) = forged.parse::<Uri>() else { continue };
        let answer = bench.send(to(&link).uri(uri)).await?;
        turned_away(&answer);
        answers.push(answer);
    }
    assert!(!answers.is_empty(), "nothing was forged");
    if !bench.has(Quirk::RefusalsDiffer) {
        let first = &answers[0];
        assert_eq!((first.status(), first.body().len()), (StatusCode::NOT_FOUND, 0));
        let same =
            |one: &http::Response<_>| (one.status(), one.headers()) == (first.status(), first.headers());
        assert!(answers.iter().all(same), "one refusal tells more than another");
    }
    Ok(())
}

/// It works until then. How long really passes is up to the harness.
async fn a_link_is_dead_once_it_has_expired(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let link = bench.minted("a", LinkRequest::get(Duration::from_secs(3))).await;
    carries(&bench.send(to(&link)).await?, StatusCode::OK, BODY);
    turned_away(&bench.send_late(to(&link), Duration::from_secs(4)).await?);
    Ok(())
}

/// Nothing can be written or removed with it, whatever the verb.
async fn a_link_to_read_does_nothing_else(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let link = bench.get_link("a").await;
    for method in ["PUT", "POST", "PATCH", "DELETE"] {
        turned_away(&bench.upload(to(&link).method(method), b"other").await?);
        turned_away(&bench.upload_unsized(to(&link).method(method), pieces(b"other")).await?);
    }
    assert_eq!(bench.body("a").await, BODY);
    carries(&bench.send(to(&link)).await?, StatusCode::OK, BODY);
    Ok(())
}

/// Not by another name in the URL, and not by what a query adds to it.
async fn a_link_to_one_object_never_gives_another(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("first-one", "one").await;
    bench.put("other-one", "two").await;
    let link = bench.get_link("first-one").await;
    let url = link.url.as_str();
    let separator = if link.url.query().is_some() { '&' } else { '?' };
    for forged in [
        url.replace("first-one", "other-one"),
        url.replace("first-one", "first-one/../other-one"),
        url.replace("first-one", "..%2Fother-one"),
        format!("{url}{separator}key=other-one"),
        format!("{url}/../other-one"),
    ] {
        let answer = bench.send(to(&link).uri(forged.as_str())).await?;
        assert_ne!(&answer.body()[..], b"two", "{forged}");
    }
    carries(&bench.send(to(&link)).await?, StatusCode::OK, b"one");
    Ok(())
}

/// Path, query and fragment cannot be confused, nor can the expiry with a part of the key.
async fn keys_that_mean_something_in_a_url_are_only_keys(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    for name in [
        "a?b",
        "a#b",
        "a&e=9",
        "a=b",
        "a%2Fb",
        "a%b",
        "a+b",
        "a;b",
        "a b",
        "a:b@c",
        "x/y z/ä",
        "日本/🙂",
        "'\"(*)",
        "x?expires=99999999999&X-Amz-Expires=99999999999",
    ] {
        if bench.fixture.refuses(&key(name)) {
            continue;
        }
        bench.put(name, name.to_owned()).await;
        let link = bench.get_link(name).await;
        let answer = bench.send(to(&link)).await?;
        carries(&answer, StatusCode::OK, name.as_bytes());
    }
    let dead = bench.minted("x?expires=99999999999", LinkRequest::get(Duration::from_secs(1))).await;
    turned_away(&bench.send_late(to(&dead), Duration::from_secs(2)).await?);
    Ok(())
}

/// Whoever tries links learns neither which objects there are nor which part of a link was right.
async fn a_missing_object_looks_like_a_bad_link(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let (link, missing) = (bench.get_link("a").await, bench.get_link("missing").await);
    let dead = bench.minted("there", LinkRequest::get(Duration::from_secs(1))).await;
    bench.put("there", BODY).await;
    bench.files.delete(&key("a")).await.expect("deleted");
    let forged = forgeries(&link).into_iter().find_map(|url| url.parse::<Uri>().ok()).expect("a forgery");
    let all = [
        bench.send(to(&link)).await?,
        bench.send(to(&missing)).await?,
        bench.send(to(&link).uri(forged)).await?,
        bench.send_late(to(&dead), Duration::from_secs(2)).await?,
        bench.send(to(&missing).method("DELETE")).await?,
        bench.send(to(&missing).header("range", "bytes=0-1")).await?,
        bench.send(to(&missing).header("if-none-match", "*")).await?,
    ];
    for answer in &all {
        turned_away(answer);
        if !bench.has(Quirk::RefusalsDiffer) {
            assert_eq!((answer.status(), &answer.body()[..]), (StatusCode::NOT_FOUND, &b""[..]));
            assert_eq!(answer.headers(), all[0].headers(), "one refusal tells more than another");
        }
    }
    Ok(())
}

/// Whatever a user has called the file: one header, of visible characters, that means this name.
async fn a_file_name_stays_in_its_header(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let named = |name: &str| LinkRequest::Get {
        expires_in: MINUTE,
        file_name: Some(name.to_owned()),
        content_type: None,
        inline: false,
    };
    for name in ["a\r\nset-cookie: a=b", "a\nb", "a\0b", "a\u{85}b"] {
        let refused = bench.files.link(&key("a"), named(name)).await;
        assert_eq!(refused.expect_err("a control character").kind(), ErrorKind::InvalidOption, "{name:?}");
    }
    let long = "ä".repeat(500);
    for name in [
        "a\"; filename=\"evil.exe",
        "a;b",
        "a\\\"b",
        "%0d%0aset-cookie: a=b",
        "Bericht März 🙂.pdf",
        "a'b''c",
        &long,
    ] {
        let answer = bench.send(to(&bench.minted("a", named(name)).await)).await?;
        carries(&answer, StatusCode::OK, BODY);
        assert_eq!(header(&answer, "set-cookie"), "");
        if !bench.has(Quirk::LinkHeadersIgnored) {
            assert_eq!(saved_as(header(&answer, "content-disposition")), name);
        }
    }
    Ok(())
}

/// The type is the one asked for or stored, never a guess, and nothing is a page of the site that serves it.
async fn no_browser_runs_what_is_served(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("page.html", "<script>alert(1)</script>").await;
    let answer = bench.send(to(&bench.get_link("page.html").await)).await?;
    if bench.has(Quirk::NoSafeHeaders) {
        return Ok(());
    }
    assert!(!header(&answer, "content-type").contains("html"), "nobody has said that it is a page");
    let inline = LinkRequest::Get {
        expires_in: MINUTE,
        file_name: None,
        content_type: Some("text/html".to_owned()),
        inline: true,
    };
    let shown = bench.send(to(&bench.minted("page.html", inline).await)).await?;
    let refused = bench.send(to(&bench.get_link("missing").await)).await?;
    for answer in [answer, shown, refused] {
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert!(header(&answer, "content-security-policy").contains("sandbox"));
        assert!(header(&answer, "cache-control").contains("no-store"));
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
    }
    Ok(())
}

/// The keys that sign links outlive the process that signed with them.
async fn a_link_survives_a_restart(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    bench.put("a", BODY).await;
    let before = bench.get_link("a").await;
    let again = bench.fixture.reopen().await?;
    let after = again.link(&key("a"), LinkRequest::get(MINUTE)).await.expect("a link");
    carries(&bench.send(to(&before)).await?, StatusCode::OK, BODY);
    carries(&bench.send(to(&after)).await?, StatusCode::OK, BODY);
    Ok(())
}

/// The object need not be there when the link is minted, and may be replaced before it is used.
async fn a_link_gives_what_is_there_when_it_is_used(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let link = bench.get_link("a").await;
    turned_away(&bench.send(to(&link)).await?);
    for body in ["first", "second, and longer"] {
        bench.put("a", body).await;
        carries(&bench.send(to(&link)).await?, StatusCode::OK, body.as_bytes());
    }
    Ok(())
}

/// `If-None-Match` with the version that is there gives 304 without a body.
async fn a_version_that_the_client_has_is_not_sent_again(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let Some((link, tag)) = versioned(&bench).await? else { return Ok(()) };
    if bench.has(Quirk::ConditionsIgnored) {
        return Ok(());
    }
    let known = [tag.clone(), format!("W/{tag}"), "*".to_owned(), format!("\"a\", W/\"b,\" ,{tag}")];
    let known = if bench.has(Quirk::OneTagOnly) { &known[..1] } else { &known[..] };
    for tags in known {
        let answer = bench.send(to(&link).header("if-none-match", tags)).await?;
        carries(&answer, StatusCode::NOT_MODIFIED, b"");
        if !bench.has(Quirk::BareNotModified) {
            assert_eq!(header(&answer, "etag"), tag, "{tags}");
        }
    }
    for tags in ["\"another\"", "\"a\", W/\"b\""] {
        carries(&bench.send(to(&link).header("if-none-match", tags)).await?, StatusCode::OK, BODY);
    }
    bench.put("a", "replaced").await;
    carries(&bench.send(to(&link).header("if-none-match", tag)).await?, StatusCode::OK, b"replaced");
    Ok(())
}

/// `If-Match` with another version gives 412 without a body.
async fn a_version_can_be_demanded(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let Some((link, tag)) = versioned(&bench).await? else { return Ok(()) };
    if bench.has(Quirk::ConditionsIgnored) {
        return Ok(());
    }
    carries(&bench.send(to(&link).header("if-match", &tag)).await?, StatusCode::OK, BODY);
    let weak = format!("W/{tag}");
    let others = ["\"another\"", "\"a\", \"b\"", &weak];
    for tags in if bench.has(Quirk::OneTagOnly) { &others[..1] } else { &others[..] } {
        let answer = bench.send(to(&link).header("if-match", *tags)).await?;
        assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED, "{tags}");
        assert!(!answer.body().windows(BODY.len()).any(|part| part == BODY), "the object is in the refusal");
    }
    Ok(())
}

/// `If-Range` with the version that is there gives the part; with any other, everything.
async fn parts_of_two_versions_are_never_mixed(harness: &dyn Harness) -> Checked {
    let bench = Bench::open(harness).await?;
    let Some((link, tag)) = versioned(&bench).await? else { return Ok(()) };
    if bench.has(Quirk::IfRangeIgnored) {
        return Ok(());
    }
    let part = |tag: &str| to(&link).header("range", "bytes=2-4").header("if-range", tag);
    carries(&bench.send(part(&tag)).await?, StatusCode::PARTIAL_CONTENT, b"234");
    for other in ["\"another\"", &format!("W/{tag}"), "nonsense"] {
        carries(&bench.send(part(other)).await?, StatusCode::OK, BODY);
    }
    bench.put("a", "replaced").await;
    carries(&bench.send(part(&tag)).await?, StatusCode::OK, b"replaced");
    let beyond = to(&link).header("range", "bytes=99-").header("if-range", &tag);
    carries(&bench.send(beyond).await?, StatusCode::OK, b"replaced");
    Ok(())
}

/// A link to an object, and the quoted version that its answer names; `None` for a store that knows no versions.
async fn versioned(bench: &Bench) -> Result<Option<(Link, String)>, Absent> {
    bench.put("a", BODY).await;
    let link = bench.get_link("a").await;
    let answer = bench.send(to(&link)).await?;
    let tag = header(&answer, "etag").to_owned();
    if !bench.files.capabilities().etag {
        assert_eq!(tag, "", "a version that the store does not know");
        return Ok(None);
    }
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag} is no entity tag");
    Ok(Some((link, tag)))
}

/// The name that the header means (RFC 8187).
fn saved_as(disposition: &str) -> String {
    let (_, encoded) = disposition.split_once("filename*=UTF-8''").expect("an extended file name");
    // As in a form, but for the plus sign.
    let form = format!("name={}", encoded.replace('+', "%2B"));
    url::form_urlencoded::parse(form.as_bytes()).next().expect("a pair").1.into_owned()
}
