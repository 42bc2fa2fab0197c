//! Links: URLs that carry their signature (`SigV4` in the query), for one method, one object and its conditions.
//!
//! `object_store` signs URLs as well, but does not let a link fix the length of a body, reads the time from the machine,
//! and does not tell when the keys die.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use object_store::aws::AwsCredential;
use percent_encoding::utf8_percent_encode;
use persistent_fs::{Error, ErrorKind, Key, Link, LinkRequest, Result};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    publish::Target,
    wire::{PATH, QUERY},
};

/// S3 takes no signature that is older.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// No single request takes a larger body.
const LARGEST_BODY: u64 = 5 << 30;
const LONGEST_TEXT: usize = 1024;

/// A request whose holder shall be let in: everything that the signature covers.
struct Signed<'a> {
    method: &'static str,
    bucket: &'a Url,
    name: &'a str,
    /// Beside those of the signature itself.
    query: Vec<(&'static str, String)>,
    /// Beside the host. Lower-case names.
    headers: Vec<(String, String)>,
}

/// Mints a link under the keys that the store signs with at this moment.
pub(crate) async fn mint(target: &Target, key: &Key, request: &LinkRequest) -> Result<Link> {
    check_texts(request)?;
    let asked = request.expires_in();
    if asked < Duration::from_secs(1) || asked > LONGEST {
        return Err(Error::new(ErrorKind::InvalidOption, "a link lives from one second to seven days"));
    }
    let (keys, keys_expire_at) = target.wire.signing.keys_and_expiry().await?;
    let now = whole_seconds(target.clock.now());
    let end = keys_expire_at.map_or(now + asked, |end| end.min(now + asked));
    let lives = end.duration_since(now).unwrap_or_default().as_secs();
    if lives == 0 {
        return Err(Error::new(ErrorKind::Unauthenticated, "the credentials have expired"));
    }
    let bucket = Url::parse(&target.wire.bucket).expect("the bucket's URL was parsed when it was opened");
    let name = target.name(key);
    let signed = Signed {
        method: request.method().as_str(),
        bucket: &bucket,
        name: &name,
        ..conditions(target, key, request, &bucket, &name)?
    };
    let url = signed.url(&keys, &target.wire.region, now, lives);
    let mut link = Link::new(request.method(), url, now + Duration::from_secs(lives));
    // Whoever sends a body says how long it is; naming it again would only invite a mistake.
    link.headers = signed.headers.into_iter().filter(|(name, _)| name != "content-length").collect();
    Ok(link)
}

/// What the holder of the link is bound to.
fn conditions<'a>(
    target: &Target,
    key: &Key,
    request: &LinkRequest,
    bucket: &'a Url,
    name: &'a str,
) -> Result<Signed<'a>> {
    let mut signed = Signed { method: "", bucket, name, query: Vec::new(), headers: Vec::new() };
    match request {
        LinkRequest::Get { file_name, content_type, inline, .. } => {
            let kind = if *inline { "inline" } else { "attachment" };
            let name = utf8_percent_encode(file_name.as_deref().unwrap_or(key.file_name()), QUERY);
            signed.query.push(("response-content-disposition", format!("{kind}; filename*=UTF-8''{name}")));
            signed.query.extend(content_type.iter().map(|given| ("response-content-type", given.clone())));
        }
        LinkRequest::Put { size, sha256, content_type, create_only, .. } => {
            if size.is_some_and(|size| size > LARGEST_BODY) {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("an upload by link has {LARGEST_BODY} bytes at most"),
                ));
            }
            let bound = [
                ("content-length", size.map(|size| size.to_string())),
                ("x-amz-checksum-sha256", sha256.map(|sum| STANDARD.encode(sum))),
                ("content-type", content_type.clone()),
                ("if-none-match", create_only.then(|| "*".to_owned())),
            ];
            let bound = bound.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            signed.headers.extend(bound);
            for (name, value) in &target.new_object {
                let value = value.to_str().unwrap_or_default();
                signed.headers.push((name.as_str().to_owned(), value.to_owned()));
            }
        }
    }
    signed.headers.sort();
    Ok(signed)
}

impl Signed<'_> {
    /// The URL with its signature. Query and path are written exactly as they were signed.
    fn url(&self, keys: &AwsCredential, region: &str, now: SystemTime, lives: u64) -> Url {
        let now = DateTime::<Utc>::from(now);
        let (day, time) = (now.format("%Y%m%d").to_string(), now.format("%Y%m%dT%H%M%SZ").to_string());
        let scope = format!("{day}/{region}/s3/aws4_request");
        let host = self.bucket.authority().to_owned();
        let mut headers = vec![("host", host.as_str())];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.trim())));
        headers.sort_unstable();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");

        let mut query = self.query.clone();
        query.extend([
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("{}/{scope}", keys.key_id)),
            ("X-Amz-Date", time.clone()),
            ("X-Amz-Expires", lives.to_string()),
            ("X-Amz-SignedHeaders", names.clone()),
        ]);
        query.extend(keys.token.iter().map(|token| ("X-Amz-Security-Token", token.clone())));
        query.sort_unstable();
        let encoded =
            |(name, value): &(&str, String)| format!("{name}={}", utf8_percent_encode(value, QUERY));
        let query = query.iter().map(encoded).collect::<Vec<_>>().join("&");

        let path =
            format!("{}/{}", self.bucket.path().trim_end_matches('/'), utf8_percent_encode(self.name, PATH));
        let told =
            headers.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join("\n");
        let canonical = format!("{}\n{path}\n{query}\n{told}\n\n{names}\nUNSIGNED-PAYLOAD", self.method);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let key = [day.as_str(), region, "s3", "aws4_request"]
            .iter()
            .fold(format!("AWS4{}", keys.secret_key).into_bytes(), |key, part| hmac(&key, part));
        let signature = hex(&hmac(&key, &to_sign));
        let text = format!("{}://{host}{path}?{query}&X-Amz-Signature={signature}", self.bucket.scheme());
        Url::parse(&text).expect("a URL of encoded parts")
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).expect("a digit")));
        text
    })
}

/// Cut, so that no link lives longer than was asked for.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Control characters have no place in a header, and a text without end none in a URL.
fn check_texts(request: &LinkRequest) -> Result<()> {
    let (LinkRequest::Get { content_type, .. } | LinkRequest::Put { content_type, .. }) = request;
    let file_name = match request {
        LinkRequest::Get { file_name, .. } => file_name.as_deref(),
        LinkRequest::Put { .. } => None,
    };
    let named =
        file_name.is_none_or(|text| text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control));
    if named && content_type.as_deref().is_none_or(fits_header) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidOption,
        "a file name or media type is too long or has control characters",
    ))
}

/// Whether a text can be the value of a header and come back as it went.
pub(crate) fn fits_header(text: &str) -> bool {
    (1..=LONGEST_TEXT).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
