//! Requests signed by hand, so that a test can sign them wrongly: Signature Version 4, in headers and in URLs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use conformance_tests::s3_server::Account;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What is sent, and what is said of it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: &'static str,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The code in the error's document.
    pub(crate) fn code(&self) -> &str {
        let code = self.text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map_or("", |(code, _)| code)
    }
}

impl Request {
    /// A request for an object, not signed yet.
    pub(crate) fn new(account: &Account, method: &'static str, key: &str, body: &'static str) -> Self {
        let host = account.endpoint.trim_start_matches("http://").to_owned();
        let headers = BTreeMap::from([("host".to_owned(), host)]);
        let path = format!("/{}/{key}", account.bucket);
        Self { method, path, query: BTreeMap::new(), headers, body }
    }

    pub(crate) fn with(mut self, header: &str, value: &str) -> Self {
        self.headers.insert(header.to_owned(), value.to_owned());
        self
    }

    /// Signed in its headers, so many seconds from now.
    pub(crate) fn signed(mut self, account: &Account, from_now: i64) -> Self {
        let (day, time) = date(from_now);
        self.headers.insert("x-amz-date".to_owned(), time.clone());
        let hash = hex(&Sha256::digest(self.body));
        self.headers.entry("x-amz-content-sha256".to_owned()).or_insert(hash);
        let names = self.names();
        let hash = self.headers["x-amz-content-sha256"].clone();
        let signature = self.signature(account, &day, &time, &hash);
        let scope = format!("{}/{day}/{}/s3/aws4_request", account.access_key, account.region);
        let header =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}");
        self.headers.insert("authorization".to_owned(), header);
        self
    }

    /// Signed in its URL, so many seconds from now, for so many seconds.
    pub(crate) fn presigned(mut self, account: &Account, from_now: i64, expires: u32) -> Self {
        let (day, time) = date(from_now);
        let scope = format!("{}/{day}/{}/s3/aws4_request", account.access_key, account.region);
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", scope),
            ("X-Amz-Date", time.clone()),
            ("X-Amz-Expires", expires.to_string()),
            ("X-Amz-SignedHeaders", self.names()),
        ] {
            self.query.insert(name.to_owned(), value);
        }
        let signature = self.signature(account, &day, &time, "UNSIGNED-PAYLOAD");
        self.query.insert("X-Amz-Signature".to_owned(), signature);
        self
    }

    pub(crate) async fn send(&self) -> Answer {
        let mut wire = format!("{} {}?{} HTTP/1.1\r\n", self.method, self.path, self.query());
        for (name, value) in &self.headers {
            write!(wire, "{name}: {value}\r\n").expect("a string takes all");
        }
        if !self.headers.contains_key("content-length") {
            write!(wire, "content-length: {}\r\n", self.body.len()).expect("a string takes all");
        }
        write!(wire, "connection: close\r\n\r\n{}", self.body).expect("a string takes all");
        let mut socket = TcpStream::connect(&self.headers["host"]).await.expect("a server");
        socket.write_all(wire.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("an answer");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, text }
    }

    fn signature(&self, account: &Account, day: &str, time: &str, hash: &str) -> String {
        let headers =
            self.headers.iter().fold(String::new(), |text, (name, value)| text + name + ":" + value + "\n");
        let canonical = [self.method, &self.path, &self.query(), &headers, &self.names(), hash].join("\n");
        let scope = format!("{day}/{}/s3/aws4_request", account.region);
        let digest = hex(&Sha256::digest(canonical));
        let to_sign = ["AWS4-HMAC-SHA256", time, &scope, &digest].join("\n");
        let secret = format!("AWS4{}", account.secret_key).into_bytes();
        let key =
            [day, &account.region, "s3", "aws4_request"].iter().fold(secret, |key, text| mac(&key, text));
        hex(&mac(&key, &to_sign))
    }

    fn names(&self) -> String {
        self.headers.keys().cloned().collect::<Vec<_>>().join(";")
    }

    fn query(&self) -> String {
        let pairs = self.query.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("four bits");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn encoded(value: &str) -> String {
    value.replace('/', "%2F").replace(';', "%3B")
}

/// The day and the moment, as signatures write them.
fn date(from_now: i64) -> (String, String) {
    #[expect(clippy::disallowed_methods, reason = "the server that is asked has no other clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let moment = i64::try_from(now).expect("before the sun ends") + from_now;
    let moment = chrono::DateTime::from_timestamp(moment, 0).expect("a date");
    (moment.format("%Y%m%d").to_string(), moment.format("%Y%m%dT%H%M%SZ").to_string())
}
