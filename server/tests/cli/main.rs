//! The program as an operator meets it: exit codes, what it prints, where values come from.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn undercroft(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_undercroft"));
    command.env_clear().env("UNDERCROFT_DATA", data).stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// The line of a setting in the answer of `config check`, with single spaces.
fn line(output: &Output, name: &str) -> String {
    let text = text(output);
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("undercroft.toml");
    std::fs::write(&file, "log = 'debug'\nsignups = 'open'\nuploads = 'multipart'\n").unwrap();
    let output = undercroft(data.path())
        .env("UNDERCROFT_LOG", "warn")
        .env("UNDERCROFT_SIGNUPS", "closed")
        .args(["config", "check", "--log", "error"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(line(&output, "log"), "log error (flag --log)");
    assert_eq!(line(&output, "signups"), "signups closed (variable UNDERCROFT_SIGNUPS)");
    assert_eq!(line(&output, "uploads"), format!("uploads multipart (file {})", file.display()));
    assert_eq!(line(&output, "listen"), "listen 127.0.0.1:8443 (default)");
}

#[test]
fn what_is_wrong_is_listed_by_field() {
    let data = tempfile::tempdir().unwrap();
    let output = undercroft(data.path())
        .env("UNDERCROFT_SINGUPS", "open")
        .args(["config", "check", "--listen", "somewhere", "--mail", "pigeon:"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    for field in ["UNDERCROFT_SINGUPS: ", "listen: ", "mail: "] {
        assert!(said.contains(&format!("\n  {field}")), "{field}\n{said}");
    }
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    let data = tempfile::tempdir().unwrap();
    for arguments in [&["config", "check"][..], &["--help"], &["serve", "--help"]] {
        let output = undercroft(data.path())
            .env("UNDERCROFT_DATABASE", "postgres://ann:canary@db.example/vault")
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(!text(&output).contains("canary"), "{arguments:?}");
    }
}

#[test]
fn a_schema_is_brought_up_to_date_once() {
    let data = tempfile::tempdir().unwrap();
    let migrate = |what: &str| undercroft(data.path()).args(["migrate", what]).output().unwrap();
    assert!(text(&migrate("status")).contains("pending  0001_initial/01_users"));
    assert!(text(&migrate("up")).contains("applied  0001_initial/01_users"));
    assert_eq!(text(&migrate("up")), "the schema is up to date\n");
    assert!(!text(&migrate("status")).contains("pending"));
}

#[test]
fn an_address_has_one_account_and_a_good_password() {
    let data = tempfile::tempdir().unwrap();
    let create = |email: &str, password: &str| {
        let mut process = undercroft(data.path())
            .args(["account", "create", "--password-stdin", "--email", email])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses the address does not read the password.
        let _ = process.stdin.take().unwrap().write_all(password.as_bytes());
        process.wait_with_output().unwrap()
    };
    let good = "correct horse battery\n";
    assert!(text(&create("ann", good)).contains("address is not valid"));
    assert!(text(&create("ann@example.com", "short\n")).contains("at least 12 characters"));
    let made = create(" Ann@Example.com", good);
    assert!(made.status.success(), "{}", text(&made));
    assert!(text(&made).contains("created an account for ann@example.com"));
    let again = create("ann@example.com", good);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("already"), "{}", text(&again));
}

#[test]
fn a_test_mail_arrives_or_says_why_not() {
    let data = tempfile::tempdir().unwrap();
    let mail = |arguments: &[&str]| undercroft(data.path()).arg("mail").args(arguments).output().unwrap();
    let sent = mail(&["test", "ann@example.com"]);
    assert!(sent.status.success(), "{}", text(&sent));
    assert!(text(&sent).contains("handed over by maildir"), "{}", text(&sent));
    assert_eq!(std::fs::read_dir(data.path().join("mail/new")).unwrap().count(), 1);
    assert!(mail(&["check"]).status.success());

    let nowhere = mail(&["test", "ann@example.com", "--mail", "maildir:///dev/null/mail"]);
    assert_eq!(nowhere.status.code(), Some(1));
    for part in ["surely not sent", "stage", "advice"] {
        assert!(text(&nowhere).contains(part), "{part}: {}", text(&nowhere));
    }
    assert!(text(&mail(&["test", "ann"])).contains("invalid mail"));
    let off = mail(&["test", "ann@example.com", "--mail", "off"]);
    assert!(!off.status.success() && text(&off).contains("mail is off"), "{}", text(&off));
}

#[test]
fn an_empty_outbox_is_looked_at_and_drained() {
    let data = tempfile::tempdir().unwrap();
    let mail = |arguments: &[&str]| undercroft(data.path()).arg("mail").args(arguments).output().unwrap();
    assert_eq!(text(&mail(&["drain", "--seconds", "5", "--log", "off"])), "nothing was due\n");
    assert_eq!(text(&mail(&["outbox", "--log", "off"])), "");
    assert_eq!(text(&mail(&["suppressed", "--log", "off"])), "");
    let id = "00000000-0000-4000-8000-000000000000";
    for arguments in [
        &["outbox", "--retry", id][..],
        &["outbox", "--drop", id],
        &["suppressed", "--remove", "a@b.example"],
    ] {
        assert_eq!(mail(arguments).status.code(), Some(1), "{arguments:?}");
    }
}
