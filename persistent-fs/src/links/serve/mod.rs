//! Answering links over HTTP, on the types of the crate `http` and nothing of any framework. Feature `serve`.
//!
//! One [`LinkServer`] answers whatever arrives below the base of a [`LinkSigner`](super::LinkSigner):
//!
//! ```
//! # use std::time::Duration;
//! # use futures_util::stream;
//! # use persistent_fs::{ByteStream, Clock, Error, Files, Key, LinkRequest};
//! # use persistent_fs::links::{KeyRing, LinkKey, LinkSigner, serve::LinkServer};
//! // `files` is the store that was opened with the signer, not a scope of it: links carry full keys.
//! async fn answer(
//!     files: Files, signer: &LinkSigner, request: http::Request<ByteStream>,
//! ) -> http::Response<ByteStream> {
//!     LinkServer::new(files, signer.verifier(), Clock::system()).below("/blob").answer(request).await
//! }
//! ```
//!
//! A framework's body becomes a stream of bytes and the answer's stream becomes its body; both sides of every framework
//! have a call for that.
//!
//! # Answers
//!
//! | Request | Status |
//! |---|---|
//! | GET, HEAD | 200 |
//! | GET with one range of it | 206, with `Content-Range` |
//! | GET with a range that no byte lies in | 416, with `Content-Range: bytes */<size>` |
//! | GET, HEAD of the version that the client has | 304 |
//! | GET, HEAD, PUT under a condition that does not hold | 412 |
//! | PUT | 201, also where it replaced an object |
//! | PUT through a link that only creates, of what is there | 409 |
//! | PUT of another size or SHA-256 than the link or `Content-Length` says | 422 |
//! | PUT of another media type than the link says, or in an encoding | 415 |
//! | PUT that breaks off, or has a `Content-Range` or no readable `Content-Length` | 400 |
//! | an error of the store | by the table at [`ErrorKind`], 503 with `Retry-After` where the store says so |
//! | **everything else** | **404** |
//!
//! A token that is forged, expired, of another method or store, an object that is not there, a method that no link is
//! for: each gives the same 404, with the same headers and no body, so whoever tries cannot tell them apart. There is
//! no 405, because it would say that the rest of the link was right.
//!
//! Every answer forbids what could make somebody's upload a page of this site: `Content-Security-Policy: sandbox`,
//! `X-Content-Type-Options: nosniff`, `Cache-Control: no-store`, `Referrer-Policy: no-referrer`. The file name goes
//! through RFC 8187's encoding, so that nothing in it can end the header or the line.
//!
//! # Which rules
//!
//! * **Conditions** (RFC 9110, section 13): `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since` in
//!   the order of section 13.2.2, with lists, `*` and weak tags. `If-Match` and `If-Range` compare strongly,
//!   `If-None-Match` weakly (section 8.8.3.2).
//! * **Ranges** (section 14): one range of bytes. Several are answered with the whole object, as section 14.2 allows,
//!   and so are ranges that cannot be read, in other units, or of a version that `If-Range` does not name. A date in
//!   `If-Range` never holds: dates here have whole seconds and tell versions apart too badly (section 13.1.5).
//!   HEAD knows no ranges (section 14.2).
//! * **One version.** Headers and body are of one version, and conditions are judged by that version, while others
//!   replace the object.
//! * **Uploads.** The body goes to the store as it arrives, no faster than the store takes it, and is visible when it
//!   is complete and right, or never. `Content-Length` counts as declared even where the link leaves the size open.
//!   The media type stored is the link's; without one, none is, whatever the request says: an uploader does not decide
//!   how a browser will treat the file. Of conditions, `If-None-Match: *` is obeyed, and any other fails with 412,
//!   because a link to write is no permission to ask what is there.
//! * **Expiry** is looked at when the request arrives, for reading as for writing; what began in time may end later,
//!   as with the clouds' own links. The application's own deadline for requests bounds how much later.
//! * **Origins** (the Fetch standard, "CORS protocol"): without [`Cors`], pages of other origins can do nothing here. With it,
//!   a preflight is answered alike for every path, good or bad.
//!
//! If the future or the answer's body is dropped, as happens when a client goes away, a download ends and an upload
//! leaves the old object or the new one, in full.
//!
//! # What the application learns
//!
//! The [extensions](http::Response::extensions) of the answer hold what is not for the client: after an upload the
//! [`Meta`](crate::Meta) of the object, and with a status of 500 or more the store's error, as `Arc<Error>`, for the
//! log. Tokens and URLs are in neither.

mod conditions;
mod cors;
mod download;
mod upload;

use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{
        CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER,
        X_CONTENT_TYPE_OPTIONS,
    },
};

pub use cors::Cors;

use super::{Grant, LinkVerifier, Method};
use crate::{ByteStream, Clock, Error, ErrorKind, Files, Retry};

/// Set on every answer, so that a browser treats what is served as a file of strangers.
const SAFE: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Answers links to one store. Cheap to clone. The rules are at the [top of this module](self).
#[derive(Debug, Clone)]
pub struct LinkServer {
    files: Files,
    verifier: LinkVerifier,
    clock: Clock,
    base: String,
    cors: Option<Cors>,
}

impl LinkServer {
    /// A server of the links that `verifier` accepts, to objects of `files`, at the time that `clock` says.
    ///
    /// It takes the first segment of a request's path for the token, which is right behind a router that strips what it
    /// matched; otherwise say where with [`below`](Self::below). Pages of other origins are refused; see
    /// [`with_cors`](Self::with_cors).
    pub fn new(files: Files, verifier: LinkVerifier, clock: Clock) -> Self {
        Self { files, verifier, clock, base: String::new(), cors: None }
    }

    /// The same server for requests whose paths begin with this one: that of the signer's base.
    #[must_use]
    pub fn below(mut self, path: &str) -> Self {
        path.trim_end_matches('/').clone_into(&mut self.base);
        self
    }

    /// The same server, for pages of other origins as well.
    #[must_use]
    pub fn with_cors(mut self, cors: Cors) -> Self {
        self.cors = Some(cors);
        self
    }

    /// Answers one request. Never fails: what goes wrong is a status, and its cause an extension.
    ///
    /// The body of a request is polled for a PUT that is allowed, and for nothing else. An error of it is a connection
    /// that broke: nothing is published, and what it says is not looked at.
    pub async fn answer<S, E>(&self, request: Request<S>) -> Response<ByteStream>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let (head, body) = request.into_parts();
        let answered = match head.method {
            http::Method::GET | http::Method::HEAD => self.download(&head).await,
            http::Method::PUT => self.upload(&head, body).await,
            http::Method::OPTIONS => self.preflight(&head.headers),
            _ => Err(Refusal::missing()),
        };
        let mut response = answered.unwrap_or_else(Refusal::into_response);
        for (name, value) in SAFE {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if let Some(cors) = &self.cors {
            cors.permit(&head.headers, response.headers_mut());
        }
        response
    }

    fn preflight(&self, headers: &HeaderMap) -> Answered {
        self.cors.as_ref().and_then(|cors| cors.preflight(headers)).ok_or_else(Refusal::missing)
    }

    /// What the token in the path allows. Nothing is decoded: a token has no character that needs it.
    fn grant(&self, method: Method, uri: &Uri) -> Result<Grant, Refusal> {
        let path = uri.path().strip_prefix(&self.base).and_then(|rest| rest.strip_prefix('/'));
        let token = path.and_then(|rest| rest.split('/').next()).ok_or_else(Refusal::missing)?;
        self.verifier.verify(method, token, self.clock.now()).map_err(|_| Refusal::missing())
    }
}

type Answered = Result<Response<ByteStream>, Refusal>;

/// An answer without a body, and what the log should know of it.
struct Refusal {
    status: StatusCode,
    cause: Option<Error>,
}

impl Refusal {
    /// The one answer to every link that leads nowhere, for whatever reason.
    fn missing() -> Self {
        StatusCode::NOT_FOUND.into()
    }

    /// The store's error, by the table at [`ErrorKind`]. Bytes that are wrong are the store's fault in a download, and
    /// the client's in an upload.
    fn of(error: Error, method: Method) -> Self {
        let status = match error.kind() {
            ErrorKind::NotFound => return Self::missing(),
            ErrorKind::AlreadyExists => StatusCode::CONFLICT,
            ErrorKind::Precondition => StatusCode::PRECONDITION_FAILED,
            ErrorKind::InvalidKey | ErrorKind::InvalidOption => StatusCode::BAD_REQUEST,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            ErrorKind::Integrity if method == Method::Put => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, cause: Some(error) }
    }

    fn into_response(self) -> Response<ByteStream> {
        let mut response = empty(self.status);
        response.headers_mut().insert(CONTENT_LENGTH, 0.into());
        if let Some(error) = self.cause.filter(|_| self.status.is_server_error()) {
            if let (StatusCode::SERVICE_UNAVAILABLE, Retry::After(pause)) = (self.status, error.retry()) {
                // Whole seconds are all that the header has; too early would be asked for again.
                let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response.extensions_mut().insert(Arc::new(error));
        }
        response
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self { status, cause: None }
    }
}

fn empty(status: StatusCode) -> Response<ByteStream> {
    let nothing: ByteStream = Box::pin(stream::empty());
    let mut response = Response::new(nothing);
    *response.status_mut() = status;
    response
}

/// A header of a request, if it is there and readable.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
