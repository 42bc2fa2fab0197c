//! The store under test, opened from a URL, and a folder of it for each case.

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
    files::{Fixture, Harness},
};
use persistent_fs::{Backend, Clock, Files, Key, Prefix, Prefixed, Registry};
use tokio::runtime::Runtime;

/// A store somewhere. It is opened anew for each case, as each case has a runtime of its own.
#[derive(Debug)]
pub(crate) struct Store {
    url: String,
    scheme: String,
    scratch: String,
    folders: AtomicUsize,
}

impl Store {
    /// Opens the store once, so that a wrong URL or a store that is not there is told before any case.
    pub(crate) fn at(url: &str) -> Result<Self, String> {
        let scheme = url.split(':').next().unwrap_or_default().to_owned();
        let since = Clock::system().now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let scratch = format!("undercroft-conformance-{}-{}", since.as_secs(), process::id());
        let store = Self { url: url.to_owned(), scheme, scratch, folders: AtomicUsize::new(0) };
        let opened = runtime().block_on(store.open());
        opened.map(|_| store).map_err(|error| format!("the store cannot be opened: {error}"))
    }

    /// The folder that everything is written to, and that is removed at the end.
    pub(crate) fn scratch(&self) -> &str {
        &self.scratch
    }

    /// Removes what the cases have written.
    pub(crate) fn clean_up(&self) -> Result<(), String> {
        let folder = Prefix::parse(&format!("{}/", self.scratch)).expect("our own name is a prefix");
        let removed = runtime().block_on(async { self.open().await?.delete_prefix(&folder).await });
        removed.map(drop).map_err(|error| format!("remove {folder} by hand, for this failed: {error}"))
    }

    async fn open(&self) -> persistent_fs::Result<Files> {
        registry().open(&self.url).await
    }

    fn is_volatile(&self) -> bool {
        self.scheme == "memory"
    }

    fn next_folder(&self) -> Key {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        Key::parse(&format!("{}/{number}", self.scratch)).expect("our own name is a key")
    }
}

/// The URL may hold credentials, and is not shown.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)
    }
}

/// The adapters that can be named by a URL.
fn registry() -> Registry {
    Registry::new().with("file", fs_local::open).with("memory", fs_memory::open)
}

/// Gives each case a folder of its own.
pub(crate) struct ScratchHarness(pub(crate) Arc<Store>);

struct ScratchFolder {
    store: Arc<Store>,
    folder: Key,
    backend: Arc<dyn Backend>,
}

#[async_trait]
impl Harness for ScratchHarness {
    async fn open(&self) -> Result<Box<dyn Fixture>, Absent> {
        let store = Arc::clone(&self.0);
        let files = store.open().await.expect("the store can be opened, as it could before");
        let folder = store.next_folder();
        let backend = Arc::new(Prefixed::new(files.backend(), folder.clone()));
        Ok(Box::new(ScratchFolder { store, folder, backend }))
    }
}

#[async_trait]
impl Fixture for ScratchFolder {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    async fn reopen(&self) -> Result<Arc<dyn Backend>, Absent> {
        if self.store.is_volatile() {
            return Err(Absent::because("a store in memory is empty when it is opened again"));
        }
        let files = self.store.open().await.expect("the store can be opened again");
        Ok(Arc::new(Prefixed::new(files.backend(), self.folder.clone())))
    }
}

/// A runtime for one thing: connections do not outlive theirs.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}
