//! The program that tests a store by its URL, run as a user runs it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn conformance(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output().expect("the program runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn url(folder: &Path) -> String {
    url::Url::from_file_path(folder).expect("an absolute path").to_string()
}

/// Whatever lies in a folder, but for the store's own corner.
fn objects(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let names = entries.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != ".persistent-fs").collect()
}

#[test]
fn a_good_store_passes_and_keeps_what_it_held() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("mine"), "mine").expect("written");
    let json = folder.path().join("report.json");
    let only = ["files", &url(folder.path()), "--only", "round_trip", "--json", &json.to_string_lossy()];
    let output = conformance(&only);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("0 failed"), "{}", text(&output));

    let report: Value = serde_json::from_slice(&fs::read(&json).expect("a report")).expect("JSON");
    assert_eq!(report["store"], "file");
    let cases = report["cases"].as_array().expect("cases");
    assert_eq!(report["passed"], cases.len());
    assert!(cases.iter().all(|case| case["result"] == "passed"), "{report:#}");

    fs::remove_file(json).expect("removed");
    assert_eq!(objects(folder.path()), ["mine"], "the scratch folder stays behind");
    assert_eq!(fs::read_to_string(folder.path().join("mine")).expect("still there"), "mine");
}

/// Trouble with the store as a whole is told once, and not by every case.
#[test]
fn a_store_that_cannot_be_opened_is_told_before_any_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "no folder").expect("written");
    let output = conformance(&["files", &url(&file)]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("the store cannot be opened"), "{}", text(&output));
}

#[test]
fn a_wrong_command_line_says_what_is_wrong() {
    for (arguments, wanted) in [
        (["files", "ftp://user:secret@host/"].as_slice(), "known schemes: file, memory, s3"),
        (&["files", "memory:?color=red"], "`color`"),
        (&["files", "memory:", "--only", "no such case"], "no case has such a name"),
    ] {
        let output = conformance(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(wanted), "{}", text(&output));
        assert!(!text(&output).contains("secret"), "{}", text(&output));
    }
}

#[test]
fn the_cases_can_be_listed_without_running_any() {
    let output = conformance(&["files", "memory:", "--list"]);
    assert!(output.status.success());
    let listed = String::from_utf8(output.stdout).expect("names");
    assert_eq!(listed.lines().count(), conformance_tests::files::cases().len());
}

/// On a server that checks every signature. The bucket is empty afterwards, as it was before.
#[cfg(feature = "s3-server")]
#[test]
fn a_bucket_is_tested_and_left_as_it_was() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(conformance_tests::s3_server::S3Server::start()).expect("a server");
    let account = server.account();
    let url = format!(
        "s3://{}/some/prefix?endpoint={}&allow_http=true&access_key_id={}&secret_access_key={}",
        account.bucket, account.endpoint, account.access_key, account.secret_key,
    );
    let output = conformance(&["files", &url, "--small", "--only", "round_trip"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains(&account.secret_key));
    assert_eq!(server.raw_entries(), [""; 0]);
}

/// What can be checked without looking at what arrives, here against a folder.
#[test]
fn a_provider_of_mail_is_tested_by_its_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let drop_box = folder.path().join("drop");
    let url = format!("maildir://{}", drop_box.display());
    let output = conformance(&["mail", &url, "--from", "vault@example.org", "--to", "ann@example.com"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("maildir: 8 passed, 0 failed, 0 skipped"), "{}", text(&output));
    let arrived = fs::read_dir(drop_box.join("new")).expect("mails").count();
    assert!((14..=16).contains(&arrived), "{arrived} mails, of which two may have been dropped");

    let output =
        conformance(&["mail", "pigeon://user:geheim@loft", "--from", "a@b.example", "--to", "a@b.example"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("unknown mail scheme pigeon"), "{}", text(&output));
    assert!(!text(&output).contains("geheim"), "{}", text(&output));
}
