//! A page that shows the mails a backend holds, so that a newcomer without a mail server can read the mail with the
//! link in it.
//!
//! It belongs to no framework: give [`Preview::handle`] the head of each request below some path, and send back what it
//! answers. There are no scripts and nothing is loaded from elsewhere.
//!
//! ```
//! # use std::sync::Arc;
//! # use mailer::preview::{Held, Preview, Source};
//! # #[derive(Debug)] struct Drawer;
//! # #[async_trait::async_trait]
//! # impl Source for Drawer {
//! #     async fn list(&self, _: usize) -> Result<Vec<Held>, mailer::Error> { Ok(Vec::new()) }
//! #     async fn get(&self, _: &str) -> Result<Option<Held>, mailer::Error> { Ok(None) }
//! #     async fn clear(&self) -> Result<(), mailer::Error> { Ok(()) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let preview = Preview::new(Drawer).at("/dev/mails");
//! let (head, ()) = http::Request::get("/dev/mails/").body(()).unwrap().into_parts();
//! assert_eq!(preview.handle(&head).await.status(), 200);
//! # }
//! ```
//!
//! | Below the path | Answer |
//! |---|---|
//! | `GET /` | the list, newest first |
//! | `GET /mails.json` | the same for programs |
//! | `GET /mail/<id>` | one mail; `?view=text`, `headers` or `source` for another side of it |
//! | `GET /mail/<id>/html` | its HTML alone, for the frame of the page |
//! | `GET /mail/<id>/eml` | its bytes, to be saved |
//! | `GET /mail/<id>/part/<n>` | an attachment, to be saved |
//! | `POST /clear` | removes all, if the request comes from the page itself |
//!
//! # Safety
//!
//! Mails hold codes and links, and whoever reaches the page reads them all: **mount it in development only**, behind an
//! address that nobody else reaches.
//!
//! A mail is shown as a stranger's: its HTML stands in a sandboxed frame without scripts, forms or an origin of its own,
//! under a policy that loads nothing from anywhere; its pictures are put into the document; what it says elsewhere is
//! escaped; and what can be saved is never shown by the browser itself. A link in it opens a window of its own.

mod message;
mod page;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{Envelope, Error};
use message::Message;
use page::View;

/// Mails on one page. Older ones are still there by their address.
const LISTED: usize = 200;

/// What a page may do: show itself, its style, and a mail in a frame.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// What a mail's HTML may do, also when it is opened by itself: be looked at.
const MAIL_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; \
    style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// Where the shown mails come from. The adapters that keep mails where they can be read again implement it.
#[async_trait]
pub trait Source: Send + Sync + fmt::Debug + 'static {
    /// The newest mails, newest first, at most `limit` of them. Those that cannot be read are left out.
    ///
    /// Changes nothing, so dropping the future does no harm; that is true of [`get`](Self::get) too.
    async fn list(&self, limit: usize) -> Result<Vec<Held>, Error>;

    /// One mail, or `None` if there is none of this name. The name may come from anybody.
    async fn get(&self, id: &str) -> Result<Option<Held>, Error>;

    /// Removes all mails. Doing it twice is the same as doing it once. If the future is dropped, some may be left.
    async fn clear(&self) -> Result<(), Error>;
}

/// One mail as a [`Source`] has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name within the source.
    pub id: String,
    /// Whom it was for, hidden copies included.
    pub envelope: Envelope,
    /// What sort of mail it is, if that is known.
    pub kind: Option<String>,
    /// Header and body.
    pub raw: Bytes,
}

/// The page over one source. Clones show the same.
#[derive(Clone, Debug)]
pub struct Preview {
    source: Arc<dyn Source>,
    /// What stands before each path, without a slash at its end.
    base: String,
}

impl Preview {
    /// The page at the root of a host.
    pub fn new(source: impl Source) -> Self {
        Self { source: Arc::new(source), base: String::new() }
    }

    /// The same page below this path, such as `/dev/mails`. Requests may come with it or, from a router that has cut
    /// it off, without; links always have it.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.trim_end_matches('/').clone_into(&mut self.base);
        self
    }

    /// Answers one request; its body does not matter. What is not there is 404, a method that does not fit 405, and a
    /// source that fails 500 with its error in the page.
    pub async fn handle(&self, request: &Parts) -> Response<Bytes> {
        let path = request.uri.path();
        let path = path.strip_prefix(self.base.as_str()).unwrap_or(path).trim_matches('/');
        let path: Vec<&str> = path.split('/').collect();
        let is_get = request.method == Method::GET || request.method == Method::HEAD;
        let answer = match (&path[..], is_get) {
            ([""], true) => self.list().await,
            (["mails.json"], true) => self.json().await,
            (["style.css"], true) => Ok(respond("text/css", page::STYLE)),
            (["mail", id, rest @ ..], true) => self.mail(id, rest, View::of(request.uri.query())).await,
            (["clear"], false) if request.method == Method::POST => self.clear(request).await,
            (_, true) => Ok(self.fault(StatusCode::NOT_FOUND, "There is no such page.")),
            (_, false) => Ok(self.fault(StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here.")),
        };
        let failed = |error: Error| self.fault(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
        answer.unwrap_or_else(failed)
    }

    async fn list(&self) -> Result<Response<Bytes>, Error> {
        let held = self.source.list(LISTED).await?;
        Ok(shown(page::list(&self.base, &held)))
    }

    async fn json(&self) -> Result<Response<Bytes>, Error> {
        let held = self.source.list(LISTED).await?;
        let summaries: Vec<_> = held.iter().map(|held| Message::read(held).summary(held)).collect();
        let json = serde_json::to_vec(&summaries).expect("strings and numbers are JSON");
        Ok(respond("application/json", json))
    }

    async fn mail(&self, id: &str, rest: &[&str], view: View) -> Result<Response<Bytes>, Error> {
        let id = percent_decode_str(id).decode_utf8_lossy();
        let Some(held) = self.source.get(&id).await? else {
            return Ok(self.fault(StatusCode::NOT_FOUND, "This mail is not there, or no longer."));
        };
        let message = Message::read(&held);
        let part = |number: &str| message.file(number.parse().ok()?);
        Ok(match rest {
            [] => shown(page::mail(&self.base, &held, &message, view)),
            ["html"] => framed(message.document()),
            ["eml"] => download("mail.eml", held.raw.clone()),
            ["part", number] => match part(number) {
                Some(file) => download(&file.name, Bytes::copy_from_slice(file.content)),
                None => self.fault(StatusCode::NOT_FOUND, "The mail has no such part."),
            },
            _ => self.fault(StatusCode::NOT_FOUND, "There is no such page."),
        })
    }

    async fn clear(&self, request: &Parts) -> Result<Response<Bytes>, Error> {
        if !comes_from_the_page(request) {
            return Ok(self.fault(StatusCode::FORBIDDEN, "This has to be asked for on the page itself."));
        }
        self.source.clear().await?;
        let mut response = respond("text/plain", "");
        *response.status_mut() = StatusCode::SEE_OTHER;
        // A path that a router was given is fit for a header; for another one the browser stays where it is.
        if let Ok(home) = HeaderValue::try_from(format!("{}/", self.base)) {
            response.headers_mut().insert(header::LOCATION, home);
        }
        Ok(response)
    }

    fn fault(&self, status: StatusCode, text: &str) -> Response<Bytes> {
        let mut response = shown(page::fault(&self.base, text));
        *response.status_mut() = status;
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

/// Whether a request was made by a page of this host. A stranger's page can send one, but cannot say this.
fn comes_from_the_page(request: &Parts) -> bool {
    let said = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = said("sec-fetch-site") {
        return site == "same-origin";
    }
    let host = said("host").or_else(|| request.uri.authority().map(http::uri::Authority::as_str));
    let origin = said("origin").and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    origin.is_some() && origin == host
}

fn respond(content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        // A link in a mail must not tell where it was read; the page's own form needs its origin.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn with_policy(mut response: Response<Bytes>, policy: &'static str) -> Response<Bytes> {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// A page of ours.
fn shown(html: String) -> Response<Bytes> {
    with_policy(respond("text/html; charset=utf-8", html), PAGE_POLICY)
}

/// A mail's own HTML.
fn framed(html: String) -> Response<Bytes> {
    with_policy(respond("text/html; charset=utf-8", html), MAIL_POLICY)
}

/// Something to be saved, whatever the mail says it is.
fn download(name: &str, content: Bytes) -> Response<Bytes> {
    let mut response = with_policy(respond("application/octet-stream", content), MAIL_POLICY);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", encoded(name));
    let value = HeaderValue::try_from(value).expect("it holds letters, digits and a few marks");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    response
}

/// Fit for a quoted name in a header, and for every file system.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '(' | ')')
}

/// As one segment of a path.
fn encoded(text: &str) -> impl fmt::Display + '_ {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, SEGMENT)
}

#[cfg(test)]
mod tests;
