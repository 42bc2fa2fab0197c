//! `/api/ciphers/{id}`: one item at a time.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::{NOBODY, assert_not_found, blamed, item, make_folder, make_item, revision, send, with};
use crate::support::{Client, ENC, OTHER, TestApp};

const KINDS: [(i32, &str); 8] = [
    (1, "login"),
    (2, "secureNote"),
    (3, "card"),
    (4, "identity"),
    (5, "sshKey"),
    (6, "bankAccount"),
    (7, "driversLicense"),
    (8, "passport"),
];

async fn show(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/ciphers/{id}")).await.ok()
}

#[tokio::test]
async fn a_new_login_is_answered_whole() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    assert_json_snapshot!(alice.post("/api/ciphers", item(1)).await.ok());
}

#[tokio::test]
async fn every_type_of_item_is_kept_as_sent() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    for (kind, property) in KINDS {
        let sent = item(kind);
        let made = alice.post("/api/ciphers", sent.clone()).await.ok();
        assert_eq!(made["type"], kind);
        for field in ["name", "notes", "key", "fields", "passwordHistory"] {
            assert_eq!(made[field], sent[field], "{field} of type {kind}");
        }
        for (name, value) in sent[property].as_object().unwrap().iter().filter(|(name, _)| *name != "uris") {
            assert_eq!(&made[property][name], value, "{property}.{name}");
        }
        for (_, other) in KINDS.iter().filter(|(other, _)| *other != kind) {
            assert_eq!(made[*other], Value::Null, "{other} of type {kind}");
        }
        let id = made["id"].as_str().unwrap();
        assert_eq!(show(&alice, id).await, made);
        assert_eq!(alice.get(&format!("/api/ciphers/{id}/details")).await.ok(), made);
    }
    assert_eq!(alice.get("/api/ciphers").await.ok()["data"].as_array().unwrap().len(), KINDS.len());
}

#[tokio::test]
async fn an_item_can_be_made_by_the_route_for_organizations() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let made =
        alice.post("/api/ciphers/create", json!({ "cipher": item(1), "collectionIds": [] })).await.ok();
    assert_eq!(show(&alice, made["id"].as_str().unwrap()).await, made);
}

#[tokio::test]
async fn an_edit_replaces_the_item_and_keeps_when_it_was_made() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let before = alice.post("/api/ciphers", item(1)).await.ok();
    let path = format!("/api/ciphers/{}", before["id"].as_str().unwrap());
    for method in [Method::PUT, Method::POST] {
        app.advance(Duration::from_mins(1));
        let mut wanted = with(with(item(3), "name", OTHER), "favorite", true);
        wanted["notes"] = Value::Null;
        let after = send(&alice, &method, &path, &wanted).await.ok();
        assert_eq!(alice.get(&path).await.ok(), after);
        assert_eq!(
            [&after["type"], &after["name"], &after["notes"]],
            [&json!(3), &json!(OTHER), &Value::Null]
        );
        assert_eq!([&after["login"], &after["favorite"]], [&Value::Null, &json!(true)]);
        assert_eq!(after["creationDate"], before["creationDate"]);
        assert_ne!(after["revisionDate"], before["revisionDate"]);
    }
}

#[tokio::test]
async fn an_edit_of_what_has_changed_elsewhere_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let seen = alice.post("/api/ciphers", item(1)).await.ok();
    let (id, path) = (seen["id"].as_str().unwrap(), format!("/api/ciphers/{}", seen["id"].as_str().unwrap()));
    app.advance(Duration::from_mins(1));
    let edit = with(with(item(1), "lastKnownRevisionDate", seen["revisionDate"].clone()), "name", OTHER);
    let current = alice.put(&path, edit.clone()).await.ok();
    let revised = revision(&alice).await;

    app.advance(Duration::from_mins(1));
    let answer = alice.put(&path, with(edit, "name", ENC)).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(show(&alice, id).await, current);
    assert_eq!(revision(&alice).await, revised);
    // Clients cut dates to the millisecond or the second: that alone must not stop an edit.
    let cut = format!("{}Z", &current["revisionDate"].as_str().unwrap()[..19]);
    alice.put(&path, with(item(1), "lastKnownRevisionDate", cut)).await.ok();
}

#[tokio::test]
async fn favourite_and_folder_can_be_changed_by_themselves() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let (folder, before) = (make_folder(&alice).await, alice.post("/api/ciphers", item(1)).await.ok());
    let id = before["id"].as_str().unwrap();
    let path = format!("/api/ciphers/{id}/partial");
    app.advance(Duration::from_mins(1));

    let marked = alice.put(&path, json!({ "folderId": folder, "favorite": true })).await.ok();
    assert_eq!(show(&alice, id).await, marked);
    assert_eq!(marked, with(with(before.clone(), "favorite", true), "folderId", folder.as_str()));

    let unmarked = alice.post(&path, json!({ "folderId": "", "favorite": false })).await.ok();
    assert_eq!(unmarked, before);
    assert_eq!(show(&alice, id).await, before);
}

#[tokio::test]
async fn an_item_goes_to_the_archive_and_back() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let id = make_item(&alice).await;
    let archived = alice.put(&format!("/api/ciphers/{id}/archive"), json!(null)).await.ok();
    assert_eq!(archived["archivedDate"], "2026-01-02T03:04:05.678901Z");
    assert_eq!(show(&alice, &id).await, archived);
    // A client that does not know of archives does not take the item out by an edit.
    let edited = alice.put(&format!("/api/ciphers/{id}"), item(1)).await.ok();
    assert_eq!(edited["archivedDate"], archived["archivedDate"]);
    let back = alice.put(&format!("/api/ciphers/{id}/unarchive"), json!(null)).await.ok();
    assert_eq!(back["archivedDate"], Value::Null);
    assert_eq!(show(&alice, &id).await, back);
}

#[tokio::test]
async fn an_item_goes_to_the_trash_and_back_and_away_for_good() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let id = make_item(&alice).await;
    let path = format!("/api/ciphers/{id}");
    alice.put(&format!("{path}/delete"), json!(null)).await.ok();
    assert_eq!(show(&alice, &id).await["deletedDate"], "2026-01-02T03:04:05.678901Z");
    // An edit in the trash leaves it there.
    assert_ne!(alice.put(&path, item(1)).await.ok()["deletedDate"], Value::Null);
    let back = alice.put(&format!("{path}/restore"), json!(null)).await.ok();
    assert_eq!(back["deletedDate"], Value::Null);
    assert_eq!(show(&alice, &id).await, back);

    alice.delete(&path, json!(null)).await.ok();
    assert_not_found(&alice.get(&path).await, "a deleted item");
    let other = make_item(&alice).await;
    alice.post(&format!("/api/ciphers/{other}/delete"), json!(null)).await.ok();
    assert_not_found(&alice.get(&format!("/api/ciphers/{other}")).await, "a deleted item");
}

#[tokio::test]
async fn someone_elses_item_is_not_found_by_any_route() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let (id, folder) = (make_item(&alice).await, make_folder(&bob).await);
    let before = alice.get("/api/ciphers").await.ok();
    let revised = (revision(&alice).await, revision(&bob).await);
    app.advance(Duration::from_secs(1));

    let bodies = with(with(item(1), "folderId", folder), "favorite", true);
    for id in [id.as_str(), NOBODY, "not-an-id"] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::PUT, ""),
            (Method::POST, ""),
            (Method::DELETE, ""),
            (Method::GET, "/details"),
            (Method::PUT, "/partial"),
            (Method::POST, "/partial"),
            (Method::PUT, "/delete"),
            (Method::POST, "/delete"),
            (Method::PUT, "/restore"),
            (Method::PUT, "/archive"),
            (Method::PUT, "/unarchive"),
        ] {
            let answer = send(&bob, &method, &format!("/api/ciphers/{id}{rest}"), &bodies).await;
            assert_not_found(&answer, &format!("{method} {id}{rest}"));
        }
    }

    assert_eq!(alice.get("/api/ciphers").await.ok(), before);
    assert_eq!(bob.get("/api/ciphers").await.ok()["data"], json!([]));
    assert_eq!((revision(&alice).await, revision(&bob).await), revised);
}

#[tokio::test]
async fn what_does_not_fit_is_blamed_by_its_path_and_not_written() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let id = make_item(&alice).await;
    let before = alice.get("/api/ciphers").await.ok();
    let login = |content: Value| with(item(1), "login", content);
    let long = |bytes: usize| format!("2.aXY=|{}|bWFj", "A".repeat(bytes - 12));

    for (field, body) in [
        ("type", item(9)),
        ("type", item(0)),
        ("type", with(item(1), "type", "1")),
        ("name", with(item(1), "name", "plain")),
        ("name", with(item(1), "name", long(1_001))),
        ("name", with(item(1), "name", Value::Null)),
        ("notes", with(item(1), "notes", long(10_001))),
        ("notes", with(item(1), "notes", 4)),
        ("favorite", with(item(1), "favorite", "yes")),
        ("folderId", with(item(1), "folderId", "Bank")),
        ("encryptedFor", with(item(1), "encryptedFor", NOBODY)),
        ("login", with(item(1), "login", Value::Null)),
        ("login", with(item(1), "login", "text")),
        ("login.uris[0].match", login(json!({ "uris": [{ "match": "exact" }] }))),
        ("login.uris[1].uri", login(json!({ "uris": [{ "uri": ENC }, { "uri": 5 }] }))),
        ("login.uris", login(json!({ "uris": ENC }))),
        ("login.username", login(json!({ "username": { "a": 1 } }))),
        ("login.passwordRevisionDate", login(json!({ "passwordRevisionDate": "yesterday" }))),
        ("login.fido2Credentials[0]", login(json!({ "fido2Credentials": ["x"] }))),
        ("secureNote.type", with(item(2), "secureNote", json!({ "type": "0" }))),
        ("card.number", with(item(3), "card", json!({ "number": 4111 }))),
        ("identity.title", with(item(4), "identity", json!({ "title": true }))),
        ("sshKey.publicKey", with(item(5), "sshKey", json!({ "privateKey": ENC, "publicKey": "" }))),
        ("passport", with(item(8), "passport", json!([]))),
        ("fields[0].type", with(item(1), "fields", json!([{ "name": ENC, "type": "0" }]))),
        ("fields[1].value", with(item(1), "fields", json!([{ "type": 0 }, { "type": 0, "value": 5 }]))),
        ("fields", with(item(1), "fields", json!({}))),
        (
            "passwordHistory[0].lastUsedDate",
            with(item(1), "passwordHistory", json!([{ "password": ENC, "lastUsedDate": "x" }])),
        ),
        ("lastKnownRevisionDate", with(item(1), "lastKnownRevisionDate", "x")),
    ] {
        assert_eq!(blamed(&alice.post("/api/ciphers", body.clone()).await), field);
        assert_eq!(blamed(&alice.put(&format!("/api/ciphers/{id}"), body).await), field);
    }

    assert_eq!(alice.get("/api/ciphers").await.ok(), before);
    let longest = with(with(item(1), "notes", long(10_000)), "name", long(1_000));
    alice.post("/api/ciphers", longest).await.ok();
}

#[tokio::test]
async fn too_long_notes_are_refused_in_words_that_clients_know() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let answer = alice.post("/api/ciphers", with(item(1), "notes", "A".repeat(10_001))).await;
    assert_json_snapshot!(answer.json());
}

#[tokio::test]
async fn an_item_for_an_organization_is_refused() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let shared = with(item(1), "organizationId", NOBODY);
    assert_not_found(&alice.post("/api/ciphers", shared.clone()).await, "post");
    let body = json!({ "cipher": shared, "collectionIds": [NOBODY] });
    assert_not_found(&alice.post("/api/ciphers/create", body).await, "create");
    assert_eq!(alice.get("/api/ciphers").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn an_item_encrypted_for_its_owner_is_taken() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let me = alice.get("/api/accounts/profile").await.id();
    alice.post("/api/ciphers", with(item(1), "encryptedFor", me)).await.ok();
}

#[tokio::test]
async fn fields_of_newer_clients_survive() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let mut sent = item(1);
    sent["login"]["novelty"] = json!({ "deep": [1, "two", null] });
    sent["login"]["uris"][0]["novelty"] = json!(ENC);
    sent["fields"][0]["novelty"] = json!(3);
    let id = alice.post("/api/ciphers", sent.clone()).await.id();
    let kept = show(&alice, &id).await;
    assert_eq!(kept["login"]["novelty"], sent["login"]["novelty"]);
    assert_eq!(kept["login"]["uris"][0]["novelty"], ENC);
    assert_eq!(kept["fields"], sent["fields"]);
}

#[tokio::test]
async fn names_of_old_clients_begin_with_capitals() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let sent = json!({
        "Type": 1,
        "Name": ENC,
        "Favorite": true,
        "Login": { "Username": ENC, "Uris": [{ "Uri": ENC, "Match": 1 }], "Response": null },
        "Fields": [{ "Type": 0, "Name": ENC, "Value": ENC }],
    });
    let made = alice.post("/api/ciphers", sent).await.ok();
    assert_eq!(made["favorite"], true);
    assert_eq!(made["login"]["username"], ENC);
    assert_eq!(made["login"]["uris"], json!([{ "uri": ENC, "match": 1, "uriChecksum": null }]));
    assert_eq!(made["fields"], json!([{ "type": 0, "name": ENC, "value": ENC }]));
}
