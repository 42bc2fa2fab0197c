//! A server that answers by script, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use fs_s3::{Conditional, Config, Credentials, Keys, S3};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What comes back for one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status line's number and a body.
    Answer(u16, &'static str, &'static str),
    /// The connection is closed without an answer.
    Nothing,
    /// The connection stays open without an answer.
    Silence,
}

pub(crate) const OK: Reply = Reply::Answer(200, "etag: \"e1\"\r\n", "");
pub(crate) const BEGUN: Reply = Reply::Answer(200, "", "<R><UploadId>u1</UploadId></R>");

pub(crate) struct Stub {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Stub {
    /// Answers with these in turn, and with the last of them ever after.
    pub(crate) async fn answering(script: impl Into<Vec<Reply>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, noted) = (Arc::new(script.into()), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&script), Arc::clone(&noted)));
            }
        });
        Self { address, asked, serving }
    }

    /// The first lines of the requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new("bucket", "us-east-1", Credentials::Static(Keys::new("id", "secret")));
        config.endpoint = Some(format!("http://{}", self.address).parse().expect("a URL"));
        config.allow_http = true;
        config.part_size = 5 << 20;
        config.retries = 1;
        // What it can do is for each test to say, and not to be asked.
        config.conditional = Conditional::Yes;
        config
    }

    pub(crate) async fn store(&self) -> S3 {
        S3::open(self.config()).await.expect("nothing is asked yet")
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut socket: TcpStream, script: Arc<Vec<Reply>>, asked: Arc<Mutex<Vec<String>>>) {
    let mut received = Vec::new();
    loop {
        let Some(line) = request(&mut socket, &mut received).await else { return };
        let number = {
            let mut asked = asked.lock().expect("not poisoned");
            asked.push(line);
            asked.len() - 1
        };
        match script[number.min(script.len() - 1)] {
            Reply::Answer(status, headers, body) => {
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} -\r\n{headers}content-length: {length}\r\n\r\n{body}");
                if socket.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Nothing => return,
            Reply::Silence => std::future::pending().await,
        }
    }
}

/// Reads one request to its end, and returns its first line.
async fn request(socket: &mut TcpStream, received: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
            if received.len() >= end + 4 + length {
                let line = String::from_utf8_lossy(&received[..end]).lines().next()?.to_owned();
                received.drain(..end + 4 + length);
                return Some(line.trim_end_matches(" HTTP/1.1").to_owned());
            }
        }
        if socket.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}
