//! The README's five-minute tour, line by line.
//!
//! The blocks marked `sh` are run by bash as they stand, in an empty folder, with two stand-ins in front of the path:
//! `cargo`, which starts the program under test instead of building it, and `bw`. The one change to the text is the
//! port, so that the tour can run beside a server that somebody else has started.
//!
//! It needs the official client, which `./test` installs and names in `BW_NODE` and `BW_CLI`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const README: &str = include_str!("../../../README.md");

/// The lines of all fenced blocks whose fence says exactly `language`.
fn blocks(language: &str) -> String {
    let mut inside = false;
    let mut lines = String::new();
    for line in README.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            inside = !inside && fence == language;
        } else if inside {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

/// A folder of the tour's own, and how to run a script in it.
struct Tour {
    folder: tempfile::TempDir,
    port: u16,
}

impl Tour {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tour = Self { folder, port: free_port() };
        fs::create_dir(tour.path("bin")).unwrap();
        fs::create_dir(tour.path("here")).unwrap();
        tour.stand_in("bw", &format!("exec '{}' '{}' \"$@\"", setting("BW_NODE"), setting("BW_CLI")));
        // `cargo run --release --bin undercroft -- ARGUMENTS`
        tour.stand_in("cargo", &format!("shift 5\nexec '{}' \"$@\"", env!("CARGO_BIN_EXE_undercroft")));
        tour
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn stand_in(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Nothing of this machine's environment but the path.
    fn bash(&self, script: &str) -> Command {
        let script = script.replace("8443", &self.port.to_string());
        let path = format!("{}:{}", self.path("bin").display(), setting("PATH"));
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(self.path("here"))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("UNDERCROFT_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("BITWARDENCLI_APPDATA_DIR", self.path("client"));
        command
    }
}

/// A process that ends with the test, and what it prints.
struct Running(Child, #[expect(dead_code, reason = "kept open for as long as the process runs")] Lines);

type Lines = std::io::Lines<BufReader<ChildStdout>>;

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(tour: &Tour) -> Running {
    // `exec`, so that killing bash kills the server.
    let script = blocks("sh server").replacen("cargo", "exec cargo", 1);
    let mut child = tour.bash(&script).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let listens = lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("listening on https://"));
    let running = Running(child, lines);
    assert!(listens, "the server ended before it listened");
    running
}

#[test]
#[ignore = "needs the official client; run ./test"]
fn every_line_of_the_tour_works() {
    let tour = Tour::new();
    let _server = start(&tour);
    let output = tour.bash(&blocks("sh")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert!(out.contains("from the undercroft"), "{out}");
    assert_eq!(fs::read_to_string(tour.path("here/copy.txt")).unwrap(), "a file of mine\n");
    assert!(count_files(&tour.path("here/data/mail/new")) > 0, "no mail about the new device");
}

#[test]
fn the_tour_has_lines_to_run() {
    assert_eq!(blocks("sh server").lines().count(), 1);
    assert!(blocks("sh").lines().filter(|line| line.starts_with("bw ")).count() >= 4);
}

fn count_files(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn setting(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "what ./test has set up for this test")]
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; ./test sets it"))
}
