//! The store under test, opened from a URL, and a part of it for each case.

use std::{
    fmt, process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    files::{Fixture, Harness, Scale},
};
use persistent_fs::{Backend, Clock, Files, Prefix, Registry};
use tokio::runtime::Runtime;
use url::Url;

/// A store somewhere. It is opened anew for each case, as each case has a runtime of its own.
#[derive(Debug)]
pub(crate) struct Store {
    url: Url,
    scratch: String,
    parts: AtomicUsize,
}

impl Store {
    /// Opens the store once, so that a wrong URL or a store that is not there is told before any case.
    pub(crate) fn at(url: &str) -> Result<Self, String> {
        let opened = runtime().block_on(registry().open(url));
        opened.map_err(|error| format!("the store cannot be opened: {error}"))?;
        let url = Url::parse(url).expect("it has been opened");
        let since = Clock::system().now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let scratch = format!("undercroft-conformance-{}-{}", since.as_secs(), process::id());
        Ok(Self { url, scratch, parts: AtomicUsize::new(0) })
    }

    /// The folder that everything is written to, and that is removed at the end.
    pub(crate) fn scratch(&self) -> &str {
        &self.scratch
    }

    /// Removes what the cases have written.
    pub(crate) fn clean_up(&self) -> Result<(), String> {
        let failed = |error: String| format!("remove {} by hand, for this failed: {error}", self.scratch);
        if let Ok(path) = self.url.to_file_path() {
            // With what a store keeps for itself, which is no object.
            return match std::fs::remove_dir_all(path.join(&self.scratch)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error.to_string())),
                _ => Ok(()),
            };
        }
        let folder = Prefix::parse(&format!("{}/", self.scratch)).expect("our own name is a prefix");
        let removed = runtime().block_on(async { open(&self.url).await?.delete_prefix(&folder).await });
        removed.map(drop).map_err(|error| failed(error.to_string()))
    }

    /// The URL of a part that no other case uses. A store of its own, so that a case sweeps away nobody else's uploads.
    fn next_part(&self) -> Url {
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let mut url = self.url.clone();
        if !self.is_volatile() {
            url.set_path(&format!("{}/{}/{number}", self.url.path().trim_end_matches('/'), self.scratch));
        }
        url
    }

    /// Whether every opening makes another store.
    fn is_volatile(&self) -> bool {
        self.url.scheme() == "memory"
    }
}

/// The rest of the URL may hold credentials, and is not shown.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.scheme())
    }
}

/// The adapters that can be named by a URL. A bucket's credentials may come from the environment, as with any tool.
fn registry() -> Registry {
    #[expect(clippy::disallowed_methods, reason = "this is the edge: a program that is run by hand")]
    let environment = fs_s3::Environment::from_vars(std::env::vars());
    Registry::new()
        .with("file", fs_local::open)
        .with("memory", fs_memory::open)
        .with("s3", move |url| fs_s3::open_with(url, environment.clone()))
}

async fn open(url: &Url) -> persistent_fs::Result<Files> {
    registry().open(url.as_str()).await
}

/// Gives each case a part of the store.
pub(crate) struct ScratchHarness {
    pub(crate) store: Arc<Store>,
    pub(crate) scale: Scale,
}

struct Part {
    url: Url,
    is_volatile: bool,
    files: Files,
}

#[async_trait]
impl Harness for ScratchHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let url = self.store.next_part();
        let files = open(&url).await.expect("the store can be opened, as it could before");
        Ok(Box::new(Part { url, is_volatile: self.store.is_volatile(), files }))
    }

    fn scale(&self) -> Scale {
        self.scale
    }
}

#[async_trait]
impl Fixture for Part {
    fn backend(&self) -> Arc<dyn Backend> {
        self.files.backend()
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        if self.is_volatile {
            return Err(Absent::because("a store in memory is empty when it is opened again"));
        }
        Ok(open(&self.url).await.expect("the store can be opened again").backend())
    }
}

/// A runtime for one thing: connections do not outlive theirs.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}
