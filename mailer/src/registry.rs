//! From a URL to a backend.

mod combine;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{Backend, Entropy, Error, ErrorKind};

pub use self::url::BackendUrl;

use combine::Spec;

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
/// # Combinations
///
/// A name with URLs in parentheses is a [layer](crate::layers) around them. URLs are separated by spaces, and each may be
/// a combination again; a parenthesis inside of a URL is written `%28` or `%29`.
///
/// | Combination | Layer | Keys |
/// |---|---|---|
/// | `failover(url url …)` | [`Failover`](crate::layers::Failover) | `retry`: for how long one in trouble is passed over |
/// | `roundrobin(url url …)` | [`RoundRobin`](crate::layers::RoundRobin) | `retry`, likewise |
/// | `retry(url)` | [`Retried`](crate::layers::Retried) | `attempts`, `first_pause`, `longest_pause`, `duplicates` (`yes`) |
/// | `limit(url)` | [`RateLimited`](crate::layers::RateLimited) | `per_second`, which it needs; `burst` |
/// | `redirect(url)` | [`Redirected`](crate::layers::Redirected) | `to`, which it needs; `allow`: domains, separated by commas |
///
/// ```
/// # use std::sync::Arc;
/// # use mailer::{Backend, BackendUrl, Registry};
/// # fn example(registry: &Registry) -> Result<(), mailer::Error> {
/// registry.open(
///     "retry(failover(limit(ses://eu-west-1)?per_second=14 smtps://user:secret@mail.example.org)?retry=2m)?attempts=3",
/// )?;
/// # Ok(())
/// # }
/// ```
///
/// The other layers hold what no URL can name: a list in a database, a recorder.
#[derive(Clone)]
pub struct Registry {
    openers: BTreeMap<String, Arc<Opener>>,
    entropy: Entropy,
}

type Opener = dyn Fn(&mut BackendUrl) -> Result<Arc<dyn Backend>, Error> + Send + Sync;

impl Registry {
    /// A registry that knows no scheme, and all combinations.
    pub fn new() -> Self {
        Self { openers: BTreeMap::new(), entropy: Entropy::system() }
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

    /// Sets the randomness of the combinations that pause or take turns; the system's unless said otherwise.
    #[must_use]
    pub fn with_entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = entropy;
        self
    }

    /// The schemes that are known, in order, so that a configuration can be checked before anything is opened.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.openers.keys().map(String::as_str)
    }

    /// Opens a backend. What opening does beside reading the URL, each adapter says itself.
    ///
    /// A combination is read to its end before anything in it is opened.
    pub fn open(&self, text: &str) -> Result<Arc<dyn Backend>, Error> {
        self.open_spec(&Spec::parse(text)?)
    }

    fn open_spec(&self, spec: &Spec<'_>) -> Result<Arc<dyn Backend>, Error> {
        match spec {
            Spec::Url(text) => self.open_url(text),
            Spec::Combination(combination) => {
                let layer = combination.layer()?;
                let parts = combination.parts.iter().map(|part| self.open_spec(part));
                layer.around(parts.collect::<Result<_, _>>()?, &self.entropy)
            }
        }
    }

    fn open_url(&self, text: &str) -> Result<Arc<dyn Backend>, Error> {
        let (scheme, _) = text.split_once(':').ok_or_else(|| config("the mail URL has no scheme"))?;
        if !is_name(scheme) {
            return Err(config("the mail URL does not begin with a scheme in lower case"));
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

/// True for what may be a scheme or the name of a combination, and so may be repeated in an error.
fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
    !name.is_empty() && name.bytes().all(is_allowed)
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.openers.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
