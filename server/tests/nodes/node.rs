//! The real program, as a process that can be killed.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// A running server, which ends with the value.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    process: Child,
    log: PathBuf,
}

impl Node {
    /// Starts the program on a free port, with a data folder and more settings, and answers once it can be reached.
    pub(crate) fn start(data: &Path, settings: &[(&str, &str)]) -> Self {
        std::fs::create_dir_all(data).expect("the data folder can be made");
        let log = data.join("server.log");
        let mut process = Command::new(env!("CARGO_BIN_EXE_undercroft"))
            .env_clear()
            .env("UNDERCROFT_DATA", data)
            .env("UNDERCROFT_SIGNUPS", "open")
            .envs(settings.iter().copied())
            .args(["serve", "--listen", "127.0.0.1:0", "--tls", "off", "--domain", "https://vault.example"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("the log can be made"))
            .spawn()
            .expect("the program starts");
        let mut said = BufReader::new(process.stdout.take().expect("its output is ours"));
        let mut line = String::new();
        said.read_line(&mut line).expect("its output can be read");
        // It must never wait for a reader.
        thread::spawn(move || said.read_to_end(&mut Vec::new()));
        let address = line.strip_prefix("listening on http://").and_then(|rest| rest.split(' ').next());
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = process.kill();
            panic!("the server does not listen: {line}\n{}", read(&log));
        };
        Self { address, process, log }
    }

    /// Ends the process as a failing machine does: at once, without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the process can be killed");
        self.process.wait().expect("the process ends");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("The log of {}:\n{}", self.address, read(&self.log));
        }
        // It may have ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}
