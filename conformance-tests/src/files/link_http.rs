//! Links as strangers use them: requests over HTTP, and who answers them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode, header::CONTENT_LENGTH, request::Builder};
use persistent_fs::{
    Backend, ByteStream, Clock, Error, ErrorKind, Files, Link, LinkRequest,
    links::serve::{Cors, LinkServer},
};

use super::{
    bench::{Bench, collect, key},
    link_tokens::{BASE, after, signer},
};
use crate::Absent;

/// What somebody else's server does otherwise with its links than our own. A harness declares it at
/// [`Fixture::quirks`](super::Fixture::quirks), and the cases then demand what is left.
///
/// Each is a weakness or a habit of a server that adapters can do nothing about. None excuses a link that works when
/// it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// A refusal tells which it is: forged, expired, of another method, or of an object that is not there. S3 answers
    /// 403 or 404, with a text. Ours answers one and the same 404 to all.
    RefusalsDiffer,
    /// A link to read is refused for HEAD, because the method is part of what was signed. So does S3.
    HeadRefused,
    /// Nothing in an answer keeps browsers from running the file. So does S3, which serves on an origin of its own.
    NoSafeHeaders,
    /// The file name and media type that the link asks for are not in the answer. So does `s3s-fs`.
    LinkHeadersIgnored,
    /// `If-None-Match` and `If-Match` are not obeyed. So does `s3s-fs`.
    ConditionsIgnored,
    /// Conditions are obeyed with one plain tag, and not with lists or weak tags.
    OneTagOnly,
    /// A 304 does not name the version. So does Ceph.
    BareNotModified,
    /// `If-Range` is not obeyed, so that parts of two versions may be put together. So does S3.
    IfRangeIgnored,
    /// Of several ranges in one request one is sent, or they are refused.
    OneRangeOnly,
    /// Preflights are answered by what the operator has configured, or not at all. So does S3.
    NoPreflight,
    /// An upload has to announce its length. So does S3.
    LengthRequired,
}

/// Answers the links of a store under test that has [`signer`]'s links, `late` after they were minted.
///
/// Pages of any origin may use them. It is what [`Fixture::fetch`](super::Fixture::fetch) asks unless a harness brings
/// its own.
pub fn served(backend: Arc<dyn Backend>, late: Duration) -> LinkServer {
    let clock = Clock::new(move || after(late));
    let server = LinkServer::new(Files::new(backend), signer().verifier(), clock);
    server.below("/blob").with_cors(Cors::any_origin())
}

/// The answer in full. A body that breaks off is a failure of the case.
pub async fn answered(server: &LinkServer, request: Request<ByteStream>) -> Response<Bytes> {
    let (head, body) = server.answer(request).await.into_parts();
    Response::from_parts(head, collect(body).await.expect("the answer's body").into())
}

/// Asks [`served`], if the link is one that it answers.
pub(super) async fn in_process(
    backend: Arc<dyn Backend>,
    request: Request<ByteStream>,
    late: Duration,
) -> Result<Response<Bytes>, Absent> {
    if !request.uri().to_string().starts_with(BASE) {
        return Err(Absent::hook("fetch"));
    }
    Ok(answered(&served(backend, late), request).await)
}

/// A request to where the link leads, with the headers it comes with and no others.
pub(super) fn to(link: &Link) -> Builder {
    let request = Request::builder().method(link.method.as_str()).uri(link.url.as_str());
    link.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// The link's URL with one character changed, once for each that is signed. What follows our token is for looks alone.
pub(super) fn forgeries(link: &Link) -> Vec<String> {
    let url = link.url.as_str();
    let signed = match url.strip_prefix(BASE) {
        Some(rest) => {
            let token = rest.trim_start_matches('/').split('/').next().expect("a token");
            let start = BASE.len() + 1;
            start..start + token.len()
        }
        None => link.url[..url::Position::BeforePath].len() + 1..url.len(),
    };
    let change = |place: usize| {
        // Not the same letter in another case, which a percent sign before it would make the same.
        let other = if url[place..].starts_with(['a', 'A']) { "B" } else { "A" };
        format!("{}{other}{}", &url[..place], &url[place + 1..])
    };
    signed.map(change).collect()
}

impl Bench {
    pub(super) async fn minted(&self, name: &str, request: LinkRequest) -> Link {
        self.files.link(&key(name), request).await.expect("a link")
    }

    /// A link to read the object for ten minutes.
    pub(super) async fn get_link(&self, name: &str) -> Link {
        self.minted(name, LinkRequest::get(Duration::from_mins(10))).await
    }

    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.fixture.quirks().contains(&quirk)
    }

    /// Sends a request without a body.
    pub(super) async fn send(&self, request: Builder) -> Result<Response<Bytes>, Absent> {
        self.send_late(request, Duration::ZERO).await
    }

    pub(super) async fn send_late(
        &self,
        request: Builder,
        late: Duration,
    ) -> Result<Response<Bytes>, Absent> {
        let nothing: ByteStream = Box::pin(stream::empty());
        self.fixture.fetch(request.body(nothing).expect("a request"), late).await
    }

    /// Sends this body with its length.
    pub(super) async fn upload(&self, request: Builder, body: &[u8]) -> Result<Response<Bytes>, Absent> {
        self.upload_saying(request, body.len() as u64, body).await
    }

    /// Sends this body with any length, as if it were its own.
    pub(super) async fn upload_saying(
        &self,
        request: Builder,
        length: u64,
        body: &[u8],
    ) -> Result<Response<Bytes>, Absent> {
        let mut request = request.body(pieces(body)).expect("a request");
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
        self.fixture.fetch(request, Duration::ZERO).await
    }

    /// Sends this body without saying how long it is.
    pub(super) async fn upload_unsized(
        &self,
        request: Builder,
        body: ByteStream,
    ) -> Result<Response<Bytes>, Absent> {
        let mut request = request.body(body).expect("a request");
        request.headers_mut().remove(CONTENT_LENGTH);
        self.fixture.fetch(request, Duration::ZERO).await
    }
}

/// A body in several pieces.
pub(super) fn pieces(body: &[u8]) -> ByteStream {
    let pieces = body.chunks(3.max(body.len() / 7)).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>();
    Box::pin(stream::iter(pieces))
}

/// A body that breaks off behind these bytes, as when the client goes away.
pub(super) fn broken(body: &[u8]) -> ByteStream {
    let gone = Error::new(ErrorKind::Other, "the client went away");
    Box::pin(pieces(body).chain(stream::iter([Err(gone)])))
}

/// Demands a refusal, and no fault of the server.
#[track_caller]
pub(super) fn turned_away(response: &Response<Bytes>) {
    // A changed parameter may ask for what the server does not offer.
    let refused = response.status().is_client_error() || response.status() == StatusCode::NOT_IMPLEMENTED;
    assert!(refused, "{} is no refusal", response.status());
}

#[track_caller]
pub(super) fn stored(response: &Response<Bytes>) {
    assert!(response.status().is_success(), "{} {:?}", response.status(), response.body());
}

/// Demands this status and body.
#[track_caller]
pub(super) fn carries(response: &Response<Bytes>, status: StatusCode, body: &[u8]) {
    assert_eq!(response.status(), status, "{:?}", response.body());
    assert!(
        response.body() == body,
        "{} bytes that are not the expected {}",
        response.body().len(),
        body.len()
    );
}

/// A header as text, empty if there is none.
pub(super) fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    assert!(response.headers().get_all(name).iter().count() < 2, "{name} is there twice");
    response.headers().get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
}
