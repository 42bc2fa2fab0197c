//! One request, there and back.

use std::{convert::Infallible, error::Error, fmt, future::pending, io, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Frame, Incoming},
    client::conn::http1,
    header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING},
    http::request::Parts,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    Shared,
    rules::{Fault, Reply},
};

/// The end of a connection without an answer, or in the midst of one.
#[derive(Debug)]
pub(super) struct Cut;

type Answer = Response<BoxBody<Bytes, Cut>>;

/// Carries a request to the server and its answer back, unless a rule wants it otherwise.
pub(super) async fn relay(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Cut> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    shared.seen().push(described(&parts));
    let fault = shared.rules().iter_mut().find_map(|rule| rule.spoils(&parts));
    let answer = match fault {
        None => passed(&shared, &parts, &body).await?,
        Some(fault) => spoiled(&shared, &parts, &body, fault).await?,
    };
    shared.answered.send_modify(|answered| *answered += 1);
    Ok(answer)
}

async fn spoiled(shared: &Shared, parts: &Parts, body: &Bytes, fault: Fault) -> Result<Answer, Cut> {
    match fault {
        Fault::CutBefore => Err(Cut),
        Fault::CutWithin => {
            half_sent(shared, parts, body).await.map_err(|_| Cut)?;
            Err(Cut)
        }
        Fault::CutAfter => {
            whole(shared, parts, body).await?;
            Err(Cut)
        }
        Fault::Stall => pending().await,
        Fault::StallAfter => {
            whole(shared, parts, body).await?;
            pending().await
        }
        Fault::StallWithin(length) => {
            let (head, body) = whole(shared, parts, body).await?;
            let begun = stream::iter([Ok(body.slice(..length.min(body.len())))]);
            Ok(Response::from_parts(head, streamed(begun.chain(stream::pending()))))
        }
        Fault::Truncate(length) => {
            let (head, body) = whole(shared, parts, body).await?;
            let begun = stream::iter([Ok(body.slice(..length.min(body.len())))]);
            // The pieces before it are on their way by the time that the connection is cut.
            let cut = stream::once(async {
                tokio::task::yield_now().await;
                Err(Cut)
            });
            Ok(Response::from_parts(head, streamed(begun.chain(cut))))
        }
        Fault::Shorten(length) => {
            let (mut head, body) = whole(shared, parts, body).await?;
            let body = body.slice(..length.min(body.len()));
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            Ok(Response::from_parts(head, full(body)))
        }
        Fault::Drip => {
            let (head, body) = whole(shared, parts, body).await?;
            let drops = (0..body.len()).map(move |n| Ok(body.slice(n..=n)));
            let slowly = stream::iter(drops).then(|drop| async {
                tokio::task::yield_now().await;
                drop
            });
            Ok(Response::from_parts(head, streamed(slowly)))
        }
        Fault::Answer(reply) => Ok(answered(reply)),
        Fault::AnswerAfter(reply) => {
            whole(shared, parts, body).await?;
            Ok(answered(reply))
        }
        Fault::Twice => {
            whole(shared, parts, body).await?;
            passed(shared, parts, body).await
        }
        Fault::Overtaken => {
            let mut others = shared.answered.subscribe();
            others.changed().await.map_err(|_| Cut)?;
            passed(shared, parts, body).await
        }
        Fault::Header(name, value) => {
            let mut answer = passed(shared, parts, body).await?;
            let name = HeaderName::from_static(name);
            match value {
                Some(value) => drop(answer.headers_mut().insert(name, HeaderValue::from_static(value))),
                None => drop(answer.headers_mut().remove(name)),
            }
            Ok(answer)
        }
    }
}

/// The server's answer, its body still to come.
async fn passed(shared: &Shared, parts: &Parts, body: &Bytes) -> Result<Answer, Cut> {
    let socket = TcpStream::connect(shared.server).await.map_err(|_| Cut)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|_| Cut)?;
    // It lives for as long as the answer's body is read.
    tokio::spawn(connection);
    let answer = sender.send_request(again(parts, body.clone())).await.map_err(|_| Cut)?;
    Ok(answer.map(|body| body.map_err(|_| Cut).boxed()))
}

/// The server's whole answer.
async fn whole(
    shared: &Shared,
    parts: &Parts,
    body: &Bytes,
) -> Result<(hyper::http::response::Parts, Bytes), Cut> {
    let (mut head, body) = passed(shared, parts, body).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    // It may have come in chunks, and is now of a length that is known.
    if head.headers.remove(TRANSFER_ENCODING).is_some() {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Ok((head, body))
}

/// Sends the request's head and half of its body, and hangs up.
async fn half_sent(shared: &Shared, parts: &Parts, body: &Bytes) -> io::Result<()> {
    let mut wire = format!("{} {} HTTP/1.1\r\n", parts.method, parts.uri).into_bytes();
    for (name, value) in &parts.headers {
        wire.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(&body[..body.len() / 2]);
    let mut socket = TcpStream::connect(shared.server).await?;
    socket.write_all(&wire).await?;
    socket.shutdown().await
}

fn again(parts: &Parts, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request
}

fn answered(reply: Reply) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in reply.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let mut answer = Response::new(full(reply.body.into()));
    *answer.status_mut() = reply.status.try_into().expect("a status has three digits");
    *answer.headers_mut() = headers;
    answer
}

fn full(body: Bytes) -> BoxBody<Bytes, Cut> {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed()
}

fn streamed(
    pieces: impl stream::Stream<Item = Result<Bytes, Cut>> + Send + Sync + 'static,
) -> BoxBody<Bytes, Cut> {
    BodyExt::boxed(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))))
}

/// Method, path, and the names in the query without those of a signature.
fn described(parts: &Parts) -> String {
    let names = parts.uri.query().unwrap_or_default().split('&');
    let names = names.map(|pair| pair.split('=').next().unwrap_or_default());
    let names: Vec<_> = names.filter(|name| !name.is_empty() && !name.starts_with("X-Amz-")).collect();
    let query = if names.is_empty() { String::new() } else { format!("?{}", names.join("&")) };
    format!("{} {}{query}", parts.method, parts.uri.path())
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl Error for Cut {}
