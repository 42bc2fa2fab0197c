//! From a URL to a backend.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::{Backend, Error, ErrorKind};

/// Opens backends by URL: `scheme://user:password@host:port/path?key=value`.
///
/// It knows what was registered and nothing else; nothing is read from the environment. Errors are of kind
/// [`Config`](ErrorKind::Config), name the part that is wrong and never repeat the URL, which may hold a password.
///
/// ```
/// # use std::sync::Arc;
/// # use mailer::{Backend, Registry};
/// # fn open_file(_: &mut mailer::BackendUrl) -> Result<Arc<dyn Backend>, mailer::Error> { unimplemented!() }
/// let registry = Registry::new().with("maildir", open_file);
/// let error = registry.open("smpt://user:secret@host").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "mail backend set up wrongly: unknown mail scheme smpt; known are: maildir"
/// );
/// ```
///
/// The form `scheme(url url …)?key=value` is reserved for combinations, such as failover, and refused for now.
#[derive(Clone, Default)]
pub struct Registry {
    openers: BTreeMap<String, Arc<Opener>>,
}

type Opener = dyn Fn(&mut BackendUrl) -> Result<Arc<dyn Backend>, Error> + Send + Sync;

/// A URL being read by an opener.
///
/// An opener reads the fixed parts from [`url`](Self::url) and takes each key it knows with
/// [`take`](Self::take), also if it is not there, so that a mistake can be answered with the list of what would
/// have been right. The [`Registry`] calls [`finish`](Self::finish) itself.
///
/// What an opener does not take is an error afterwards, so a misspelt key never passes in silence.
///
/// ```
/// # use mailer::{BackendUrl, Error, ErrorKind};
/// /// What `pigeon://loft?birds=3` says.
/// fn birds(url: &mut BackendUrl) -> Result<u32, Error> {
///     let wrong = |_| Error::new(ErrorKind::Config, "`birds` is not a number");
///     url.take("birds").map_or(Ok(1), |birds| birds.parse().map_err(wrong))
/// }
///
/// let mut url = BackendUrl::parse("pigeon://loft?brids=3")?;
/// assert_eq!(birds(&mut url)?, 1);
/// let error = url.finish().unwrap_err();
/// assert!(error.to_string().ends_with("unknown key brids in the mail URL; pigeon takes: birds"));
/// # Ok::<(), Error>(())
/// ```
pub struct BackendUrl {
    url: Url,
    query: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Registry {
    /// A registry that knows no scheme.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers how URLs of a scheme are opened; a second registration replaces the first.
    #[must_use]
    pub fn with<F>(mut self, scheme: &str, opener: F) -> Self
    where
        F: Fn(&mut BackendUrl) -> Result<Arc<dyn Backend>, Error> + Send + Sync + 'static,
    {
        self.openers.insert(scheme.to_owned(), Arc::new(opener));
        self
    }

    /// The schemes that are known, in order, so that a configuration can be checked before anything is opened.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.openers.keys().map(String::as_str)
    }

    /// Opens a backend. What opening does beside reading the URL, each adapter says itself.
    pub fn open(&self, text: &str) -> Result<Arc<dyn Backend>, Error> {
        let scheme_ends = text.find([':', '(']).ok_or_else(|| config("the mail URL has no scheme"))?;
        let scheme = &text[..scheme_ends];
        let is_scheme =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return Err(config("the mail URL does not begin with a scheme in lower case"));
        }
        if text[scheme_ends..].starts_with('(') {
            return Err(config(format!(
                "the combination {scheme}(…) is not available; give the URL of a single backend"
            )));
        }
        let opener = self.openers.get(scheme).ok_or_else(|| self.unknown_scheme(scheme))?;
        let mut url = BackendUrl::parse(text)?;
        let backend = opener(&mut url)?;
        url.finish()?;
        Ok(backend)
    }

    fn unknown_scheme(&self, scheme: &str) -> Error {
        let known: Vec<&str> = self.schemes().collect();
        config(format!("unknown mail scheme {scheme}; known are: {}", known.join(", ")))
    }
}

impl BackendUrl {
    /// Parses a URL; the error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|error| config(format!("the mail URL is not valid: {error}")))?;
        if url.fragment().is_some() {
            return Err(config("the mail URL has a # part, which means nothing"));
        }
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (i, (key, _)) in query.iter().enumerate() {
            if query[..i].iter().any(|(earlier, _)| earlier == key) {
                return Err(config(format!("the mail URL has the key {key} twice")));
            }
        }
        Ok(Self { url, query, known: Vec::new() })
    }

    /// Everything but the query: scheme, user, password, host, port and path, percent-encoded.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Takes the value of a key out of the query, decoded; `None` if the key is not there.
    pub fn take(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        let at = self.query.iter().position(|(name, _)| name == key)?;
        Some(self.query.remove(at).1)
    }

    /// Answers [`Config`](ErrorKind::Config), naming the first key nobody took.
    pub fn finish(&self) -> Result<(), Error> {
        let Some((key, _)) = self.query.first() else { return Ok(()) };
        let scheme = self.url.scheme();
        if self.known.is_empty() {
            return Err(config(format!("unknown key {key} in the mail URL; {scheme} takes none")));
        }
        let known = self.known.join(", ");
        Err(config(format!("unknown key {key} in the mail URL; {scheme} takes: {known}")))
    }
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.openers.keys()).finish()
    }
}

impl fmt::Debug for BackendUrl {
    /// Shows scheme, host and the names of keys; values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendUrl")
            .field("scheme", &self.url.scheme())
            .field("host", &self.url.host_str())
            .field("keys", &self.query.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let refuse = |url: &mut BackendUrl| -> Result<Arc<dyn Backend>, Error> {
            url.take("pool");
            url.finish()?;
            Err(config("opened"))
        };
        Registry::new().with("smtp", refuse).with("memory", refuse)
    }

    #[test]
    fn each_fault_is_named_and_no_secret_is_repeated() {
        for (url, named) in [
            ("smtp://u:geheim@h?pool=2", "opened"),
            ("memory:", "opened"),
            ("pigeon://u:geheim@h", "unknown mail scheme pigeon; known are: memory, smtp"),
            ("smtp://u:geheim@h?pol=2", "unknown key pol in the mail URL; smtp takes: pool"),
            ("smtp://u:geheim@h?pool=1&pool=2", "the key pool twice"),
            ("smtp://u:geheim@h#x", "a # part"),
            ("smtp://u:geheim@h:port", "not valid: invalid port number"),
            ("failover(smtp://u:geheim@a memory:)?retry=60s", "the combination failover(…) is not available"),
            ("SMTP://u:geheim@h", "scheme in lower case"),
            ("geheim", "no scheme"),
            ("", "no scheme"),
        ] {
            let error = registry().open(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(error.to_string().contains(named), "{url}: {error}");
            assert!(!format!("{error:?}").contains("geheim"), "{url}: {error:?}");
        }
    }

    #[test]
    fn debug_hides_password_and_values() {
        let url = BackendUrl::parse("smtp://u:geheim@h?token=geheim").unwrap();
        assert!(!format!("{url:?}").contains("geheim"));
    }
}
