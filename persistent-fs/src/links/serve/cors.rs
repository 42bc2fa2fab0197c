//! Pages of other origins.

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH,
        IF_NONE_MATCH, IF_RANGE, ORIGIN, RANGE, VARY,
    },
};

use super::empty;
use crate::{ByteStream, Error, ErrorKind, Result};

/// What of an answer a page may read, besides what the standard always lets it.
const EXPOSED: &str =
    "accept-ranges, content-disposition, content-length, content-range, etag, last-modified";

/// Which pages of other origins may use links, and which headers they may send.
///
/// The token in a link is the whole proof and no cookie is looked at, so [`any_origin`](Self::any_origin) gives nobody
/// more than the link itself does. Credentials are never allowed.
#[derive(Debug, Clone)]
pub struct Cors {
    /// `None` for any.
    origins: Option<Vec<HeaderValue>>,
    headers: Vec<HeaderName>,
}

impl Cors {
    /// Pages of any origin.
    pub fn any_origin() -> Self {
        Self { origins: None, headers: vec![CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE] }
    }

    /// Pages of these origins, such as `https://app.example`, written as browsers do.
    ///
    /// A text that cannot be a header: [`ErrorKind::Config`].
    pub fn origins<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let parsed = origins.into_iter().map(HeaderValue::from_str).collect::<std::result::Result<_, _>>();
        let origins = parsed.map_err(|_| Error::new(ErrorKind::Config, "an origin has odd characters"))?;
        Ok(Self { origins: Some(origins), ..Self::any_origin() })
    }

    /// The same, for requests with this header too. `Content-Type`, `Range`, `If-Range`, `If-Match` and
    /// `If-None-Match` are allowed from the beginning.
    #[must_use]
    pub fn allowing(mut self, header: HeaderName) -> Self {
        self.headers.push(header);
        self
    }

    /// The answer to a preflight, or `None` if it is none, or of an origin that is not welcome.
    pub(super) fn preflight(&self, request: &HeaderMap) -> Option<Response<ByteStream>> {
        self.welcome(request)?;
        request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let mut response = empty(StatusCode::OK);
        let headers = response.headers_mut();
        let names = self.headers.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(",");
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_str(&names).expect("names of headers make a header"),
        );
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD,PUT"));
        headers.insert(CONTENT_LENGTH, 0.into());
        Some(response)
    }

    /// Lets the page that asked read the answer, whatever the answer is.
    pub(super) fn permit(&self, request: &HeaderMap, headers: &mut HeaderMap) {
        if self.origins.is_some() {
            headers.insert(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.welcome(request) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }

    /// What to tell the origin of this request, if it has one that is welcome.
    fn welcome(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        match &self.origins {
            None => Some(HeaderValue::from_static("*")),
            Some(origins) => origins.contains(origin).then(|| origin.clone()),
        }
    }
}
