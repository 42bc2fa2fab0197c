//! Requests as anybody may send them: exactly as they are, also where they make no sense.

use std::time::Duration;

use bytes::Bytes;
use conformance_tests::files::Quirk;
use futures_util::StreamExt;
use http::{HeaderName, HeaderValue, Request, Response, header};
use persistent_fs::ByteStream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedWriteHalf},
};

/// In what links of S3 differ from ours.
pub(crate) const QUIRKS: &[Quirk] = &[
    Quirk::RefusalsDiffer,
    Quirk::HeadRefused,
    Quirk::NoSafeHeaders,
    Quirk::OneTagOnly,
    Quirk::IfRangeIgnored,
    Quirk::OneRangeOnly,
    Quirk::NoPreflight,
    Quirk::LengthRequired,
];

/// Sends the request after a while, and collects the answer. No answer counts as 400.
pub(crate) async fn send(request: Request<ByteStream>, late: Duration) -> Response<Bytes> {
    tokio::time::sleep(late).await;
    let (parts, body) = request.into_parts();
    let host = parts.uri.authority().expect("a host").as_str();
    let path = parts.uri.path_and_query().expect("a path").as_str();
    let sized = parts.headers.contains_key(header::CONTENT_LENGTH);
    let chunked = !sized && parts.method == http::Method::PUT;

    let mut head =
        format!("{} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", parts.method).into_bytes();
    for (name, value) in &parts.headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend_from_slice(if chunked { b"transfer-encoding: chunked\r\n\r\n" } else { b"\r\n" });

    let (mut reader, mut writer) = TcpStream::connect(host).await.expect("a server").into_split();
    if writer.write_all(&head).await.is_err() {
        return Response::builder().status(400).body(Bytes::new()).expect("an answer");
    }
    // Both at once: a server may answer, and close, long before the body ends.
    let promised =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let sending = tokio::spawn(send_body(writer, body, promised, chunked));
    let mut answer = Vec::new();
    let with_body = parts.method != http::Method::HEAD;
    while parsed(&answer, with_body, false).is_none() {
        match reader.read_buf(&mut answer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    sending.abort();
    let refused = || Response::builder().status(400).body(Bytes::new()).expect("an answer");
    parsed(&answer, with_body, true).unwrap_or_else(refused)
}

/// Sends what there is of the body, and then nothing more.
async fn send_body(
    mut writer: OwnedWriteHalf,
    mut body: ByteStream,
    promised: Option<usize>,
    chunked: bool,
) -> std::io::Result<()> {
    let mut sent = 0;
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else { return writer.shutdown().await };
        sent += piece.len();
        if chunked && !piece.is_empty() {
            writer.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        }
        writer.write_all(&piece).await?;
        if chunked && !piece.is_empty() {
            writer.write_all(b"\r\n").await?;
        }
    }
    if chunked {
        writer.write_all(b"0\r\n\r\n").await?;
    }
    if promised.is_some_and(|promised| sent < promised) {
        return writer.shutdown().await;
    }
    // Kept open for the answer: some servers take a closed half for a client that is gone.
    std::future::pending().await
}

/// The answer, once it is there in full, or when nothing more comes.
fn parsed(answer: &[u8], with_body: bool, at_end: bool) -> Option<Response<Bytes>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, mut body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse::<u16>().ok()?;
    if status == 100 {
        return parsed(body, with_body, at_end);
    }
    let mut response = Response::builder().status(status);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = name.parse::<HeaderName>().ok()?;
        response = response.header(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    let headers = response.headers_ref()?.clone();
    let whole = if !with_body || status == 204 || status == 304 {
        body = &[];
        true
    } else if let Some(length) = headers.get(header::CONTENT_LENGTH) {
        body.len() >= length.to_str().ok()?.parse().ok()?
    } else if headers.contains_key(header::TRANSFER_ENCODING) {
        let whole = body.ends_with(b"0\r\n\r\n");
        let body = if whole { unchunked(body)? } else { Vec::new() };
        return (whole || at_end).then(|| response.body(body.into()).expect("an answer"));
    } else {
        at_end
    };
    (whole || at_end).then(|| response.body(Bytes::copy_from_slice(body)).expect("an answer"))
}

fn unchunked(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunks.get(line + 2..line + 2 + length)?);
        chunks = chunks.get(line + 4 + length..)?;
    }
}
