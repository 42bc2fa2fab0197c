//! What the suite cannot reach from outside: tables, races with the store, and how fast a body is taken.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use http::header::{
    ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION,
    ORIGIN, RANGE,
};

use super::{
    conditions::{Verdict, judge, last_modified},
    *,
};
use crate::{
    Backend, ByteRange, Capabilities, Download, ETag, Key, LinkRequest, Meta, MetaStream, Outcome, Prefix,
    ReadOptions, Upload, WriteOptions,
    links::{KeyRing, LinkKey, LinkSigner, at},
};

const NOW: u64 = 784_111_777;
const NOW_AS_DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BODY: &[u8] = b"0123456789";

/// A store of one object, whose calls go wrong as told, first things first.
#[derive(Debug, Default)]
struct Scripted {
    failures: Mutex<Vec<Error>>,
    /// Pieces that were written and not yet asked for.
    taken: Arc<AtomicUsize>,
}

impl Scripted {
    fn failing(failures: impl IntoIterator<Item = Error>) -> Self {
        Self { failures: Mutex::new(failures.into_iter().collect()), ..Self::default() }
    }

    fn next(&self) -> crate::Result<()> {
        match self.failures.lock().expect("not poisoned").pop() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Backend for Scripted {
    fn capabilities(&self) -> Capabilities {
        Capabilities { create: true, etag: true, content_type: true, ..Capabilities::NONE }
    }

    async fn head(&self, key: &Key) -> crate::Result<Meta> {
        let mut meta = Meta::new(key.clone(), 10, at(NOW)?);
        meta.etag = Some(ETag::new("v"));
        Ok(meta)
    }

    async fn read(&self, key: &Key, options: ReadOptions) -> crate::Result<Download> {
        self.next()?;
        let meta = self.head(key).await?;
        let range = options.resolve(&meta)?;
        let bounds = |offset| usize::try_from(offset).expect("a small offset");
        let part = Bytes::from_static(BODY).slice(bounds(range.start)..bounds(range.end));
        Ok(Download::new(meta, range, stream::iter([Ok(part)]).boxed()))
    }

    async fn writer(&self, _: &Key, _: WriteOptions) -> crate::Result<Box<dyn Upload>> {
        self.next()?;
        Ok(Box::new(Slow { taken: Arc::clone(&self.taken) }))
    }

    async fn delete(&self, _: &Key) -> crate::Result<()> {
        Ok(())
    }

    fn list(&self, _: &Prefix, _: Option<&Key>) -> MetaStream {
        stream::empty().boxed()
    }
}

/// An upload that takes one piece and never finishes with it.
#[derive(Debug)]
struct Slow {
    taken: Arc<AtomicUsize>,
}

#[async_trait]
impl Upload for Slow {
    async fn write(&mut self, _: Bytes) -> crate::Result<()> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }

    async fn finish(self: Box<Self>) -> crate::Result<Meta> {
        unreachable!("no write ends")
    }

    async fn abort(self: Box<Self>) -> crate::Result<()> {
        Ok(())
    }
}

fn server(store: Scripted) -> (LinkServer, LinkSigner) {
    let ring = KeyRing::new(LinkKey::new("a", &[1; 32]).expect("a good key"));
    let clock = Clock::new(|| at(NOW).expect("a time"));
    let base = "https://host/blob".parse().expect("a URL");
    let signer = LinkSigner::new("store", base, ring, clock.clone()).expect("a good base");
    (LinkServer::new(Files::new(store), signer.verifier(), clock).below("/blob/"), signer)
}

fn request(signer: &LinkSigner, asked: &LinkRequest) -> http::request::Builder {
    let link = signer.mint(&Key::parse("x").expect("a key"), asked).expect("minted");
    Request::builder().method(link.method.as_str()).uri(link.url.as_str())
}

fn get(signer: &LinkSigner) -> http::request::Builder {
    request(signer, &LinkRequest::get(Duration::from_mins(1)))
}

fn answer(server: &LinkServer, request: http::request::Builder) -> Response<ByteStream> {
    let nothing = stream::empty::<Result<Bytes, std::io::Error>>();
    let request = request.body(nothing).expect("a request");
    server.answer(request).now_or_never().expect("nothing to wait for")
}

fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

/// The verdict on an object of ten bytes, of version `v`, changed at [`NOW`].
fn verdict(pairs: &[(HeaderName, &'static str)]) -> Verdict {
    let mut meta = Meta::new(Key::parse("x").expect("a key"), 10, at(NOW).expect("a time"));
    meta.etag = Some(ETag::new("v"));
    judge(&headers(pairs), &meta, last_modified(&meta, at(NOW).expect("a time")))
}

#[test]
fn versions_are_compared_as_the_standard_says() {
    let whole = Verdict::Answer(None);
    for (value, if_match, if_none_match) in [
        ("\"v\"", &whole, &Verdict::NotModified),
        ("*", &whole, &Verdict::NotModified),
        ("\"a\", \"v\"", &whole, &Verdict::NotModified),
        ("\"a\",W/\"b\" ,, \"v\"", &whole, &Verdict::NotModified),
        ("\"a,\", \"v\"", &whole, &Verdict::NotModified),
        ("W/\"v\"", &Verdict::Failed, &Verdict::NotModified),
        ("\"a\"", &Verdict::Failed, &whole),
        ("\"V\"", &Verdict::Failed, &whole),
        ("\"\"", &Verdict::Failed, &whole),
        ("\"a v\"", &Verdict::Failed, &whole),
        ("v", &Verdict::Failed, &whole),
        ("w/\"v\"", &Verdict::Failed, &whole),
        ("\"v", &Verdict::Failed, &whole),
        ("", &Verdict::Failed, &whole),
    ] {
        assert_eq!(verdict(&[(IF_MATCH, value)]), *if_match, "If-Match: {value}");
        assert_eq!(verdict(&[(IF_NONE_MATCH, value)]), *if_none_match, "If-None-Match: {value}");
    }
    let lines = [(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, "\"v\"")];
    assert_eq!(verdict(&lines), Verdict::NotModified, "a list may come in several lines");
}

#[test]
fn dates_count_where_no_version_is_named() {
    let (before, after) = ("Sun, 06 Nov 1994 08:49:36 GMT", "Sunday, 06-Nov-94 08:49:38 GMT");
    for (name, value, expected) in [
        (IF_MODIFIED_SINCE, before, Verdict::Answer(None)),
        (IF_MODIFIED_SINCE, NOW_AS_DATE, Verdict::NotModified),
        (IF_MODIFIED_SINCE, after, Verdict::NotModified),
        (IF_MODIFIED_SINCE, "yesterday", Verdict::Answer(None)),
        (IF_UNMODIFIED_SINCE, before, Verdict::Failed),
        (IF_UNMODIFIED_SINCE, NOW_AS_DATE, Verdict::Answer(None)),
        (IF_UNMODIFIED_SINCE, after, Verdict::Answer(None)),
        (IF_UNMODIFIED_SINCE, "tomorrow", Verdict::Answer(None)),
    ] {
        assert_eq!(verdict(&[(name.clone(), value)]), expected, "{name}: {value}");
    }
    assert_eq!(verdict(&[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, after)]), Verdict::Answer(None));
    assert_eq!(verdict(&[(IF_MATCH, "\"v\""), (IF_UNMODIFIED_SINCE, before)]), Verdict::Answer(None));
}

#[test]
fn ranges_are_read_as_the_standard_says() {
    use ByteRange::{From, Last, Span};
    for (value, expected) in [
        ("bytes=0-0", Some(Span(0, 1))),
        ("bytes=2-99", Some(Span(2, 100))),
        ("bytes=5-", Some(From(5))),
        ("bytes=-7", Some(Last(7))),
        ("bytes=-99", Some(Last(99))),
        ("bytes=0-18446744073709551615", Some(Span(0, u64::MAX))),
        ("bytes=0-1,3-4", None),
        ("bytes=9-2", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-1-2", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes", None),
        ("", None),
    ] {
        assert_eq!(verdict(&[(RANGE, value)]), Verdict::Answer(expected), "{value}");
    }
    for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=18446744073709551615-"] {
        assert_eq!(verdict(&[(RANGE, value)]), Verdict::Unsatisfiable, "{value}");
    }
}

#[test]
fn a_range_of_another_version_is_the_whole_object() {
    for (value, holds) in [
        ("\"v\"", true),
        ("W/\"v\"", false),
        ("\"a\"", false),
        ("*", false),
        (NOW_AS_DATE, false),
        ("nonsense", false),
    ] {
        let part = holds.then_some(ByteRange::Span(0, 3));
        assert_eq!(verdict(&[(RANGE, "bytes=0-2"), (IF_RANGE, value)]), Verdict::Answer(part), "{value}");
    }
    let out_of_bounds = verdict(&[(RANGE, "bytes=99-"), (IF_RANGE, "\"a\"")]);
    assert_eq!(out_of_bounds, Verdict::Answer(None));
    let known = verdict(&[(RANGE, "bytes=99-"), (IF_NONE_MATCH, "\"v\"")]);
    assert_eq!(known, Verdict::NotModified, "conditions come before ranges");
}

#[test]
fn a_time_that_no_header_can_tell_is_left_out() {
    let now = at(NOW).expect("a time");
    let meta = |modified| Meta::new(Key::parse("x").expect("a key"), 1, modified);
    let told = |modified, now| last_modified(&meta(modified), now).map(|date| date.to_string());
    assert_eq!(told(now, now).as_deref(), Some(NOW_AS_DATE));
    assert_eq!(told(now + Duration::from_hours(9), now).as_deref(), Some(NOW_AS_DATE), "never in the future");
    let far = at(253_402_300_800).expect("a time");
    assert_eq!(told(far, far), None);
    assert_eq!(told(SystemTime::UNIX_EPOCH - Duration::from_secs(1), now), None);
}

#[test]
fn every_kind_of_error_has_its_status() {
    use ErrorKind::*;
    for (kind, reading, writing) in [
        (NotFound, 404, 404),
        (AlreadyExists, 409, 409),
        (Precondition, 412, 412),
        (InvalidKey, 400, 400),
        (InvalidOption, 400, 400),
        (TooLarge, 413, 413),
        (NoSpace, 507, 507),
        (Integrity, 500, 422),
        (Unsupported, 500, 500),
        (Denied, 500, 500),
        (Unauthenticated, 500, 500),
        (Config, 500, 500),
        (Other, 500, 500),
        (Throttled, 503, 503),
        (Unavailable, 503, 503),
        (Timeout, 503, 503),
    ] {
        for (method, expected) in [(Method::Get, reading), (Method::Put, writing)] {
            let error = Error::new(kind, "a secret detail");
            let response = Refusal::of(error, method).into_response();
            assert_eq!(response.status(), expected, "{kind:?} {method:?}");
            assert!(!format!("{:?}", response.headers()).contains("secret"));
            let cause = response.extensions().get::<Arc<Error>>();
            assert_eq!(cause.map(|error| error.kind()), (expected >= 500).then_some(kind));
        }
    }
}

#[test]
fn a_store_that_says_when_is_passed_on() {
    let later = |pause| Error::new(ErrorKind::Throttled, "").with_retry(Retry::After(pause));
    for (pause, seconds) in [(Duration::from_secs(7), "7"), (Duration::from_millis(1), "1")] {
        let (server, signer) = server(Scripted::failing([later(pause)]));
        let response = answer(&server, get(&signer));
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], seconds);
    }
}

#[test]
fn a_version_replaced_between_the_look_and_the_read_is_judged_anew() {
    let replaced = || Error::new(ErrorKind::Precondition, "replaced");
    let (lucky, signer) = server(Scripted::failing([replaced(), replaced()]));
    let response = answer(&lucky, get(&signer).header(RANGE, "bytes=2-3"));
    assert_eq!(response.status(), 206);
    let body = response.into_body().map(|piece| piece.expect("a piece")).collect::<Vec<_>>();
    assert_eq!(body.now_or_never().expect("at once").concat(), b"23");

    let (unlucky, signer) = server(Scripted::failing((0..100).map(|_| replaced())));
    assert_eq!(answer(&unlucky, get(&signer).header(RANGE, "bytes=2-3")).status(), 503);
}

#[test]
fn a_body_is_taken_no_faster_than_the_store_takes_it() {
    let store = Scripted::default();
    let taken = Arc::clone(&store.taken);
    let (server, signer) = server(store);
    let polled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polled);
    let endless = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024]))
    });
    let put = request(&signer, &LinkRequest::put(Duration::from_mins(1))).body(endless).expect("a request");

    assert!(server.answer(put).now_or_never().is_none(), "the store has not taken the first piece");

    assert_eq!((taken.load(Ordering::Relaxed), polled.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn the_body_of_a_refused_request_is_not_touched() {
    let (server, signer) = server(Scripted::default());
    let untouched =
        || stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, ()>>> { panic!("polled") });
    let sized = LinkRequest::Put {
        expires_in: Duration::from_mins(1),
        size: Some(5),
        sha256: None,
        content_type: Some("text/plain".to_owned()),
        create_only: false,
    };
    let asked = |name: &str, value: &str| request(&signer, &sized).header(name, value);
    for (builder, status) in [
        (get(&signer).method("PUT"), 404),
        (get(&signer).method("POST"), 404),
        (get(&signer).method("BREW"), 404),
        (get(&signer), 200),
        (asked("content-length", "6"), 422),
        (asked("content-length", "five"), 400),
        (asked("content-length", "-5"), 400),
        (asked("content-range", "bytes 0-4/9"), 400),
        (asked("content-type", "text/html"), 415),
        (asked("content-encoding", "gzip"), 415),
        (asked("if-match", "\"v\""), 412),
        (asked("if-none-match", "\"v\""), 412),
        (asked("if-unmodified-since", NOW_AS_DATE), 412),
    ] {
        let request = builder.body(untouched()).expect("a request");
        let shown = format!("{:?}", request.headers());
        let response = server.answer(request).now_or_never().expect("at once");
        assert_eq!(response.status(), status, "{shown}");
    }
}

#[test]
fn an_error_after_the_fact_is_for_the_log_alone() {
    let error = Error::new(ErrorKind::Unavailable, "secret").with_outcome(Outcome::Unknown);
    let (server, signer) = server(Scripted::failing([error]));
    let response = answer(&server, get(&signer));
    assert_eq!(response.status(), 503);
    assert!(!format!("{:?}", response.headers()).contains("secret"));
    let cause = response.extensions().get::<Arc<Error>>().expect("the cause");
    assert_eq!((cause.outcome(), cause.kind()), (Outcome::Unknown, ErrorKind::Unavailable));
}

#[test]
fn the_path_begins_where_it_was_told() {
    let (server, signer) = server(Scripted::default());
    let url = signer.mint(&Key::parse("x").expect("a key"), &LinkRequest::get(Duration::from_mins(1)));
    let path = url.expect("minted").url.path().to_owned();
    let bare = path.trim_end_matches("/x").to_owned();
    let found = |path: &str| answer(&server, Request::builder().uri(path)).status() == 200;
    assert!(found(&path) && found(&bare));
    assert!(found(&format!("{path}?any=query")), "what is added to a URL is not signed and changes nothing");
    for elsewhere in ["/", "/blob", "/blob/", "/blobs/x", &path.replace("/blob/", "/"), &format!("/a{path}")]
    {
        assert!(!found(elsewhere), "{elsewhere}");
    }
    assert!(!found(&path.replace("/blob/", "/blob//")));
    assert!(!found(&path.replace("v1.", "v%31.")), "nothing is decoded");
    let stripped = LinkServer::new(server.files.clone(), signer.verifier(), server.clock.clone());
    let stripped_path = bare.trim_start_matches("/blob");
    assert_eq!(answer(&stripped, Request::builder().uri(stripped_path)).status(), 200);
}

#[test]
fn an_unusual_version_or_type_is_left_out_of_the_headers() {
    assert_eq!(download::quoted(&ETag::new("a-1!")).expect("fits"), "\"a-1!\"");
    for odd in ["a\"b", "a b", "a\nb", "é"] {
        assert_eq!(download::quoted(&ETag::new(odd)), None, "{odd:?}");
    }
    let (server, signer) = server(Scripted::default());
    let response = answer(&server, get(&signer));
    assert_eq!(response.headers()[ETAG], "\"v\"");
    assert_eq!(response.headers()[LAST_MODIFIED], NOW_AS_DATE);
    assert!(!response.headers().contains_key(LOCATION));
}

#[test]
fn only_pages_that_are_welcome_are_let_in() {
    let (server, signer) = server(Scripted::default());
    let with = |cors| server.clone().with_cors(cors);
    let asked = |method, origin: &str| {
        let request = get(&signer).method(method).header(ORIGIN, origin);
        request.header("access-control-request-method", "PUT")
    };
    let allowed = |server: &LinkServer, method, origin| {
        let response = answer(server, asked(method, origin));
        let header = response.headers().get("access-control-allow-origin").cloned();
        (response.status().as_u16(), header.map(|value| value.to_str().expect("text").to_owned()))
    };
    let one = with(Cors::origins(["https://app.example"]).expect("origins"));
    let any = with(Cors::any_origin().allowing(HeaderName::from_static("x-extra")));
    let star = || Some("*".to_owned());
    let app = || Some("https://app.example".to_owned());
    assert_eq!(allowed(&server, "OPTIONS", "https://app.example"), (404, None));
    assert_eq!(allowed(&server, "GET", "https://app.example"), (200, None));
    assert_eq!(allowed(&one, "OPTIONS", "https://app.example"), (200, app()));
    assert_eq!(allowed(&one, "GET", "https://app.example"), (200, app()));
    assert_eq!(allowed(&one, "OPTIONS", "https://evil.example"), (404, None));
    assert_eq!(allowed(&one, "GET", "https://evil.example"), (200, None));
    assert_eq!(allowed(&any, "OPTIONS", "null"), (200, star()));
    assert_eq!(allowed(&any, "POST", "https://evil.example"), (404, star()));
    let preflight = answer(&any, asked("OPTIONS", "https://app.example"));
    let names = preflight.headers()["access-control-allow-headers"].to_str().expect("text").to_owned();
    assert!(names.split(',').any(|name| name == "x-extra"), "{names}");
    assert_eq!(answer(&one, get(&signer)).headers()["vary"], "origin");
    assert!(Cors::origins(["a\nb"]).is_err());
}
