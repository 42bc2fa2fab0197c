//! PUT.

use bytes::Bytes;
use futures_core::Stream;
use futures_util::TryStreamExt;
use http::{
    HeaderMap, StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
    },
    request::Parts,
};

use super::{Answered, LinkServer, Method, Refusal, download::quoted, empty, text};
use crate::{Error, ErrorKind, WriteMode, WriteOptions};

/// Why an upload did not happen.
enum Failure {
    /// The client stopped sending.
    BrokeOff,
    Store(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl LinkServer {
    pub(super) async fn upload<S, E>(&self, head: &Parts, body: S) -> Answered
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let grant = self.grant(Method::Put, &head.uri)?;
        // A grant of this method has them; one that had not would be no link.
        let granted = grant.write_options().ok_or_else(Refusal::missing)?;
        let options = demands(&head.headers, granted)?;
        let body = body.map_err(|_| Failure::BrokeOff);
        let meta = match self.files.put_stream(&grant.key, body, options).await {
            Ok(meta) => meta,
            Err(Failure::BrokeOff) => return Err(StatusCode::BAD_REQUEST.into()),
            Err(Failure::Store(error)) => return Err(refused(error, &head.headers)),
        };
        let mut response = empty(StatusCode::CREATED);
        response.headers_mut().insert(CONTENT_LENGTH, 0.into());
        if let Some(tag) = meta.etag.as_ref().and_then(quoted) {
            response.headers_mut().insert(ETAG, tag);
        }
        response.extensions_mut().insert(meta);
        Ok(response)
    }
}

/// What the link demands of the upload, and the request of itself. What can be refused is refused before a byte is read.
fn demands(headers: &HeaderMap, mut options: WriteOptions) -> Result<WriteOptions, Refusal> {
    // A part of a file would be taken for the whole of it (RFC 9110, section 14.5).
    if headers.contains_key(CONTENT_RANGE) {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
    }
    if let (Some(wanted), Some(given)) = (&options.content_type, headers.get(CONTENT_TYPE))
        && !given.as_bytes().eq_ignore_ascii_case(wanted.as_bytes())
    {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
    }
    for length in headers.get_all(CONTENT_LENGTH) {
        let length =
            length.to_str().ok().and_then(|text| text.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
        if *options.size.get_or_insert(length) != length {
            return Err(StatusCode::UNPROCESSABLE_ENTITY.into());
        }
    }
    if only_creates(headers) {
        options.mode = WriteMode::Create;
    } else if [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
    {
        return Err(StatusCode::PRECONDITION_FAILED.into());
    }
    Ok(options)
}

fn refused(error: Error, headers: &HeaderMap) -> Refusal {
    if error.kind() == ErrorKind::AlreadyExists && only_creates(headers) {
        // The request's own condition failed, which has a status of its own (section 13.1.2).
        return StatusCode::PRECONDITION_FAILED.into();
    }
    Refusal::of(error, Method::Put)
}

/// Whether the one condition of the request is that nothing be there.
fn only_creates(headers: &HeaderMap) -> bool {
    let others = [IF_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    text(headers, IF_NONE_MATCH).is_some_and(|value| value.trim() == "*")
        && !others.iter().any(|name| headers.contains_key(name))
}
