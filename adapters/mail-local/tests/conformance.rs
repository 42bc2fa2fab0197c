//! Enrols the maildir; `conformance_eml.rs` enrols the folder of `.eml` files.

use std::{fs, path::Path, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{Delivered, Harness, Observer, Setting},
};
use mail_local::{Maildir, Trace};
use mailer::Backend;
use tempfile::TempDir;

conformance_tests::mailer!(MaildirHarness);

struct MaildirHarness;

#[derive(Debug)]
struct Reader(TempDir);

#[async_trait]
impl Harness for MaildirHarness {
    async fn open(&self) -> Result<Setting, Absent> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let backend = Arc::new(Maildir::new(folder.path().join("drop")));
        Ok(Setting { backend, observer: Arc::new(Reader(folder)) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        // A folder cannot be made below a device.
        Ok(Arc::new(Maildir::new("/dev/null/drop")))
    }
}

#[async_trait]
impl Observer for Reader {
    async fn delivered(&self) -> Vec<Delivered> {
        let Ok(entries) = fs::read_dir(self.0.path().join("drop/new")) else { return Vec::new() };
        entries.map(|entry| read(&entry.expect("the folder can be read").path())).collect()
    }
}

fn read(path: &Path) -> Delivered {
    let file = fs::read(path).expect("the file can be read");
    let trace = Trace::read(&file).expect("the file begins with its envelope");
    Delivered {
        from: trace.envelope.from().cloned(),
        to: trace.envelope.to().to_vec(),
        raw: trace.raw,
        provider_id: path.file_name().map(|name| name.to_string_lossy().into_owned()),
    }
}
