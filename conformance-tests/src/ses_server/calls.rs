//! The two calls, and what spoils them.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, Response, request::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Fault, Shared, mails, signature};

/// The connection is to be closed without an answer.
#[derive(Debug)]
pub(super) struct Closed;

/// What SES says no with.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

type Answer = Result<Response<Full<Bytes>>, Closed>;

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    shared.requests.send_modify(|requests| *requests += 1);
    let fault = shared.state().faults.pop_front();
    match &fault {
        Some(Fault::CloseEarly) => return Err(Closed),
        Some(Fault::StallEarly) => return std::future::pending().await,
        _ => {}
    }
    let (head, body) = request.into_parts();
    // Whoever goes away in the middle has not sent a request.
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    match fault {
        Some(Fault::Answer { status, code, message }) => Ok(refuse(&Refusal { status, code, message })),
        Some(Fault::Raw { status, body }) => Ok(respond(status, body)),
        Some(fault) => {
            let taken = call(&shared, &head, &body);
            spoil(&fault, taken).await
        }
        None => Ok(match call(&shared, &head, &body) {
            Ok(said) => respond(200, said.to_string()),
            Err(refusal) => refuse(&refusal),
        }),
    }
}

/// The answer after a mail was taken, spoiled.
async fn spoil(fault: &Fault, taken: Result<Value, Refusal>) -> Answer {
    let said = match taken {
        Ok(said) => said.to_string(),
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    match fault {
        Fault::Truncate => Ok(respond(200, said[..said.len() / 2].to_owned())),
        Fault::NoId => Ok(respond(200, "{}".to_owned())),
        Fault::StallLate => std::future::pending().await,
        _ => Err(Closed),
    }
}

fn call(shared: &Shared, head: &Parts, body: &[u8]) -> Result<Value, Refusal> {
    let mut state = shared.state();
    let now = DateTime::<Utc>::from(::mailer::Clock::system().now() + state.ahead);
    signature::check(head, body, &state.keys, &shared.region, now)?;
    match (&head.method, head.uri.path()) {
        (&Method::POST, "/v2/email/outbound-emails") => mails::send(&mut state, &shared.region, body),
        (&Method::GET, "/v2/email/account") => {
            let account = &state.account;
            let (per_second, per_day, sent) = account.quota;
            Ok(json!({
                "DedicatedIpAutoWarmupEnabled": false,
                "EnforcementStatus": account.enforcement,
                "ProductionAccessEnabled": account.production,
                "SendingEnabled": account.sending,
                "SendQuota": { "Max24HourSend": per_day, "MaxSendRate": per_second, "SentLast24Hours": sent },
            }))
        }
        _ => {
            Err(Refusal { status: 404, code: "UnknownOperationException".to_owned(), message: String::new() })
        }
    }
}

fn refuse(refusal: &Refusal) -> Response<Full<Bytes>> {
    let body = json!({ "message": refusal.message }).to_string();
    let mut response = respond(refusal.status, body);
    let code = refusal.code.parse().expect("codes are letters");
    response.headers_mut().insert("x-amzn-errortype", code);
    response
}

fn respond(status: u16, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(http::header::CONTENT_TYPE, "application/json");
    response.body(Full::new(body.into())).expect("the head is sound")
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}
