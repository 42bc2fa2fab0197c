//! The official command-line client: one folder of its own, one process a command.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// One device of one person.
#[derive(Debug)]
pub(crate) struct Bw {
    node: OsString,
    cli: OsString,
    home: TempDir,
    ca: PathBuf,
    /// Opens the vault that the client keeps on disk; absent while locked or logged out.
    session: Option<String>,
}

impl Bw {
    /// A fresh device that has been told where its server is, and whose authority to trust.
    pub(crate) fn for_server(url: &str, ca: &Path) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let client = Self {
            node: path_from("BW_NODE"),
            cli: path_from("BW_CLI"),
            home,
            ca: ca.to_owned(),
            session: None,
        };
        client.succeed(&["config", "server", url]);
        client
    }

    /// Logs in, and keeps the session for the commands to come.
    pub(crate) fn login(&mut self, email: &str, password: &str) {
        self.try_login(email, password).unwrap_or_else(|message| panic!("login failed: {message}"));
    }

    /// Like [`Self::login`]; the error is the client's message.
    pub(crate) fn try_login(&mut self, email: &str, password: &str) -> Result<(), String> {
        let answer = self.run(&["login", email, "--passwordenv", "BW_PASSWORD"], password)?;
        self.session = Some(session_of(&answer));
        Ok(())
    }

    /// Opens the vault again after [`Self::lock`].
    pub(crate) fn unlock(&mut self, password: &str) {
        let answer = self.run(&["unlock", "--passwordenv", "BW_PASSWORD"], password);
        self.session = Some(session_of(&answer.unwrap_or_else(|message| panic!("unlock failed: {message}"))));
    }

    pub(crate) fn lock(&mut self) {
        self.succeed(&["lock"]);
        self.session = None;
    }

    pub(crate) fn logout(&mut self) {
        self.succeed(&["logout"]);
        self.session = None;
    }

    /// `unauthenticated`, `locked` or `unlocked`.
    pub(crate) fn status(&self) -> String {
        let answer = self.succeed(&["status"]);
        answer["template"]["status"].as_str().unwrap_or_else(|| panic!("no status in {answer}")).to_owned()
    }

    pub(crate) fn sync(&self) {
        self.succeed(&["sync"]);
    }

    pub(crate) fn create_item(&self, item: &Value) -> Value {
        self.succeed_with(&["create", "item"], item)
    }

    pub(crate) fn get_item(&self, id: &str) -> Value {
        self.succeed(&["get", "item", id])
    }

    pub(crate) fn edit_item(&self, id: &str, item: &Value) -> Value {
        self.succeed_with(&["edit", "item", id], item)
    }

    /// Into the trash, or for good.
    pub(crate) fn delete_item(&self, id: &str, permanently: bool) {
        let how: &[&str] = if permanently { &["--permanent"] } else { &[] };
        self.succeed(&[&["delete", "item", id], how].concat());
    }

    pub(crate) fn restore_item(&self, id: &str) {
        self.succeed(&["restore", "item", id]);
    }

    pub(crate) fn list_items(&self) -> Vec<Value> {
        self.list(&["list", "items"])
    }

    pub(crate) fn list_trash(&self) -> Vec<Value> {
        self.list(&["list", "items", "--trash"])
    }

    pub(crate) fn create_folder(&self, name: &str) -> Value {
        self.succeed_with(&["create", "folder"], &json!({ "name": name }))
    }

    pub(crate) fn import(&self, format: &str, file: &Path) {
        self.succeed(&["import", format, text(file)]);
    }

    pub(crate) fn export(&self, format: &str, file: &Path) {
        self.succeed(&["export", "--format", format, "--output", text(file)]);
    }

    /// Answers the item, with the new attachment in it.
    pub(crate) fn attach(&self, file: &Path, item: &str) -> Value {
        self.succeed(&["create", "attachment", "--file", text(file), "--itemid", item])
    }

    pub(crate) fn download(&self, attachment: &str, item: &str, to: &Path) {
        self.succeed(&["get", "attachment", attachment, "--itemid", item, "--output", text(to)]);
    }

    /// Runs one command and answers its data, or the client's own message.
    ///
    /// `secret` is what the command reads: a password from its environment, an object from its input.
    pub(crate) fn run(&self, arguments: &[&str], secret: &str) -> Result<Value, String> {
        let mut command = Command::new(&self.node);
        // Nothing of the developer's own: neither a vault, nor a proxy, nor an authority.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.home.path());
        command.env("BITWARDENCLI_APPDATA_DIR", self.home.path()).env("NODE_EXTRA_CA_CERTS", &self.ca);
        command.env("BW_NOINTERACTION", "true").env("BW_PASSWORD", secret);
        command.envs(self.session.iter().map(|session| ("BW_SESSION", session)));
        command.arg(&self.cli).args(arguments).arg("--response");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());

        let mut child = command.spawn().expect("the client starts");
        let mut input = child.stdin.take().expect("the input is a pipe");
        // A command that reads nothing may have closed it already.
        let _ = input.write_all(secret.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("the client ends");
        // Silence is a failure too: the client has been seen to give up without a word, and with status 0.
        answer_in(&output.stdout).unwrap_or_else(|| {
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            panic!("{arguments:?} answered nothing ({}):\n{out}\n{err}", output.status)
        })
    }

    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let answer = self.succeed(arguments);
        answer["data"].as_array().unwrap_or_else(|| panic!("no list in {answer}")).clone()
    }

    fn succeed(&self, arguments: &[&str]) -> Value {
        self.run(arguments, "").unwrap_or_else(|message| panic!("{arguments:?} failed: {message}"))
    }

    /// Objects are handed over in base64.
    fn succeed_with(&self, arguments: &[&str], object: &Value) -> Value {
        let encoded = STANDARD.encode(object.to_string());
        self.run(arguments, &encoded).unwrap_or_else(|message| panic!("{arguments:?} failed: {message}"))
    }
}

/// The answer is one line of JSON, which may follow remarks for people.
fn answer_in(output: &[u8]) -> Option<Result<Value, String>> {
    let output = String::from_utf8_lossy(output);
    let line = output.lines().rev().find(|line| line.starts_with('{'))?;
    let mut answer: Value = serde_json::from_str(line).ok()?;
    let message = answer["message"].as_str().unwrap_or_default().to_owned();
    Some(if answer["success"].as_bool()? { Ok(answer["data"].take()) } else { Err(message) })
}

fn session_of(answer: &Value) -> String {
    answer["raw"].as_str().unwrap_or_else(|| panic!("no session in the answer")).to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have names in UTF-8")
}

#[expect(clippy::disallowed_methods, reason = "./test says in this way where it has installed the client")]
fn path_from(variable: &str) -> OsString {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; run ./test")).into()
}
