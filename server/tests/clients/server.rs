//! The real program, as an operator starts it: its own folder, its own port, its own certificate.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_undercroft");

/// A running server, which ends with the value.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    url: String,
    ca: PathBuf,
    data: TempDir,
}

impl Server {
    /// Starts the program on a free port, and answers once it accepts connections.
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let address = free_address();
        let url = format!("https://localhost:{}", address.rsplit(':').next().unwrap_or_default());
        let log = std::fs::File::create(data.path().join("server.log")).expect("the log is created");
        let errors = log.try_clone().expect("the log is shared");
        let process = program()
            .args(["serve", "--listen", &address, "--domain", &url, "--tls", "self-signed", "--data"])
            .arg(data.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("the server starts");
        let ca = data.path().join("tls/ca.pem");
        let mut server = Self { process, url, ca, data };
        server.wait_for(&address);
        server
    }

    /// The address that clients are given.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The authority that has signed the server's certificate.
    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }

    /// Registers a person, by the server's own command.
    pub(crate) fn create_account(&self, email: &str, password: &str) {
        let output = program()
            .args(["account", "create", "--email", email, "--data"])
            .arg(self.data.path())
            .env("UNDERCROFT_PASSWORD", password)
            .stdin(Stdio::null())
            .output()
            .expect("the command starts");
        let Output { status, stdout, stderr } = &output;
        let said = [stdout.as_slice(), stderr].concat();
        assert!(status.success(), "no account: {}\n{}", String::from_utf8_lossy(&said), self.log());
    }

    fn wait_for(&mut self, address: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(address).is_err() {
            let ended = self.process.try_wait().expect("the server can be asked");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the server does not listen: {ended:?}\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("The server's log:\n{}", self.log());
        }
        // It may have ended by itself, which the test has noticed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program, with no setting of the developer's own.
fn program() -> Command {
    let mut program = Command::new(PROGRAM);
    program.env_clear();
    program
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a listener has an address").to_string()
}
