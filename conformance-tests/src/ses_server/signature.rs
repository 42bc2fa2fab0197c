//! Signature Version 4, as AWS describes it, computed from scratch: what a client's library does wrong, this must not do
//! wrong in the same way.

use std::{fmt::Write as _, time::Duration};

use chrono::{DateTime, NaiveDateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, request::Parts};
use sha2::{Digest as _, Sha256};

use super::{calls::Refusal, keys::Keys};

/// AWS takes requests that were signed this long ago, or this long ahead.
const SKEW: Duration = Duration::from_mins(5);

/// What the `Authorization` header says.
struct Claim<'a> {
    key_id: &'a str,
    /// `date/region/service/aws4_request`.
    scope: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

/// Lets the request pass if one of the keys has signed it, for this region, at about this time.
pub(super) fn check(
    request: &Parts,
    body: &[u8],
    keys: &[Keys],
    region: &str,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let claim = request.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let missing = || refusal("MissingAuthenticationTokenException", "Missing Authentication Token");
    let claim = claim.and_then(Claim::parse).ok_or_else(missing)?;
    let unknown =
        || refusal("UnrecognizedClientException", "The security token included in the request is invalid.");
    let key = keys.iter().find(|key| key.id == claim.key_id).ok_or_else(unknown)?;
    let token = header(&request.headers, "x-amz-security-token");
    if token != key.session_token.as_deref() {
        return Err(unknown());
    }
    let date = header(&request.headers, "x-amz-date").unwrap_or_default();
    check_time(date, now)?;
    let scope = format!("{}/{region}/ses/aws4_request", date.get(..8).unwrap_or_default());
    if claim.scope != scope {
        return Err(bad("Credential should be scoped to a valid region and service."));
    }
    let mut needed = vec!["host", "x-amz-date"];
    needed.extend(token.map(|_| "x-amz-security-token"));
    if needed.iter().any(|name| !claim.signed.contains(name)) {
        return Err(bad("A header that has to be signed is not."));
    }
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(canonical(request, &claim, body)?));
    let first = format!("AWS4{}", key.secret).into_bytes();
    let signing = scope.split('/').fold(first, |key, part| mac(&key, part));
    if hex(&mac(&signing, &to_sign)) != claim.signature {
        return Err(bad("The request signature we calculated does not match the signature you provided."));
    }
    if key.expired {
        return Err(refusal(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ));
    }
    Ok(())
}

impl<'a> Claim<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let fields = text.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (key_id, scope) = field("Credential")?.split_once('/')?;
        let signed = field("SignedHeaders")?.split(';').collect();
        Some(Self { key_id, scope, signed, signature: field("Signature")? })
    }
}

fn check_time(date: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
    let signed = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ");
    let signed = signed.map_err(|_| bad("Date must be in ISO-8601 'basic format'."))?.and_utc();
    if (now - signed).abs().to_std().is_ok_and(|apart| apart <= SKEW) {
        return Ok(());
    }
    Err(bad("Signature expired or not yet current."))
}

/// The request in the one form that both sides can hash.
fn canonical(request: &Parts, claim: &Claim<'_>, body: &[u8]) -> Result<String, Refusal> {
    let payload = hash(body);
    if header(&request.headers, "x-amz-content-sha256").is_some_and(|claimed| claimed != payload) {
        return Err(bad("The provided hash of the body is not that of the body."));
    }
    if !claim.signed.is_sorted() {
        return Err(bad("The signed headers are not in order."));
    }
    let mut text = format!("{}\n{}\n", request.method, request.uri.path());
    // Neither call has a query.
    text.push_str(request.uri.query().unwrap_or_default());
    text.push('\n');
    for name in &claim.signed {
        let value = header(&request.headers, name).ok_or_else(|| bad("A signed header is missing."))?;
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(text, "{name}:{value}").expect("writing to a string cannot fail");
    }
    write!(text, "\n{}\n{payload}", claim.signed.join(";")).expect("writing to a string cannot fail");
    Ok(text)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn hash(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

fn bad(message: &str) -> Refusal {
    refusal("InvalidSignatureException", message)
}

fn refusal(code: &str, message: &str) -> Refusal {
    Refusal { status: 403, code: code.to_owned(), message: message.to_owned() }
}
