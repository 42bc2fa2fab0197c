//! Databases by URL: which scheme is opened by whom.

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};

use url::Url;

use crate::{Backend, Error, ErrorKind};

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Backend>, Error>> + Send>>;
type Opener = Box<dyn Fn(Url) -> Opening + Send + Sync>;

/// Opens backends from URLs. The program that assembles the parts fills it; nothing registers itself.
///
/// A scheme stands for one way of getting credentials, so a program that wants its passwords from a
/// vault links that adapter, names a scheme for it, and changes nothing else.
///
/// ```
/// # use std::sync::Arc;
/// # use dbconn::{Backend, Error, Registry, Rotating};
/// # use url::Url;
/// # async fn open_sqlite(_: Url) -> Result<Arc<dyn Backend>, Error> { unimplemented!() }
/// # async fn run() -> Result<Arc<dyn Backend>, Error> {
/// let registry = Registry::new().with("sqlite", open_sqlite);
/// registry.open("sqlite:///srv/app/data.db").await
/// # }
/// ```
#[derive(Default)]
pub struct Registry {
    openers: BTreeMap<&'static str, Opener>,
}

impl Registry {
    /// A registry that knows no scheme yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same registry, opening URLs of this scheme with `opener`. A scheme given twice keeps the last.
    ///
    /// `scheme` is in lower case and without the colon, since that is how a parsed URL has it. The
    /// opener is handed the whole URL, the password in it included, and must keep it out of its errors.
    #[must_use]
    pub fn with<F, R, B>(mut self, scheme: &'static str, opener: F) -> Self
    where
        F: Fn(Url) -> R + Send + Sync + 'static,
        R: Future<Output = Result<B, Error>> + Send + 'static,
        B: Backend,
    {
        let opener: Opener = Box::new(move |url| {
            let opening = opener(url);
            Box::pin(async move { Ok(Arc::new(opening.await?) as Arc<dyn Backend>) })
        });
        self.openers.insert(scheme, opener);
        self
    }

    /// The schemes that are known, in order, so that a configuration can be checked before anything is opened.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> {
        self.openers.keys().copied()
    }

    /// Opens the backend that the URL names.
    ///
    /// `Config` if it is no URL or its scheme is not known (naming those that are), or if the adapter refuses it. The
    /// URL stays out of the message, since it may hold a password.
    ///
    /// Opens no connection, so that a program starts while its database is away. Opening the same
    /// URL twice gives two backends. Dropping the future drops what the opener was doing.
    pub async fn open(&self, url: &str) -> Result<Arc<dyn Backend>, Error> {
        // The parser's own error names what is wrong without quoting the URL.
        let url = Url::parse(url)
            .map_err(|error| config(format!("not a URL ({error}); known schemes: {}", self.known())))?;
        match self.openers.get(url.scheme()) {
            Some(opener) => opener(url).await,
            None => {
                Err(config(format!("unknown scheme `{}`; known schemes: {}", url.scheme(), self.known())))
            }
        }
    }

    fn known(&self) -> String {
        self.schemes().collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.openers.keys()).finish()
    }
}

/// The options in a URL's query, taken one by one. For the `config.rs` of adapters.
///
/// A misspelt option that is passed over in silence is how a server ends up without TLS. So every
/// option is asked for by name, and what is left over in the end is an error. Names and values come
/// percent-decoded, and `+` is a blank. No message shows a value.
///
/// ```
/// # use dbconn::{Error, UrlOptions};
/// # fn main() -> Result<(), Error> {
/// let url = url::Url::parse("postgres://u@h/d?sslmode=disable").expect("a URL");
/// let mut options = UrlOptions::of(&url)?;
/// assert_eq!(options.take("sslmode").as_deref(), Some("disable"));
/// options.finish() // Whatever was not taken is an error that names it.
/// # }
/// ```
#[derive(Debug)]
pub struct UrlOptions {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl UrlOptions {
    /// The options of this URL. `Config` if one is given twice.
    pub fn of(url: &Url) -> Result<Self, Error> {
        let mut given = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if given.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(config(format!("option `{name}` is given twice")));
            }
        }
        Ok(Self { given, known: Vec::new() })
    }

    /// The value of an option, if it is given. Every option the adapter knows is taken, present or not,
    /// so that `finish` can name them all. An empty value is given: `Some("")`.
    pub fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name)
    }

    /// Ends the reading. `Config` if there is an option that nobody took, naming it and those that are known.
    pub fn finish(self) -> Result<(), Error> {
        match self.given.keys().next() {
            None => Ok(()),
            Some(name) if self.known.is_empty() => {
                Err(config(format!("unknown option `{name}`; there are none")))
            }
            Some(name) => {
                Err(config(format!("unknown option `{name}`; known options: {}", self.known.join(", "))))
            }
        }
    }
}

fn config(detail: String) -> Error {
    Error::new(ErrorKind::Config, "open", detail)
}
