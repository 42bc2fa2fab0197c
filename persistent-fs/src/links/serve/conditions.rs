//! What a client asks of the version it gets: conditions (RFC 9110, section 13) and ranges (section 14).

use std::time::SystemTime;

use http::{
    HeaderMap, HeaderName,
    header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE},
};
use http_range_header::{EndPosition, RangeUnsatisfiableError, StartPosition, parse_range_header};
use httpdate::HttpDate;

use super::text;
use crate::{ByteRange, Meta};

/// The first second of the year 10000, which an HTTP date cannot tell.
const END_OF_DATES: u64 = 253_402_300_800;

/// What the conditions of a request come to for one version of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To be answered, with these bytes of it if there are any.
    Answer(Option<ByteRange>),
    /// The client has it.
    NotModified,
    /// Another version was asked for.
    Failed,
    /// It has no byte in the range.
    Unsatisfiable,
}

/// Whether there is nothing to judge.
pub(super) fn none(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_UNMODIFIED_SINCE, IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE]
        .iter()
        .all(|name| !headers.contains_key(name))
}

/// The conditions of a GET or HEAD, in the order of RFC 9110, section 13.2.2. Whoever answers HEAD passes over the range.
pub(super) fn judge(headers: &HeaderMap, meta: &Meta, modified: Option<HttpDate>) -> Verdict {
    let named = |name: &HeaderName, weakly| names(headers, name, meta, weakly);
    let since = |name| Some((modified?, text(headers, name)?.parse::<HttpDate>().ok()?));

    let fails = if headers.contains_key(IF_MATCH) {
        !named(&IF_MATCH, false)
    } else {
        since(IF_UNMODIFIED_SINCE).is_some_and(|(modified, date)| modified > date)
    };
    if fails {
        return Verdict::Failed;
    }
    let is_known = if headers.contains_key(IF_NONE_MATCH) {
        named(&IF_NONE_MATCH, true)
    } else {
        since(IF_MODIFIED_SINCE).is_some_and(|(modified, date)| modified <= date)
    };
    if is_known {
        return Verdict::NotModified;
    }
    if headers.contains_key(IF_RANGE) && !named(&IF_RANGE, false) {
        return Verdict::Answer(None);
    }
    match range(headers) {
        Some(range) if range.within(meta.size).is_err() => Verdict::Unsatisfiable,
        range => Verdict::Answer(range),
    }
}

/// When the object was changed, as a header can say it: in whole seconds, and never later than now (section 8.8.2.1).
pub(super) fn last_modified(meta: &Meta, now: SystemTime) -> Option<HttpDate> {
    let since = meta.modified.min(now).duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() < END_OF_DATES).then(|| HttpDate::from(SystemTime::UNIX_EPOCH + since))
}

/// Whether a list of entity tags has this version's, or is `*`. A weak tag in it counts only if compared weakly.
fn names(headers: &HeaderMap, name: &HeaderName, meta: &Meta, weakly: bool) -> bool {
    let mut lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.any(|list| {
        let own = meta.etag.as_ref().map(crate::ETag::as_str);
        (list.trim() == "*" && *name != IF_RANGE)
            || entity_tags(list).any(|(weak, tag)| (weakly || !weak) && Some(tag) == own)
    })
}

/// The tags of a list (section 8.8.3), and whether they are weak; up to the first that is malformed.
fn entity_tags(list: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let strong = rest.strip_prefix("W/");
        let (tag, behind) = strong.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        rest = behind;
        Some((strong.is_some(), tag))
    })
}

/// The one range of bytes that is asked for. Others are passed over, as section 14.2 allows.
fn range(headers: &HeaderMap) -> Option<ByteRange> {
    let parsed = match parse_range_header(text(headers, RANGE)?.trim()) {
        // Well-formed, though no byte can lie in it.
        Err(RangeUnsatisfiableError::ZeroSuffix) => return Some(ByteRange::Last(0)),
        parsed => parsed.ok()?,
    };
    let [range] = parsed.ranges[..] else { return None };
    match (range.start, range.end) {
        (StartPosition::FromLast(count), _) => Some(ByteRange::Last(count)),
        (StartPosition::Index(first), EndPosition::LastByte) => Some(ByteRange::From(first)),
        (StartPosition::Index(first), EndPosition::Index(last)) if first <= last => {
            Some(ByteRange::Span(first, last.saturating_add(1)))
        }
        _ => None,
    }
}
