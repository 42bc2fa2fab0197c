//! Signed requests to the bucket, for what `object_store` does not ask in the way the contract needs it.
//!
//! A write may be sent again only if that changes nothing, a condition belongs to the end of an upload in parts as
//! well, and an error has to say what is known. So these requests are made here, of `object_store`'s parts: its
//! signature, its providers of keys, its client.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use object_store::{
    PutPayload,
    aws::AwsAuthorizer,
    client::{HttpClient, HttpRequest, HttpRequestBody},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use persistent_fs::{Error, ErrorKind, Outcome, Result, Retry};
use sha2::{Digest, Sha256};

use crate::{connect::header_text, credentials::Signing, error::unpack};

/// What a signature wants encoded: all but letters, digits and `-._~`; in a path the slash stays.
pub(crate) const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
pub(crate) const PATH: &AsciiSet = &QUERY.remove(b'/');

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The way to one bucket. Shared by the store and its uploads.
pub(crate) struct Wire {
    pub(crate) http: HttpClient,
    /// The URL of the bucket, without a slash at its end.
    pub(crate) bucket: String,
    pub(crate) region: String,
    pub(crate) signing: Signing,
    pub(crate) retries: usize,
}

/// A request, before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    /// The name of the object in the bucket, or nothing for the bucket itself.
    name: String,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Vec<Bytes>,
    repeatable: bool,
}

/// What came back: a good status, and the whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, name: impl Into<String>) -> Self {
        let (name, query, headers, body) = (name.into(), Vec::new(), HeaderMap::new(), Vec::new());
        let repeatable = method.is_safe();
        Self { method, name, query, headers, body, repeatable }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header. A value that cannot be one: [`ErrorKind::InvalidOption`].
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::new(ErrorKind::InvalidOption, format!("`{name}` cannot have this value")))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    pub(crate) fn headers(mut self, headers: &HeaderMap) -> Self {
        self.headers.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    pub(crate) fn body(mut self, pieces: Vec<Bytes>) -> Self {
        self.body = pieces;
        self
    }

    /// Sending it twice means the same as sending it once.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

impl Answer {
    /// When the server says that it answered.
    pub(crate) fn date(&self) -> Option<SystemTime> {
        let date = header_text(&self.headers, header::DATE)?;
        DateTime::parse_from_rfc2822(date).ok().map(SystemTime::from)
    }
}

impl Wire {
    /// Sends the request, and again if that is harmless and may help.
    ///
    /// If an attempt before the last may have been applied, the outcome of the last one's error is unknown, whatever
    /// it says itself.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer> {
        let mut pause = FIRST_PAUSE;
        let mut in_doubt = false;
        for attempt in 0.. {
            let error = match self.send_once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            in_doubt |= error.outcome() == Outcome::Unknown;
            let error = if in_doubt { error.with_outcome(Outcome::Unknown) } else { error };
            // What was surely refused may be sent again in any case.
            let harmless = call.repeatable || !in_doubt;
            let wait = match error.retry() {
                Retry::Never => return Err(error),
                Retry::Backoff => pause,
                Retry::After(wait) => wait,
            };
            if attempt >= self.retries || !harmless || wait > LONGEST_PAUSE {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 3).min(LONGEST_PAUSE);
        }
        unreachable!("the loop ends by returning")
    }

    async fn send_once(&self, call: &Call) -> Result<Answer> {
        let length = call.body.iter().map(Bytes::len).sum::<usize>();
        let mut request = HttpRequest::new(body(&call.body));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = self.url(&call.name, &call.query).parse().map_err(|_| unspeakable())?;
        *request.headers_mut() = call.headers.clone();
        if call.method == Method::PUT || call.method == Method::POST {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let keys = self.signing.keys().await?;
        let mut hash = Sha256::new();
        call.body.iter().for_each(|piece| hash.update(piece));
        AwsAuthorizer::new(&keys, "s3", &self.region)
            .try_authorize(&mut request, Some(&hash.finalize()))
            .map_err(|_| Error::new(ErrorKind::Other, "the request cannot be signed"))?;
        let (parts, body) = self.http.execute(request).await.map_err(|error| unpack(&error))?.into_parts();
        let outcome = if call.method.is_safe() { Outcome::NotApplied } else { Outcome::Unknown };
        let body = body
            .bytes()
            .await
            .map_err(|_| Error::new(ErrorKind::Unavailable, "the answer broke off").with_outcome(outcome))?;
        Ok(Answer { headers: parts.headers, body })
    }

    /// The URL of an object, or of the bucket, as the signature wants it.
    pub(crate) fn url(&self, name: &str, query: &[(&'static str, String)]) -> String {
        let mut url = self.bucket.clone();
        if !name.is_empty() {
            url.push('/');
            url.extend(utf8_percent_encode(name, PATH));
        }
        for (n, (name, value)) in query.iter().enumerate() {
            url.push(if n == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, QUERY));
        }
        url
    }
}

/// In one piece where it is in one piece, which is sent without a copy either way.
fn body(pieces: &[Bytes]) -> HttpRequestBody {
    match pieces {
        [] => HttpRequestBody::empty(),
        [piece] => piece.clone().into(),
        pieces => pieces.iter().cloned().collect::<PutPayload>().into(),
    }
}

fn unspeakable() -> Error {
    Error::new(ErrorKind::InvalidKey, "the key cannot be part of a URL")
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
