//! The vault: items, folders, files, import and sync.

mod attachments;
mod blobs;
mod bodies;
mod buckets;
mod bulk;
mod ciphers;
mod folders;
mod forms;
mod import;
mod removal;
mod revision;
mod sync;

use axum::http::{Method, StatusCode};
use diesel::prelude::QueryDsl as _;
use diesel_async::RunQueryDsl as _;
use futures_util::TryStreamExt as _;
use persistent_fs::Prefix;
use serde_json::{Value, json};
use undercroft::schema::attachments as table;

use crate::support::{Answer, Client, ENC, TestApp};

/// A UUID that nobody has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// An item of this type as clients send it, with something in every field.
fn item(kind: i32) -> Value {
    let (property, content) = match kind {
        1 => (
            "login",
            json!({
                "username": ENC,
                "password": ENC,
                "totp": ENC,
                "uris": [{ "uri": ENC, "uriChecksum": ENC, "match": 0 }, { "uri": ENC }],
                "passwordRevisionDate": "2026-01-01T00:00:00.000Z",
                "autofillOnPageLoad": true,
                "fido2Credentials": [{ "credentialId": ENC, "counter": ENC, "creationDate": "2026-01-01T00:00:00.000Z" }],
            }),
        ),
        2 => ("secureNote", json!({ "type": 0 })),
        3 => (
            "card",
            json!({ "cardholderName": ENC, "brand": ENC, "number": ENC, "expMonth": ENC, "expYear": ENC, "code": ENC }),
        ),
        4 => (
            "identity",
            json!({ "title": ENC, "firstName": ENC, "lastName": ENC, "email": ENC, "company": null }),
        ),
        5 => ("sshKey", json!({ "privateKey": ENC, "publicKey": ENC, "keyFingerprint": ENC })),
        6 => ("bankAccount", json!({ "bankName": ENC, "accountNumber": ENC, "pin": null })),
        7 => ("driversLicense", json!({ "firstName": ENC, "licenseNumber": ENC, "issuingCountry": null })),
        8 => ("passport", json!({ "givenName": ENC, "passportNumber": ENC, "nationality": null })),
        _ => ("novelty", json!({})),
    };
    let mut item = json!({
        "type": kind,
        "name": ENC,
        "notes": ENC,
        "key": ENC,
        "favorite": false,
        "folderId": null,
        "organizationId": null,
        "reprompt": 0,
        "fields": [{ "type": 0, "name": ENC, "value": ENC, "linkedId": null }],
        "passwordHistory": [{ "password": ENC, "lastUsedDate": "2026-01-01T00:00:00.000Z" }],
    });
    item[property] = content;
    item
}

/// The same with one field replaced.
fn with(mut item: Value, field: &str, value: impl Into<Value>) -> Value {
    item[field] = value.into();
    item
}

/// Makes a login and answers its id.
async fn make_item(client: &Client) -> String {
    client.post("/api/ciphers", item(1)).await.id()
}

/// Makes a folder and answers its id.
async fn make_folder(client: &Client) -> String {
    client.post("/api/folders", json!({ "name": ENC })).await.id()
}

/// A request with a JSON body, whatever the method.
async fn send(client: &Client, method: &Method, path: &str, body: &Value) -> Answer {
    client.raw(method.clone(), path, "application/json", body.to_string()).await
}

/// The whole vault, as a sync shows it.
async fn sync(client: &Client) -> Value {
    client.get("/api/sync").await.ok()
}

/// When the account last changed, as clients poll it.
async fn revision(client: &Client) -> i64 {
    client.get("/api/accounts/revision-date").await.ok().as_i64().unwrap()
}

/// The field that a refusal blames.
#[track_caller]
fn blamed(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    let fields: Vec<_> = body["validationErrors"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields.len(), 1, "{body}");
    fields.into_iter().next().unwrap()
}

/// The answer says that there is no such thing, and no more.
#[track_caller]
fn assert_not_found(answer: &Answer, what: &str) {
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what}: {}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.json()["message"], "Resource not found.", "{what}");
}

/// The names of all files in the store.
async fn stored(app: &TestApp) -> Vec<String> {
    app.files
        .list(&Prefix::all(), None)
        .map_ok(|meta| meta.key.as_str().to_owned())
        .try_collect()
        .await
        .unwrap()
}

/// How many attachments the database knows, uploaded or not.
async fn rows(app: &TestApp) -> i64 {
    let count = app
        .state
        .db
        .read(async move |conn| dbconn::on_conn!(conn, |c| table::table.count().get_result::<i64>(c).await));
    count.await.unwrap()
}
