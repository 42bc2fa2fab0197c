//! Every folder in `adapters/` enrols in its suite. One that does not is not an adapter yet.

use std::{fs, path::Path};

/// The contract of an adapter, by the first part of its name, and the line that enrols it.
const SUITES: [(&str, &str); 3] = [
    ("fs-", "conformance_tests::persistent_fs!("),
    ("mail-", "conformance_tests::mailer!("),
    ("db-", "conformance_tests::dbconn!("),
];

/// What is missing for the adapter in this folder to be tested, if anything.
fn missing(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_string_lossy().into_owned();
    let Some((_, line)) = SUITES.iter().find(|(kind, _)| name.starts_with(kind)) else {
        return Some(format!("{name}: begins with none of `fs-`, `mail-`, `db-`"));
    };
    let test = fs::read_to_string(folder.join("tests/conformance.rs")).unwrap_or_default();
    if !test.lines().any(|written| written.starts_with(line)) {
        return Some(format!("{name}: tests/conformance.rs has no line `{line}…)`"));
    }
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    if !manifest.contains("[[test]]\nname = \"conformance\"\nharness = false") {
        return Some(format!("{name}: Cargo.toml does not let the suite bring its own `main`"));
    }
    None
}

#[test]
fn every_adapter_enrols() {
    let adapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters");
    let folders = fs::read_dir(adapters).expect("the adapters").map(|entry| entry.expect("an entry").path());
    let missing = folders.filter(|path| path.is_dir()).filter_map(|path| missing(&path)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_folder_without_the_line_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["fs-new", "mail-new", "other"] {
        let adapter = folder.path().join(name);
        fs::create_dir_all(adapter.join("tests")).expect("made");
        assert!(missing(&adapter).is_some(), "{name} passes without a test");
        fs::write(adapter.join("tests/conformance.rs"), "// conformance_tests::persistent_fs!(Commented);\n")
            .expect("written");
        assert!(missing(&adapter).is_some(), "{name} passes with a comment");
    }
}
