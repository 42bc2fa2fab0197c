//! Opens backends from URLs.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{Backend, Error, ErrorKind};

/// Turns the whole URL into a backend.
type Open = dyn Fn(&str) -> Result<Arc<dyn Backend>, Error> + Send + Sync;

/// Knows, for each URL scheme, who opens it.
///
/// There is no global registry: the application fills one where it assembles its parts.
#[derive(Clone, Default)]
pub struct Registry {
    schemes: BTreeMap<&'static str, Arc<Open>>,
}

impl Registry {
    /// A registry that knows no scheme.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scheme, such as `sqlite`, in place of one already there.
    #[must_use]
    pub fn with(
        mut self,
        scheme: &'static str,
        open: impl Fn(&str) -> Result<Arc<dyn Backend>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.schemes.insert(scheme, Arc::new(open));
        self
    }

    /// The schemes known, in order.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> {
        self.schemes.keys().copied()
    }

    /// Opens the backend that the URL names.
    ///
    /// `Config` if the scheme is unknown (the error lists the known ones) or the adapter refuses the URL. No error
    /// contains the URL, which may contain a password.
    pub fn open(&self, url: &str) -> Result<Arc<dyn Backend>, Error> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let Some(open) = self.schemes.get(scheme) else {
            let known = self.schemes().collect::<Vec<_>>().join(", ");
            return Err(Error::new(
                ErrorKind::Config,
                "open",
                format!("the URL's scheme is none of: {known}"),
            ));
        };
        open(url)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.schemes()).finish()
    }
}
