//! What the suite cannot see: modes of files and folders, unique names, and that nothing is left over.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail_local::{Eml, Maildir};
use mailer::preview::Source;
use mailer::{Address, Backend, BackendUrl, Clock, Context, Email, Entropy, Outgoing, Renderer};

fn mail() -> Outgoing {
    let ann: Address = "ann@example.com".parse().unwrap();
    Email::new(ann.clone(), ann).text("hello").render(&Renderer::system()).unwrap()
}

fn names(folder: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a/b");
    Maildir::new(root.join("maildir")).deliver(&mail(), &Context::new()).await.unwrap();
    Eml::new(root.join("eml")).deliver(&mail(), &Context::new()).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for made in [&root, &root.join("maildir"), &root.join("maildir/new"), &root.join("eml")] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
    let files = names(&root.join("maildir/new")).into_iter().chain(names(&root.join("eml")));
    assert_eq!(files.map(|file| assert_eq!(mode(&file), 0o600)).count(), 3);
}

#[tokio::test]
async fn names_are_unique_and_nothing_is_left_over() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Arc::new(Maildir::new(folder.path()));
    let mail = mail();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (backend, mail) = (Arc::clone(&backend), mail.clone());
        running.spawn(async move { backend.deliver(&mail, &Context::new()).await.unwrap() });
    }
    let ids: BTreeSet<_> = running.join_all().await.into_iter().map(|receipt| receipt.provider_id).collect();
    assert_eq!((ids.len(), names(&folder.path().join("new")).len()), (200, 200));
    backend.check().await.unwrap();
    assert_eq!(names(&folder.path().join("tmp")), BTreeSet::new());
}

#[tokio::test]
async fn a_failed_delivery_leaves_no_draft() {
    let folder = tempfile::tempdir().unwrap();
    let taken = format!("0.M000000R{}.undercroft", "ab".repeat(16));
    // A file cannot take the name of a folder.
    fs::create_dir_all(folder.path().join("new").join(taken)).unwrap();
    let clock = Clock::new(|| std::time::SystemTime::UNIX_EPOCH);
    let backend = Maildir::with(folder.path(), clock, Entropy::new(|| [0xAB; 16]));
    let error = backend.deliver(&mail(), &Context::new()).await.unwrap_err();
    assert!(error.to_string().contains("naming the file"), "{error}");
    assert_eq!(error.outcome(), mailer::Outcome::NotApplied);
    assert_eq!(names(&folder.path().join("tmp")), BTreeSet::new());
}

#[tokio::test]
async fn both_folders_can_be_looked_at_and_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let seconds = std::sync::atomic::AtomicU64::new(0);
    let tick =
        move || std::time::Duration::from_secs(seconds.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let clock = Clock::new(move || {
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(300_000) + tick()
    });
    let maildir = Maildir::with(folder.path().join("maildir"), clock.clone(), Entropy::system());
    let eml = Eml::with(folder.path().join("eml"), clock, Entropy::system());
    can_be_looked_at(&maildir).await;
    can_be_looked_at(&eml).await;
    assert_eq!(names(&folder.path().join("eml")), BTreeSet::new());
}

async fn can_be_looked_at(backend: &(impl Backend + Source)) {
    assert_eq!(backend.list(9).await.unwrap(), [], "no folder, no mails");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(backend.deliver(&mail(), &Context::new()).await.unwrap().provider_id.unwrap());
    }
    let listed = backend.list(2).await.unwrap();
    assert_eq!(listed.iter().map(|held| &held.id).collect::<Vec<_>>(), [&ids[2], &ids[1]]);
    let held = backend.get(&ids[0]).await.unwrap().unwrap();
    assert_eq!(held.envelope, *mail().envelope());
    assert!(held.raw.starts_with(b"Message-ID") || held.raw.starts_with(b"Date"), "the mail's own bytes");
    for strange in ["", ".", "..", "../new", "/etc/passwd", "none", "a\0b"] {
        assert_eq!(backend.get(strange).await.unwrap(), None, "{strange:?}");
    }
    backend.clear().await.unwrap();
    backend.clear().await.unwrap();
    assert_eq!(backend.list(9).await.unwrap(), []);
}

#[test]
fn urls_name_a_folder_and_take_no_keys() {
    let registry = mailer::Registry::new()
        .with("maildir", |url: &mut BackendUrl| Ok(Arc::new(Maildir::from_url(url)?) as Arc<dyn Backend>))
        .with("eml", |url: &mut BackendUrl| Ok(Arc::new(Eml::from_url(url)?) as Arc<dyn Backend>));
    registry.open("maildir:///var/mail-drop").unwrap();
    registry.open("eml:///var/mail-drop").unwrap();
    let error = registry.open("maildir:///var/mail-drop?sync=off").unwrap_err();
    assert!(error.to_string().contains("sync"), "{error}");
    assert!(registry.open("eml://var/mail-drop").is_err());
}
