//! Links: signed, expiring URLs that let their holder read or write one object without further credentials.
//!
//! Clouds sign links of their own. For storage that cannot, this module brings a token: [`LinkSigner`] mints it, and
//! whoever serves the application's URLs checks it with [`LinkVerifier`], which yields a [`Grant`] that says what to do.
//!
//! A token is `v1.<key id>.<payload>.<mac>`. The HMAC-SHA256 covers the text before it exactly as received, so nothing
//! is parsed or normalised before it is authenticated. Method, store, object, expiry and every condition are inside the
//! payload; the file name at the end of a URL is for looks alone.
//!
//! # Minting
//!
//! ```
//! # use std::time::Duration;
//! # use persistent_fs::{Clock, Error, Key, LinkRequest, links::{KeyRing, LinkKey, LinkSigner}};
//! # fn example(secret: &[u8]) -> Result<(), Error> {
//! let ring = KeyRing::new(LinkKey::new("2026-07", secret)?);
//! let base = "https://host/blob".parse().expect("a URL");
//! // All nodes that serve this store use the same name and the same secret.
//! let signer = LinkSigner::new("attachments", base, ring, Clock::system())?;
//! let link = signer.mint(&Key::parse("a/b")?, &LinkRequest::get(Duration::from_secs(300)))?;
//! assert!(link.url.as_str().starts_with("https://host/blob/v1.2026-07."));
//! assert!(!format!("{link:?}").contains("v1."));
//! # Ok(())
//! # }
//! # example(&[7; 32]).unwrap();
//! ```
//!
//! A backend is given the signer when it is opened and mints in [`Backend::link`](crate::Backend::link); applications
//! ask [`Files::link`](crate::Files::link) and do not see who signs.
//!
//! # Serving
//!
//! Whoever answers at the base takes the token out of the path and does what the grant says. With the feature `serve`,
//! `links::serve::LinkServer` does it for any web framework: ranges, conditions, uploads, headers that keep browsers
//! from running what strangers stored, and one 404 for every link that leads nowhere. This is what it rests on:
//!
//! ```
//! # use std::time::SystemTime;
//! # use persistent_fs::{ByteStream, Download, Error, Files, Method, ReadOptions, links::LinkVerifier};
//! async fn serve_get(
//!     files: &Files, verifier: &LinkVerifier, token: &str, now: SystemTime,
//! ) -> Result<Download, Error> {
//!     // Every refusal is the same `Denied`: answer it as a missing page, and log neither token nor URL.
//!     let grant = verifier.verify(Method::Get, token, now)?;
//!     files.read(&grant.key, ReadOptions::default()).await
//! }
//!
//! async fn serve_put(
//!     files: &Files, verifier: &LinkVerifier, token: &str, now: SystemTime, body: ByteStream,
//! ) -> Result<(), Error> {
//!     let grant = verifier.verify(Method::Put, token, now)?;
//!     // The options hold the body to what was signed: another size or hash never becomes visible.
//!     let options = grant.write_options().expect("a grant for writing has them");
//!     files.put_stream(&grant.key, body, options).await.map(drop)
//! }
//! ```
//!
//! The key in a grant is the full one, so serve it from the store that minted it and not from a
//! [scope](crate::Files::scoped) of it. A link can be used any number of times until it dies; one that only creates
//! succeeds once. It cannot be called back, other than by dropping its key from the ring or deleting its object.

mod ring;
#[cfg(feature = "serve")]
pub mod serve;
mod token;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use url::Url;

pub use ring::{KeyRing, LinkKey};
pub use token::{LinkSigner, LinkVerifier};

use crate::{Error, ErrorKind, Key, Result, WriteMode, WriteOptions};

/// What a link may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// To read. Our own handler answers HEAD as well; a cloud that signs the method refuses it.
    Get,
    /// To write.
    Put,
}

impl Method {
    /// The HTTP method.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// What a link is asked to allow.
///
/// Conditions that the backend cannot hold an uploader to are refused when the link is minted, as
/// [`ErrorKind::Unsupported`]; see [`PutLinks`](crate::PutLinks). File names and media types are at most 1024 bytes
/// without control characters, else [`ErrorKind::InvalidOption`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkRequest {
    /// Reading.
    Get {
        /// For how long. More than zero.
        expires_in: Duration,
        /// The name under which a browser saves it.
        file_name: Option<String>,
        /// The media type to answer with, in place of the object's own.
        content_type: Option<String>,
        /// To be shown in place rather than saved.
        inline: bool,
    },
    /// Writing.
    Put {
        /// For how long. More than zero.
        expires_in: Duration,
        /// The exact size that the upload must have.
        size: Option<u64>,
        /// The SHA-256 that it must have.
        sha256: Option<[u8; 32]>,
        /// The media type to store with it.
        content_type: Option<String>,
        /// Only if there is no such object yet; so the link works at most once.
        create_only: bool,
    },
}

impl LinkRequest {
    /// Reading, saved under the object's own name.
    pub fn get(expires_in: Duration) -> Self {
        Self::Get { expires_in, file_name: None, content_type: None, inline: false }
    }

    /// Writing anything, over whatever is there.
    pub fn put(expires_in: Duration) -> Self {
        Self::Put { expires_in, size: None, sha256: None, content_type: None, create_only: false }
    }

    /// The method the link will be for.
    pub fn method(&self) -> Method {
        match self {
            Self::Get { .. } => Method::Get,
            Self::Put { .. } => Method::Put,
        }
    }

    /// For how long.
    pub fn expires_in(&self) -> Duration {
        match self {
            Self::Get { expires_in, .. } | Self::Put { expires_in, .. } => *expires_in,
        }
    }
}

/// A link. Its URL is a secret: `Debug` does not show it, and it does not belong in a log.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The HTTP method to use.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Headers that must be sent as they are, by name and value.
    pub headers: Vec<(String, String)>,
    /// When it dies, in whole seconds. Never later than asked for.
    pub expires_at: SystemTime,
}

impl Link {
    /// A link that needs no headers.
    pub fn new(method: Method, url: Url, expires_at: SystemTime) -> Self {
        Self { method, url, headers: Vec::new(), expires_at }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("method", &self.method)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What a verified token allows, with all that is needed to serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The object, under its full key.
    pub key: Key,
    /// What may be done to it, and how.
    pub access: Access,
    /// When the token dies. It had not when it was verified.
    pub expires_at: SystemTime,
}

/// What may be done to the object of a [`Grant`]. It is what the [`LinkRequest`] asked for, without the duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may be read.
    Get {
        /// The name under which a browser saves it; the object's own if there is none.
        file_name: Option<String>,
        /// The media type to answer with, in place of the object's own.
        content_type: Option<String>,
        /// To be shown in place rather than saved.
        inline: bool,
    },
    /// It may be written.
    Put {
        /// The exact size that the body must have.
        size: Option<u64>,
        /// The SHA-256 that it must have.
        sha256: Option<[u8; 32]>,
        /// The media type to store with it.
        content_type: Option<String>,
        /// Only if there is no such object yet.
        create_only: bool,
    },
}

impl Grant {
    /// The options that make an upload obey the grant, or `None` if it is not for writing.
    ///
    /// Pass them to [`Files::put_stream`](crate::Files::put_stream): a body of another size or hash is then refused
    /// before anything is visible.
    pub fn write_options(&self) -> Option<WriteOptions> {
        let Access::Put { size, sha256, content_type, create_only } = &self.access else {
            return None;
        };
        Some(WriteOptions {
            mode: if *create_only { WriteMode::Create } else { WriteMode::Replace },
            size: *size,
            sha256: *sha256,
            content_type: content_type.clone(),
            ..WriteOptions::default()
        })
    }

    /// The value of a `Content-Disposition` header (RFC 6266, RFC 8187), or `None` if the grant is not for reading.
    ///
    /// It consists of visible ASCII alone, whatever the file name holds.
    pub fn content_disposition(&self) -> Option<String> {
        let Access::Get { file_name, inline, .. } = &self.access else {
            return None;
        };
        let name = file_name.as_deref().unwrap_or(self.key.file_name());
        let kind = if *inline { "inline" } else { "attachment" };
        Some(format!("{kind}; filename*=UTF-8''{}", percent_encoded(name)))
    }
}

/// Everything but letters, digits, `-`, `.`, `_` and `~` as `%XX`: safe in a header and in one segment of a path.
fn percent_encoded(text: &str) -> String {
    use fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
        encoded
    })
}

/// The one answer to every token that is not good. It does not tell which way it was bad.
fn refused() -> Error {
    Error::new(ErrorKind::Denied, "the link is not valid").with_operation("verify link")
}

/// The time of a number of seconds since 1970, or the refusal of a time that cannot be told.
fn at(seconds: u64) -> Result<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or_else(refused)
}

#[cfg(test)]
mod tests;
