//! Enrols the folder of `.eml` files.

use std::{fs, path::Path, sync::Arc};

use async_trait::async_trait;
use conformance_tests::{
    Absent,
    mailer::{Delivered, Harness, Observer, Setting},
};
use mail_local::{Eml, EnvelopeFile};
use mailer::Backend;
use tempfile::TempDir;

conformance_tests::mailer!(EmlHarness);

struct EmlHarness;

#[derive(Debug)]
struct Reader(TempDir);

#[async_trait]
impl Harness for EmlHarness {
    async fn open(&self) -> Result<Setting, Absent> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let backend = Arc::new(Eml::new(folder.path().join("drop")));
        Ok(Setting { backend, observer: Arc::new(Reader(folder)) })
    }

    async fn open_unusable(&self) -> Result<Arc<dyn Backend>, Absent> {
        // A folder cannot be made below a device.
        Ok(Arc::new(Eml::new("/dev/null/drop")))
    }
}

#[async_trait]
impl Observer for Reader {
    async fn delivered(&self) -> Vec<Delivered> {
        let Ok(entries) = fs::read_dir(self.0.path().join("drop")) else { return Vec::new() };
        let paths = entries.map(|entry| entry.expect("the folder can be read").path());
        let is_mail = |path: &Path| {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            !hidden && path.extension().is_some_and(|extension| extension == "eml")
        };
        paths.filter(|path| is_mail(path)).map(|path| read(&path)).collect()
    }
}

fn read(path: &Path) -> Delivered {
    let beside = fs::read(path.with_extension("json")).expect("whoever sees the mail finds its envelope");
    let beside: EnvelopeFile = serde_json::from_slice(&beside).expect("the envelope can be read");
    Delivered {
        from: beside.envelope.from().cloned(),
        to: beside.envelope.to().to_vec(),
        raw: fs::read(path).expect("the file can be read").into(),
        provider_id: path.file_stem().map(|name| name.to_string_lossy().into_owned()),
    }
}
