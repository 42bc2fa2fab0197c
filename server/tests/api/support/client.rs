//! A client that speaks to the router without a network.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::ENC;

/// A client, with a session or without.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    /// The bearer token.
    pub(crate) access: Option<String>,
    /// The refresh token.
    pub(crate) refresh: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body as it is.
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The body as JSON of an answer that must be 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.bytes));
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// The id in the body of an answer that must be 200.
    pub(crate) fn id(&self) -> String {
        self.ok()["id"].as_str().unwrap().to_owned()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, access: None, refresh: None }
    }

    /// Takes over the session of a token answer.
    pub(crate) fn adopt(&mut self, answer: &Answer) {
        let body = answer.ok();
        self.access = body["access_token"].as_str().map(str::to_owned);
        self.refresh = body["refresh_token"].as_str().map(str::to_owned);
    }

    /// Registers with password `secret of <email>`, in one step.
    pub(crate) async fn register(&self, email: &str) {
        self.post("/identity/accounts/register/finish", registration(email)).await.ok();
    }

    /// Asks for a session with the right password.
    pub(crate) async fn log_in(&self, email: &str, device: &str) -> Answer {
        self.log_in_with(email, &format!("secret of {email}"), device).await
    }

    /// Asks for a session.
    pub(crate) async fn log_in_with(&self, email: &str, password: &str, device: &str) -> Answer {
        self.form(
            "/identity/connect/token",
            &[
                ("grant_type", "password"),
                ("client_id", "cli"),
                ("scope", "api offline_access"),
                ("username", email),
                ("password", password),
                ("deviceIdentifier", &device_id(device)),
                ("deviceName", device),
                ("deviceType", "25"),
            ],
        )
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, &body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PUT, path, &body).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Value) -> Answer {
        self.json(Method::DELETE, path, &body).await
    }

    /// A body that is what it is.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let request = self.request(method, path).header(header::CONTENT_TYPE, content_type);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// A form.
    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.raw(Method::POST, path, "application/x-www-form-urlencoded", body).await
    }

    /// A form with one file, as clients upload attachments.
    pub(crate) async fn upload(
        &self,
        path: &str,
        name: &str,
        file: &[u8],
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut body = Vec::new();
        for (field, value) in fields {
            body.extend_from_slice(
                format!("--edge\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        body.extend_from_slice(
            format!("--edge\r\nContent-Disposition: form-data; name=\"data\"; filename=\"{name}\"\r\n\r\n")
                .as_bytes(),
        );
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        self.raw(Method::POST, path, "multipart/form-data; boundary=edge", body).await
    }

    /// Any request, with the client's session.
    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        match &self.access {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("the body must be complete").to_bytes();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.raw(method, path, "application/json", body.to_string()).await
    }
}

/// The body of a registration in one step.
pub(crate) fn registration(email: &str) -> Value {
    json!({
        "email": email,
        "name": email.split('@').next(),
        "masterPasswordHash": format!("secret of {email}"),
        "masterPasswordHint": null,
        "userSymmetricKey": ENC,
        "userAsymmetricKeys": { "publicKey": "cHVibGlj", "encryptedPrivateKey": ENC },
        "kdf": 0,
        "kdfIterations": 600_000,
    })
}

/// An id that is always the same for one device.
fn device_id(device: &str) -> String {
    URL_SAFE_NO_PAD.encode(device)
}
