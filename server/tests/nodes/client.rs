//! A client that speaks to a node, and as much HTTP as it needs: in version 1.0 the end of a connection ends an answer.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

/// Something that looks encrypted.
pub(crate) const ENC: &str = "2.aXY=|Y2lwaGVydGV4dA==|bWFj";

/// A session, good at every node.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Session {
    /// Registers a user.
    pub(crate) fn register(node: SocketAddr, email: &str) {
        let body = json!({
            "email": email,
            "masterPasswordHash": format!("secret of {email}"),
            "userSymmetricKey": ENC,
            "userAsymmetricKeys": { "publicKey": "cHVibGlj", "encryptedPrivateKey": ENC },
            "kdf": 0,
            "kdfIterations": 600_000,
        });
        post(node, "/identity/accounts/register/finish", "application/json", &body.to_string()).ok();
    }

    /// Logs in on a device.
    pub(crate) fn log_in(node: SocketAddr, email: &str, device: &str) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "password")
            .append_pair("client_id", "cli")
            .append_pair("scope", "api offline_access")
            .append_pair("username", email)
            .append_pair("password", &format!("secret of {email}"))
            .append_pair("deviceIdentifier", device)
            .append_pair("deviceName", device)
            .append_pair("deviceType", "25")
            .finish();
        let answer = post(node, "/identity/connect/token", "application/x-www-form-urlencoded", &form).ok();
        Self { token: answer["access_token"].as_str().expect("a login gives a token").to_owned() }
    }

    /// Asks a node. An error if it does not answer to the end.
    pub(crate) fn get(&self, node: SocketAddr, path: &str) -> io::Result<Answer> {
        send(node, "GET", path, &self.headers(), b"")
    }

    /// Tells a node. An error if it does not answer to the end.
    pub(crate) fn post(&self, node: SocketAddr, path: &str, body: &Value) -> io::Result<Answer> {
        send(node, "POST", path, &self.headers(), body.to_string().as_bytes())
    }

    /// The whole vault.
    pub(crate) fn sync(&self, node: SocketAddr) -> Value {
        self.get(node, "/api/sync").expect("the node answers").ok()
    }

    fn headers(&self) -> String {
        format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.token)
    }
}

impl Answer {
    /// The body of an answer that must be 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// Sends a request and reads the whole answer. `headers` end with a line break each.
pub(crate) fn send(
    node: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(node)?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is not whole");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(broken)?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    if announced.is_some_and(|length| length != body.len().to_string()) {
        return Err(broken());
    }
    Ok(Answer { status, body })
}

fn post(node: SocketAddr, path: &str, content_type: &str, body: &str) -> Answer {
    let headers = format!("Content-Type: {content_type}\r\n");
    send(node, "POST", path, &headers, body.as_bytes()).expect("the node answers")
}
