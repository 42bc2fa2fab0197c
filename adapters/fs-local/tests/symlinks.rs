//! A symbolic link inside the root leads nowhere: nothing that lies outside can be read, changed, listed or removed.

#![cfg(unix)]

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use bytes::Bytes;
use fs_local::Local;
use futures_util::TryStreamExt;
use persistent_fs::{Backend, ErrorKind, Key, Outcome, Prefix, ReadOptions, Result, WriteOptions};
use tempfile::TempDir;

/// A store with an object `inside`, next to a folder with a file `secret`, and links from the one into the other.
struct Scene {
    folder: TempDir,
    store: Local,
}

/// What leads out: the folder itself, the file, a relative way, a way through two links, and the file system's root.
const WAYS_OUT: [(&str, &str); 5] = [
    ("folder/secret", "folder"),
    ("file", "file"),
    ("relative/secret", "relative"),
    ("twice/again/secret", "twice"),
    ("root/etc/hostname", "root"),
];

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("secret"), "secret").expect("written");
        let store = Local::open(&root).expect("a store");
        fs::write(root.join("inside"), "inside").expect("written");
        symlink(&outside, root.join("folder")).expect("a link");
        symlink(outside.join("secret"), root.join("file")).expect("a link");
        symlink("../outside", root.join("relative")).expect("a link");
        symlink("../outside", root.join("twice")).expect("a link");
        symlink(&outside, outside.join("again")).expect("a link");
        symlink("/", root.join("root")).expect("a link");
        Self { folder, store }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Nothing outside has changed, and the links are still links.
    fn assert_untouched(&self, after: &str) {
        let outside = self.folder.path().join("outside");
        assert_eq!(fs::read(outside.join("secret")).expect("still there"), b"secret", "after {after}");
        let names =
            fs::read_dir(&outside).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names = names.collect::<Vec<_>>();
        names.sort();
        assert_eq!(names, ["again", "secret"], "after {after}");
        for (_, link) in WAYS_OUT {
            let kind = fs::symlink_metadata(self.root().join(link)).expect("still there").file_type();
            assert!(kind.is_symlink(), "{link} after {after}");
        }
    }
}

fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

#[track_caller]
fn assert_kind<T: std::fmt::Debug>(result: Result<T>, kinds: &[ErrorKind], what: &str) {
    let error = result.expect_err(what);
    assert!(kinds.contains(&error.kind()), "{what}: {error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{what}");
}

#[tokio::test]
async fn reading_through_a_link_finds_nothing() {
    let scene = Scene::new();
    for (way, _) in WAYS_OUT {
        assert_kind(scene.store.head(&key(way)).await, &[ErrorKind::NotFound], way);
        assert_kind(scene.store.read(&key(way), ReadOptions::default()).await, &[ErrorKind::NotFound], way);
        let copied = scene.store.copy(&key(way), &key("copy"), WriteOptions::default()).await;
        assert_kind(copied, &[ErrorKind::NotFound], way);
    }
    scene.assert_untouched("reads");
}

#[tokio::test]
async fn a_link_is_not_listed_and_not_entered() {
    let scene = Scene::new();
    for prefix in ["f", "folder/", "relative/s", "twice/again/", "root/etc/"] {
        let listing = scene.store.list(&Prefix::parse(prefix).expect("a prefix"), None);
        assert_eq!(listing.try_collect::<Vec<_>>().await.expect("a listing"), [], "{prefix}");
    }
    let all = scene.store.list(&Prefix::all(), None).map_ok(|meta| meta.key.to_string());
    assert_eq!(all.try_collect::<Vec<_>>().await.expect("a listing"), ["inside"]);
}

#[tokio::test]
async fn deleting_through_a_link_removes_nothing() {
    let scene = Scene::new();
    for (way, _) in WAYS_OUT {
        scene.store.delete(&key(way)).await.expect("what is not there is deleted already");
    }
    scene.assert_untouched("deletes");
    assert_eq!(scene.store.delete_prefix(&Prefix::all()).await.expect("deleted"), 1);
    scene.assert_untouched("a delete of everything");
}

#[tokio::test]
async fn writing_never_leads_out() {
    let scene = Scene::new();
    let all_options = [WriteOptions::default(), WriteOptions::create()];
    // Below a link there is no place for an object.
    for way in WAYS_OUT.map(|(way, _)| way).into_iter().filter(|way| way.contains('/')) {
        for options in &all_options {
            let put = scene.store.put(&key(way), Bytes::from("forged"), options.clone()).await;
            assert_kind(put, &[ErrorKind::InvalidKey], way);
            let file = scene.folder.path().join("to-ingest");
            fs::write(&file, "forged").expect("written");
            let ingested = scene.store.ingest(&key(way), &file, options.clone()).await;
            assert_kind(ingested, &[ErrorKind::InvalidKey], way);
            assert!(file.exists(), "a refused file is still where it was");
        }
    }
    scene.assert_untouched("writes below links");

    // In the place of a link there may be one: it takes the place of the link and not of what the link leads to.
    let create = scene.store.put(&key("file"), Bytes::from("new"), WriteOptions::create()).await;
    assert_kind(create, &[ErrorKind::AlreadyExists], "a create over a link");
    scene.assert_untouched("a create");
    scene.store.put(&key("file"), Bytes::from("new"), WriteOptions::default()).await.expect("replaced");
    assert!(!fs::symlink_metadata(scene.root().join("file")).expect("there").file_type().is_symlink());
    let secret = scene.folder.path().join("outside/secret");
    assert_eq!(fs::read(secret).expect("still there"), b"secret");
}

#[tokio::test]
async fn a_link_is_not_ingested() {
    let scene = Scene::new();
    let link = scene.folder.path().join("link");
    symlink(scene.folder.path().join("outside/secret"), &link).expect("a link");
    let ingested = scene.store.ingest(&key("taken"), &link, WriteOptions::default()).await;
    assert_kind(ingested, &[ErrorKind::InvalidOption], "a link");
    scene.assert_untouched("an ingest");
}

/// The reserved folder is the store's own, so nobody may put a link in its place before the store is opened.
#[tokio::test]
async fn a_reserved_folder_that_is_a_link_is_no_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&root).expect("made");
    fs::create_dir(&outside).expect("made");
    symlink(&outside, root.join(persistent_fs::RESERVED)).expect("a link");
    assert_kind(Local::open(&root), &[ErrorKind::Config], "a reserved folder elsewhere");
    assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_staging_folder_that_is_a_link_is_no_store_and_is_not_swept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("file"), "theirs").expect("written");
    let store = Local::open(&root).expect("a store");
    let staging = root.join(persistent_fs::RESERVED).join("staging");
    symlink(outside.join("file"), staging.join("link")).expect("a link");
    store.sweep(std::time::Duration::ZERO).await.expect("swept");

    // Taken away while the store is open: it keeps to the folder that it has opened.
    fs::rename(&staging, folder.path().join("staging")).expect("moved");
    symlink(&outside, &staging).expect("a link");
    store.put(&key("object"), Bytes::from("body"), WriteOptions::default()).await.expect("written");
    store.sweep(std::time::Duration::ZERO).await.expect("swept");
    assert_kind(Local::open(&root), &[ErrorKind::Config], "a staging folder elsewhere");
    assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 1);
    assert_eq!(fs::read(outside.join("file")).expect("still there"), b"theirs");
}

#[tokio::test]
async fn a_prefix_is_not_deleted_through_a_link() {
    let scene = Scene::new();
    for prefix in ["folder/", "folder/s", "twice/again/", "relative/", "f"] {
        let deleted = scene.store.delete_prefix(&Prefix::parse(prefix).expect("a prefix")).await;
        assert_eq!(deleted.expect("nothing to delete"), 0, "{prefix}");
        scene.assert_untouched(prefix);
    }
}

/// Links that lead nowhere or round in a circle, pipes, and names that are no keys.
#[tokio::test]
async fn what_is_no_object_is_passed_over() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Local::open(folder.path()).expect("a store");
    let inside = folder.path().join("a");
    fs::create_dir_all(inside.join("empty")).expect("made");
    symlink("nowhere", inside.join("broken")).expect("a link");
    symlink("loop", inside.join("loop")).expect("a link");
    symlink(".", inside.join("self")).expect("a link");
    let pipe = std::process::Command::new("mkfifo").arg(inside.join("pipe")).status();
    assert!(pipe.expect("mkfifo").success());
    fs::write(inside.join(std::ffi::OsStr::from_bytes(b"\xff")), "no text").expect("written");
    fs::write(inside.join("back\\slash"), "no key").expect("written");
    fs::write(inside.join("object"), "body").expect("written");
    for prefix in [Prefix::all(), Prefix::parse("a/").expect("a prefix")] {
        let listing = store.list(&prefix, None).map_ok(|meta| meta.key.to_string());
        assert_eq!(listing.try_collect::<Vec<_>>().await.expect("a listing"), ["a/object"]);
    }
    for name in ["a/broken", "a/loop", "a/self", "a/self/object", "a/pipe", "a/empty"] {
        assert_kind(store.head(&key(name)).await, &[ErrorKind::NotFound], name);
        store.delete(&key(name)).await.expect("no object");
    }
    assert_eq!(store.delete_prefix(&Prefix::all()).await.expect("deleted"), 1);
    let left = fs::read_dir(&inside).expect("still there").count();
    assert_eq!(left, 7, "what is no object is not the store's to remove");
}
