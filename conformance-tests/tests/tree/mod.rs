//! The repository as the tests of its rules see it: texts by path, the real ones or made up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::TokenStream;

/// Files by their path from the root, written with `/`.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// The manifests and sources of the checkout that this test was built from.
    pub(crate) fn of_the_repository() -> Self {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of the repository");
        let mut tree = Self::default();
        tree.read(root, "");
        tree
    }

    /// A pretend repository.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self { files: owned.collect() }
    }

    /// All files, ordered by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn read(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a folder of the repository can be read") {
            let entry = entry.expect("a folder of the repository can be read");
            let name = entry.file_name().into_string().expect("names in the repository are UTF-8");
            let path = format!("{prefix}{name}");
            if entry.file_type().expect("an entry has a type").is_dir() {
                if !is_left_out(&entry.path(), &name) {
                    self.read(&entry.path(), &format!("{path}/"));
                }
            } else if [".rs", ".toml"].iter().any(|end| name.ends_with(end)) {
                let text = fs::read_to_string(entry.path()).expect("sources are UTF-8");
                self.files.insert(path, text);
            }
        }
    }
}

/// Whether a file is Rust.
pub(crate) fn is_source(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Build output carries a tag, whatever it is called; the other folders are not committed.
fn is_left_out(folder: &Path, name: &str) -> bool {
    name.starts_with('.') || name == "node_modules" || folder.join("CACHEDIR.TAG").exists()
}

/// A source as tokens: what the compiler sees, without comments, and with literals closed.
pub(crate) fn tokens(path: &str, text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{path} is not Rust: {error}"))
}
