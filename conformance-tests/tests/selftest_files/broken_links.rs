//! Servers of links that are wrong in exactly one way.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use conformance_tests::files::{Fixture, answered, served, signer};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Method as HttpMethod, Request, Response, StatusCode, Uri, header};
use persistent_fs::{
    Backend, ByteStream, Clock, Key, LinkRequest, Method, ReadOptions, WriteOptions,
    links::{Access, Grant, KeyRing, LinkKey, LinkSigner},
};

use crate::{broken::Broken, fault::Fault};

/// What the application answers that serves this store's links.
pub(crate) async fn fetch(
    store: &Broken,
    mut request: Request<ByteStream>,
    mut late: Duration,
) -> Response<Bytes> {
    let Some(fault) = store.fault() else { return honest(store, request, late).await };
    match fault {
        Fault::ServedToNoStranger if !request.headers().contains_key("authorization") => {
            return status(StatusCode::UNAUTHORIZED);
        }
        Fault::ServedToNoOtherOrigin if request.method() == HttpMethod::OPTIONS => {
            return status(StatusCode::NOT_FOUND);
        }
        Fault::ServedHeadAsGet if request.method() == HttpMethod::HEAD => {
            *request.method_mut() = HttpMethod::GET;
        }
        Fault::ServedForEver => late = Duration::ZERO,
        Fault::ServedWithoutItsLastByte => forgive(&mut request),
        _ => forget(fault, request.headers_mut()),
    }
    let (uri, is_put, now) = (request.uri().clone(), *request.method() == HttpMethod::PUT, now(late));
    let to_read = verified(Method::Get, &uri, now);
    let to_write = verified(Method::Put, &uri, now);
    let (head, body) = request.into_parts();
    let (answer, body) = match (is_put, &to_read, &to_write) {
        (false, Some(grant), _) => (read(store, fault, grant, &uri).await, body),
        (true, _, Some(grant)) => write(store, fault, grant, body).await,
        _ => (None, body),
    };
    if let Some(answer) = answer {
        return answer;
    }
    let request = Request::from_parts(head, body);
    if let (Fault::ServedForAnyMethod, Some(grant)) = (fault, to_read.as_ref().or(to_write.as_ref())) {
        return obey(store, &grant.key, request).await;
    }
    let name = to_read.as_ref().map(file_name);
    spoil(fault, name, honest(store, request, late).await)
}

/// A signer that nobody else knows.
pub(crate) fn other_signer() -> LinkSigner {
    let ring = KeyRing::new(LinkKey::new("own", &[9; 32]).expect("a good key"));
    let base = "https://files.example/blob".parse().expect("a URL");
    LinkSigner::new("suite", base, ring, Clock::new(|| now(Duration::ZERO))).expect("a good base")
}

async fn honest(store: &Broken, request: Request<ByteStream>, late: Duration) -> Response<Bytes> {
    answered(&served(store.backend(), late), request).await
}

/// The part of the request that this server does not understand.
fn forget(fault: Fault, headers: &mut HeaderMap) {
    match fault {
        Fault::ServedWithoutRanges => drop(headers.remove(header::RANGE)),
        Fault::ServedWithoutConditions => {
            headers.remove(header::IF_MATCH);
            headers.remove(header::IF_NONE_MATCH);
        }
        Fault::ServedWithoutIfRange => drop(headers.remove(header::IF_RANGE)),
        Fault::ServedWithTheFirstRange => {
            let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
            if let Some((first, _)) = range.and_then(|range| range.split_once(',')) {
                let first = first.parse().expect("a range");
                headers.insert(header::RANGE, first);
            }
        }
        _ => {}
    }
}

/// Another token, if this one is good but for its last character.
fn forgive(request: &mut Request<ByteStream>) {
    let method = if *request.method() == HttpMethod::PUT { Method::Put } else { Method::Get };
    let uri = request.uri().to_string();
    let token = token(request.uri()).to_owned();
    let Some((cut, _)) = token.char_indices().next_back().map(|(end, last)| (&token[..end], last)) else {
        return;
    };
    let (verifier, now) = (signer().verifier(), now(Duration::ZERO));
    let mut alike = ('0'..='z').map(|last| format!("{cut}{last}"));
    if let Some(good) = alike.find(|token| verifier.verify(method, token, now).is_ok()) {
        *request.uri_mut() = uri.replace(&token, &good).parse().expect("a URL");
    }
}

/// A read that goes wrong, if it does.
async fn read(store: &Broken, fault: Fault, grant: &Grant, uri: &Uri) -> Option<Response<Bytes>> {
    match fault {
        Fault::ServedByTheNameInTheUrl => {
            let name = uri.path().rsplit('/').next()?;
            whole(store, &Key::parse(name).ok()?).await
        }
        Fault::ServedByTheDecodedKey => {
            let form = format!("key={}", grant.key);
            let decoded = url::form_urlencoded::parse(form.as_bytes()).next()?.1.into_owned();
            whole(store, &Key::parse(&decoded).ok()?).await.or_else(|| Some(status(StatusCode::NOT_FOUND)))
        }
        Fault::ServedMissingWithAReason if store.memory.head(&grant.key).await.is_err() => {
            let mut answer = status(StatusCode::NOT_FOUND);
            *answer.body_mut() = Bytes::from_static(b"no such object");
            Some(answer)
        }
        _ => None,
    }
}

/// An upload that goes wrong, or the body of one that does not.
async fn write(
    store: &Broken,
    fault: Fault,
    grant: &Grant,
    mut body: ByteStream,
) -> (Option<Response<Bytes>>, ByteStream) {
    let nothing = Box::pin(stream::empty());
    let answer = match fault {
        Fault::ServedUploadIsUnchecked => match body.try_collect().await {
            Ok(pieces) => keep(store, &grant.key, pieces).await,
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        Fault::ServedUploadIsKeptInParts => {
            let mut pieces = Vec::new();
            while let Some(Ok(piece)) = body.next().await {
                pieces.push(piece);
            }
            keep(store, &grant.key, pieces).await;
            status(StatusCode::BAD_REQUEST)
        }
        Fault::ServedUploadIsReadToItsEnd => {
            let pieces = body.collect::<Vec<_>>().await;
            return (None, Box::pin(stream::iter(pieces)));
        }
        Fault::ServedUploadIsCutShort => {
            let mut pieces = body.try_collect::<Vec<_>>().await.expect("a whole body");
            pieces.truncate(1);
            keep(store, &grant.key, pieces).await
        }
        Fault::ServedUploadIsForgotten => status(StatusCode::CREATED),
        Fault::ServedUploadOnlyCreates if store.memory.head(&grant.key).await.is_ok() => {
            status(StatusCode::CONFLICT)
        }
        _ => return (None, body),
    };
    (Some(answer), nothing)
}

/// Does what the verb says, whatever the link was for.
async fn obey(store: &Broken, key: &Key, request: Request<ByteStream>) -> Response<Bytes> {
    match request.method().as_str() {
        "GET" | "HEAD" => whole(store, key).await.unwrap_or_else(|| status(StatusCode::NOT_FOUND)),
        "DELETE" => {
            drop(store.memory.delete(key).await);
            status(StatusCode::OK)
        }
        _ => {
            let pieces = request.into_body().try_collect().await.unwrap_or_default();
            keep(store, key, pieces).await
        }
    }
}

/// The answer as it leaves the server.
fn spoil(fault: Fault, name: Option<String>, mut answer: Response<Bytes>) -> Response<Bytes> {
    let headers = answer.headers_mut();
    match fault {
        Fault::ServedUnsafely => {
            headers.remove(header::CONTENT_SECURITY_POLICY);
            headers.remove(header::X_CONTENT_TYPE_OPTIONS);
        }
        Fault::ServedUnderItsRawName => {
            let raw = format!("attachment; filename=\"{}\"", name.unwrap_or_default());
            if let Ok(value) = raw.parse() {
                headers.insert(header::CONTENT_DISPOSITION, value);
            }
        }
        _ => {}
    }
    answer
}

async fn whole(store: &Broken, key: &Key) -> Option<Response<Bytes>> {
    let download = store.memory.read(key, ReadOptions::default()).await.ok()?;
    let pieces = download.body.try_collect::<Vec<_>>().await.ok()?;
    Some(Response::new(pieces.concat().into()))
}

async fn keep(store: &Broken, key: &Key, pieces: Vec<Bytes>) -> Response<Bytes> {
    store.memory.put(key, pieces.concat().into(), WriteOptions::default()).await.expect("memory takes it");
    status(StatusCode::CREATED)
}

fn verified(method: Method, uri: &Uri, now: SystemTime) -> Option<Grant> {
    signer().verifier().verify(method, token(uri), now).ok()
}

fn token(uri: &Uri) -> &str {
    uri.path().split('/').nth(2).unwrap_or_default()
}

fn file_name(grant: &Grant) -> String {
    match &grant.access {
        Access::Get { file_name: Some(name), .. } => name.clone(),
        _ => grant.key.file_name().to_owned(),
    }
}

/// What the suite's clock says so long after it minted a link.
fn now(late: Duration) -> SystemTime {
    let minted = signer().mint(&Key::parse("any").expect("a key"), &LinkRequest::get(Duration::from_secs(1)));
    minted.expect("a link").expires_at - Duration::from_secs(1) + late
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
