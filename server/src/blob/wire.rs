//! Ranges and entity tags (RFC 9110).

use axum::http::{HeaderMap, HeaderValue, header};
use persistent_fs::{ByteRange, ETag};

/// The one range that a request asks for. Several ranges, and units other than bytes, are passed over, as
/// RFC 9110 section 14.2 allows: the answer is then the whole file.
pub fn range(headers: &HeaderMap) -> Option<ByteRange> {
    let spec = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (start, end) = spec.split_once('-')?;
    match (start.trim(), end.trim()) {
        ("", last) => last.parse().ok().map(ByteRange::Last),
        (start, "") => start.parse().ok().map(ByteRange::From),
        (start, end) => {
            let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
            (start <= end).then(|| ByteRange::Span(start, end.saturating_add(1)))
        }
    }
}

/// The version that the client has already.
pub fn if_none_match(headers: &HeaderMap) -> Option<ETag> {
    let tag = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    Some(ETag::new(tag.trim().trim_start_matches("W/").trim_matches('"')))
}

/// A version of a file, quoted.
pub fn etag(tag: &ETag) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{}\"", tag.as_str())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &'static str) -> Option<ByteRange> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static(value));
        range(&headers)
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        assert_eq!(asked("bytes=0-0"), Some(ByteRange::Span(0, 1)));
        assert_eq!(asked("bytes=5-"), Some(ByteRange::From(5)));
        assert_eq!(asked("bytes=-7"), Some(ByteRange::Last(7)));
        for ignored in ["bytes=0-1,3-4", "bytes=9-2", "lines=0-1", "bytes=a-b", "bytes"] {
            assert_eq!(asked(ignored), None, "{ignored}");
        }
    }
}
