//! Stores by URL: which scheme is opened by whom.

use std::{collections::BTreeMap, fmt, pin::Pin, sync::Arc};

use url::Url;

use crate::{Backend, Error, ErrorKind, Files, Result};

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Backend>>> + Send>>;
type Opener = Box<dyn Fn(Url) -> Opening + Send + Sync>;

/// Opens stores from URLs. The program that assembles the parts fills it; nothing registers itself.
///
/// An opener is the adapter's `open`: it takes the URL with its options, refuses those it does not know
/// ([`UrlOptions`]), and says in its own documentation what it reads or makes. It reads no environment.
///
/// ```
/// # use persistent_fs::{Backend, Error, Files, Registry};
/// # use url::Url;
/// # async fn open_memory(_: Url) -> Result<std::sync::Arc<dyn Backend>, Error> { unimplemented!() }
/// # async fn run() -> Result<Files, Error> {
/// let registry = Registry::new().with("memory", open_memory);
/// registry.open("memory:").await
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
    #[must_use]
    pub fn with<F, R, B>(mut self, scheme: &'static str, opener: F) -> Self
    where
        F: Fn(Url) -> R + Send + Sync + 'static,
        R: Future<Output = Result<B>> + Send + 'static,
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

    /// Opens the store that the URL names.
    ///
    /// No URL, or a scheme that is not known: [`ErrorKind::Config`], naming the schemes that are. The URL stays out of
    /// the message, since it may hold credentials.
    pub async fn open(&self, url: &str) -> Result<Files> {
        let url = Url::parse(url).map_err(|error| {
            config(format!("not a URL; known schemes: {}", self.known())).with_source(error)
        })?;
        let Some(opener) = self.openers.get(url.scheme()) else {
            return Err(config(format!(
                "unknown scheme `{}`; known schemes: {}",
                url.scheme(),
                self.known()
            )));
        };
        Ok(Files::new(opener(url).await?))
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
/// ```
/// # use persistent_fs::{Error, UrlOptions};
/// # fn main() -> Result<(), Error> {
/// let url = url::Url::parse("file:///srv/data?durability=atomic").expect("a URL");
/// let mut options = UrlOptions::of(&url)?;
/// assert_eq!(options.take("durability").as_deref(), Some("atomic"));
/// options.finish() // Whatever was not taken is an error that names it.
/// # }
/// ```
#[derive(Debug)]
pub struct UrlOptions {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl UrlOptions {
    /// The options of this URL. One that is given twice: [`ErrorKind::Config`].
    pub fn of(url: &Url) -> Result<Self> {
        let mut given = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if given.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(config(format!("option `{name}` is given twice")));
            }
        }
        Ok(Self { given, known: Vec::new() })
    }

    /// The value of an option, if it is given. Every option the adapter knows is taken, present or not.
    pub fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name)
    }

    /// Ends the reading. An option that nobody took: [`ErrorKind::Config`], naming it and those that are known.
    pub fn finish(self) -> Result<()> {
        match self.given.keys().next() {
            None => Ok(()),
            Some(name) => {
                Err(config(format!("unknown option `{name}`; known options: {}", self.known.join(", "))))
            }
        }
    }
}

fn config(detail: String) -> Error {
    Error::new(ErrorKind::Config, detail).with_operation("open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nothing;

    #[async_trait::async_trait]
    impl Backend for Nothing {
        fn capabilities(&self) -> crate::Capabilities {
            crate::Capabilities::NONE
        }

        async fn head(&self, _: &crate::Key) -> Result<crate::Meta> {
            Err(Error::new(ErrorKind::NotFound, "nothing is here"))
        }

        async fn read(&self, _: &crate::Key, _: crate::ReadOptions) -> Result<crate::Download> {
            Err(Error::new(ErrorKind::NotFound, "nothing is here"))
        }

        async fn writer(&self, _: &crate::Key, _: crate::WriteOptions) -> Result<Box<dyn crate::Upload>> {
            Err(Error::new(ErrorKind::NoSpace, "nothing fits"))
        }

        async fn delete(&self, _: &crate::Key) -> Result<()> {
            Ok(())
        }

        fn list(&self, _: &crate::Prefix, _: Option<&crate::Key>) -> crate::MetaStream {
            Box::pin(futures_util::stream::empty())
        }
    }

    fn registry() -> Registry {
        let open = |url: Url| async move {
            let mut options = UrlOptions::of(&url)?;
            options.take("known");
            options.finish()?;
            Ok(Nothing)
        };
        Registry::new().with("nothing", open).with("more", open)
    }

    #[tokio::test]
    async fn a_known_scheme_is_opened() {
        assert!(registry().open("nothing:?known=1").await.is_ok());
    }

    #[tokio::test]
    async fn an_unknown_scheme_is_refused_naming_those_that_are_known() {
        for url in ["ftp://user:secret@host/", "no url, but a secret"] {
            let error = registry().open(url).await.expect_err("unknown");
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("more, nothing"), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn an_unknown_or_repeated_option_is_refused_by_name() {
        for url in ["nothing:?knwon=1", "nothing:?known=1&known=2"] {
            let error = registry().open(url).await.expect_err("unknown option");
            assert!(
                error.to_string().contains("`known`") || error.to_string().contains("`knwon`"),
                "{error}"
            );
        }
    }
}
