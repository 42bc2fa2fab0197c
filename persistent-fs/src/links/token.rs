//! The token inside a link: minted by one side, verified by the other.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::Url;

use super::{Access, Grant, KeyRing, Link, LinkRequest, Method, at, percent_encoded, refused};
use crate::{Clock, Error, ErrorKind, Key, Result};

const VERSION: &str = "v1";

/// A token that is longer was not minted here: a key has 1024 bytes, and a file name is bounded as well.
const MAX_TOKEN: usize = 8 * 1024;
const MAX_TEXT: usize = 1024;

/// Mints links for a store that cannot sign its own.
///
/// The store's name is part of every token, so stores that share keys do not accept each other's links. All nodes that
/// serve one store use the same name and the same keys; links then survive restarts and work on any node.
#[derive(Debug, Clone)]
pub struct LinkSigner {
    verifier: LinkVerifier,
    base: Url,
    clock: Clock,
}

/// Checks the tokens of one store. Needs no store at hand, and no clock: the caller says what time it is.
#[derive(Debug, Clone)]
pub struct LinkVerifier {
    store: String,
    ring: KeyRing,
}

/// What is signed. Field names are short, because they travel in every link.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    /// The store's name.
    s: String,
    /// The key.
    k: String,
    /// The expiry, in seconds since 1970.
    e: u64,
    /// What is allowed.
    a: Allowed,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Allowed {
    #[serde(rename = "get")]
    Get {
        #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
        file_name: Option<String>,
        #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        #[serde(rename = "i", default, skip_serializing_if = "std::ops::Not::not")]
        inline: bool,
    },
    #[serde(rename = "put")]
    Put {
        #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
        sha256: Option<[u8; 32]>,
        #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
        create_only: bool,
    },
}

impl LinkSigner {
    /// A signer for the store of this name. Links begin with `base`, under which the application serves them:
    /// `https://host/blob` gives `https://host/blob/<token>/<file name>`.
    ///
    /// The base should be on a host name of its own, where no cookie of the application is sent: what is served there
    /// is other people's uploads. A base that cannot be extended by a path: [`ErrorKind::Config`].
    pub fn new(store: impl Into<String>, base: Url, ring: KeyRing, clock: Clock) -> Result<Self> {
        if base.cannot_be_a_base() || base.query().is_some() || base.fragment().is_some() {
            return Err(Error::new(ErrorKind::Config, "the base of links is a URL that ends in a path"));
        }
        Ok(Self { verifier: LinkVerifier::new(store, ring), base, clock })
    }

    /// The other side: what accepts the links of this signer.
    pub fn verifier(&self) -> LinkVerifier {
        self.verifier.clone()
    }

    /// Mints a link. The expiry is cut to whole seconds. Pure but for the clock; nothing is stored, so any number of
    /// links can be alive, and minting the same again in the same second gives the same URL.
    ///
    /// A duration under one second or beyond the range of time, and a file name or media type that is long or has
    /// control characters: [`ErrorKind::InvalidOption`].
    pub fn mint(&self, key: &Key, request: &LinkRequest) -> Result<Link> {
        let expires_at = self.expiry(request)?;
        check_texts(request)?;
        let payload = Payload {
            s: self.verifier.store.clone(),
            k: key.as_str().to_owned(),
            e: expires_at,
            a: Allowed::from(request),
        };
        let json = serde_json::to_vec(&payload).expect("a payload of texts and numbers can be written");
        let signing = self.verifier.ring.signing();
        let signed = format!("{VERSION}.{}.{}", signing.id(), URL_SAFE_NO_PAD.encode(json));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signing.sign(&signed)));

        let mut url = self.base.clone();
        let name = match request {
            LinkRequest::Get { file_name: Some(name), .. } => name,
            _ => key.file_name(),
        };
        // The name is for looks. A `?` or `/` in it would change the URL, and so would a name of dots alone.
        let looks = if name.trim_matches('.').is_empty() { "file".to_owned() } else { percent_encoded(name) };
        url.set_path(&format!("{}/{token}/{looks}", self.base.path().trim_end_matches('/')));
        Ok(Link::new(request.method(), url, at(expires_at)?))
    }

    fn expiry(&self, request: &LinkRequest) -> Result<u64> {
        let now = self.clock.now();
        let invalid =
            || Error::new(ErrorKind::InvalidOption, "a link lives for a second at least, and not for ever");
        let seconds =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map(|since| since.as_secs());
        let expires_at = now.checked_add(request.expires_in()).ok_or_else(invalid)?;
        match (seconds(now), seconds(expires_at)) {
            (Ok(now), Ok(then)) if then > now && request.expires_in().as_secs() > 0 => Ok(then),
            _ => Err(invalid()),
        }
    }
}

impl LinkVerifier {
    /// A verifier for the store of this name. Takes the same name and keys as the [`LinkSigner`].
    pub fn new(store: impl Into<String>, ring: KeyRing) -> Self {
        Self { store: store.into(), ring }
    }

    /// What the token allows, if it is genuine, of this store, for this method, and alive at `now`.
    ///
    /// Everything else is one indistinguishable [`ErrorKind::Denied`]; answer it like a missing object. The
    /// authenticity is checked first and in constant time. Pass [`Method::Get`] for HEAD requests.
    pub fn verify(&self, method: Method, token: &str, now: SystemTime) -> Result<Grant> {
        let payload = self.authentic(token).ok_or_else(refused)?;
        let expires_at = at(payload.e)?;
        let access = Access::from(payload.a);
        if payload.s != self.store || access.method() != method || now >= expires_at {
            return Err(refused());
        }
        Ok(Grant { key: Key::parse(&payload.k).map_err(|_| refused())?, access, expires_at })
    }

    fn authentic(&self, token: &str) -> Option<Payload> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let (head, payload) = signed.rsplit_once('.')?;
        let (VERSION, id) = head.split_once('.')? else { return None };
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let expected = self.ring.find(id)?.sign(signed);
        if !bool::from(expected.ct_eq(mac.as_slice())) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

/// Control characters have no place in a header, and a text without end none in a URL.
fn check_texts(request: &LinkRequest) -> Result<()> {
    let (LinkRequest::Get { content_type, .. } | LinkRequest::Put { content_type, .. }) = request;
    let file_name = match request {
        LinkRequest::Get { file_name, .. } => file_name,
        LinkRequest::Put { .. } => &None,
    };
    let typed = content_type
        .iter()
        .all(|text| text.len() <= MAX_TEXT && text.bytes().all(|b| (b' '..=b'~').contains(&b)));
    let named = file_name.iter().all(|text| text.len() <= MAX_TEXT && !text.chars().any(char::is_control));
    if typed && named {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidOption,
        "a file name or media type is too long or has control characters",
    ))
}

impl Access {
    fn method(&self) -> Method {
        match self {
            Self::Get { .. } => Method::Get,
            Self::Put { .. } => Method::Put,
        }
    }
}

impl From<&LinkRequest> for Allowed {
    fn from(request: &LinkRequest) -> Self {
        match request.clone() {
            LinkRequest::Get { expires_in: _, file_name, content_type, inline } => {
                Self::Get { file_name, content_type, inline }
            }
            LinkRequest::Put { expires_in: _, size, sha256, content_type, create_only } => {
                Self::Put { size, sha256, content_type, create_only }
            }
        }
    }
}

impl From<Allowed> for Access {
    fn from(allowed: Allowed) -> Self {
        match allowed {
            Allowed::Get { file_name, content_type, inline } => Self::Get { file_name, content_type, inline },
            Allowed::Put { size, sha256, content_type, create_only } => {
                Self::Put { size, sha256, content_type, create_only }
            }
        }
    }
}
