//! GET and HEAD.

use http::{
    HeaderMap, HeaderValue, Method as HttpMethod, Response, StatusCode,
    header::{
        ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    },
    request::Parts,
};

use super::{
    Answered, Grant, LinkServer, Method, Refusal,
    conditions::{self, Verdict},
    empty,
};
use crate::{
    ByteStream, Download, ETag, Error, ErrorKind, Meta, ReadOptions,
    links::{Access, serve::conditions::last_modified},
};

/// How often a version that was judged may be gone when it is read. More is a fault, or somebody who means it.
const RACES: usize = 8;

impl LinkServer {
    pub(super) async fn download(&self, head: &Parts) -> Answered {
        let grant = self.grant(Method::Get, &head.uri)?;
        if head.method == HttpMethod::GET && conditions::none(&head.headers) {
            return self.whole(&grant).await;
        }
        for _ in 0..RACES {
            let meta = self.files.head(&grant.key).await.map_err(reading)?;
            let modified = last_modified(&meta, self.clock.now());
            let range = match conditions::judge(&head.headers, &meta, modified) {
                Verdict::Failed => return Err(StatusCode::PRECONDITION_FAILED.into()),
                Verdict::NotModified => return Ok(self.not_modified(&meta)),
                _ if head.method == HttpMethod::HEAD => return Ok(self.described(&grant, &meta)),
                Verdict::Unsatisfiable => return Ok(unsatisfiable(&meta)),
                Verdict::Answer(range) => range,
            };
            // What is read is what was judged, where the store can tell.
            let judged = self.files.capabilities().etag.then_some(meta.etag).flatten();
            let options = ReadOptions { range, if_match: judged, if_none_match: None };
            match self.files.read(&grant.key, options).await {
                Ok(download) if range.is_some() => return Ok(self.part(&grant, download)),
                Ok(download) => return Ok(self.carrying(&grant, download)),
                // Replaced in between, or cut short: it is judged anew.
                Err(error) if matches!(error.kind(), ErrorKind::Precondition | ErrorKind::InvalidRange) => {}
                Err(error) => return Err(reading(error)),
            }
        }
        Err(reading(Error::new(ErrorKind::Unavailable, "the object is replaced faster than it can be read")))
    }

    async fn whole(&self, grant: &Grant) -> Answered {
        let download = self.files.read(&grant.key, ReadOptions::default()).await.map_err(reading)?;
        Ok(self.carrying(grant, download))
    }

    fn carrying(&self, grant: &Grant, download: Download) -> Response<ByteStream> {
        let mut response = self.described(grant, &download.meta);
        *response.body_mut() = download.body;
        response
    }

    fn part(&self, grant: &Grant, download: Download) -> Response<ByteStream> {
        let (range, size) = (download.range.clone(), download.meta.size);
        let mut response = self.carrying(grant, download);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, (range.end - range.start).into());
        let last = range.end.saturating_sub(1);
        insert(headers, CONTENT_RANGE, &format!("bytes {}-{last}/{size}", range.start));
        response
    }

    /// The answer to a HEAD, and what GET says besides the bytes.
    fn described(&self, grant: &Grant, meta: &Meta) -> Response<ByteStream> {
        let mut response = empty(StatusCode::OK);
        let headers = response.headers_mut();
        self.version(headers, meta);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_LENGTH, meta.size.into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if let Access::Get { content_type, .. } = &grant.access
            && let Some(content_type) = content_type.as_deref().or(meta.content_type.as_deref())
        {
            insert(headers, CONTENT_TYPE, content_type);
        }
        if let Some(disposition) = grant.content_disposition() {
            insert(headers, CONTENT_DISPOSITION, &disposition);
        }
        response
    }

    fn not_modified(&self, meta: &Meta) -> Response<ByteStream> {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        self.version(response.headers_mut(), meta);
        response
    }

    fn version(&self, headers: &mut HeaderMap, meta: &Meta) {
        if let Some(tag) = meta.etag.as_ref().and_then(quoted) {
            headers.insert(ETAG, tag);
        }
        if let Some(date) = last_modified(meta, self.clock.now()) {
            insert(headers, LAST_MODIFIED, &date.to_string());
        }
    }
}

fn unsatisfiable(meta: &Meta) -> Response<ByteStream> {
    let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, 0.into());
    insert(headers, CONTENT_RANGE, &format!("bytes */{}", meta.size));
    response
}

/// A version as an entity tag (RFC 9110, section 8.8.3), if it has none but the characters that those may have.
pub(super) fn quoted(tag: &ETag) -> Option<HeaderValue> {
    let fits = tag.as_str().bytes().all(|byte| byte == b'!' || (b'#'..=b'~').contains(&byte));
    HeaderValue::from_str(&format!("\"{}\"", tag.as_str())).ok().filter(|_| fits)
}

/// Sets a header, unless the text cannot be one: an object may have a media type that was never checked.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn reading(error: Error) -> Refusal {
    Refusal::of(error, Method::Get)
}
