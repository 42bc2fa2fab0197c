//! A stranger's software against the real program: the official command-line client, over TLS.
//!
//! These tests need that client, which `./test` installs and names in `BW_NODE` and `BW_CLI`, and so they are
//! ignored unless asked for: `cargo test --test clients -- --ignored`. Asked for, they cannot be skipped.

mod bw;
mod items;
mod server;

use bw::Bw;
use serde_json::{Value, json};
use server::Server;

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A running server with one account, and a client that is logged in to it.
fn vault() -> (Server, Bw) {
    let server = Server::start();
    server.create_account(EMAIL, PASSWORD);
    let client = device(&server);
    (server, client)
}

fn device(server: &Server) -> Bw {
    let mut client = Bw::for_server(server.url(), server.ca());
    client.login(EMAIL, PASSWORD);
    client
}

#[test]
#[ignore = "needs the official client; run ./test"]
fn an_item_of_each_type_comes_back_as_it_was_on_another_device() {
    let (server, client) = vault();
    let mut created = Vec::new();
    for item in items::of_each_type().into_iter().chain(items::of_each_newer_type()) {
        let answer = client.create_item(&item);
        assert_holds(&answer, &item);
        created.push((id_of(&answer), item));
    }

    let other = device(&server);
    assert_eq!(other.list_items().len(), created.len());
    for (id, item) in &created {
        assert_holds(&other.get_item(id), item);
    }
}

#[test]
#[ignore = "needs the official client; run ./test"]
fn an_item_is_edited_filed_deleted_restored_and_gone() {
    let (server, client) = vault();
    let other = device(&server);
    let folder = id_of(&client.create_folder("Bank"));
    let mut item = client.create_item(&items::login());
    let id = id_of(&item);

    item["name"] = json!("Renamed");
    item["folderId"] = json!(folder);
    client.edit_item(&id, &item);
    other.sync();
    let seen = other.get_item(&id);
    assert_eq!((&seen["name"], &seen["folderId"]), (&json!("Renamed"), &json!(folder)));

    client.delete_item(&id, false);
    other.sync();
    assert_eq!(ids(&other.list_items()), [""; 0]);
    assert_eq!(ids(&other.list_trash()), [id.as_str()]);

    other.restore_item(&id);
    client.sync();
    assert_eq!(ids(&client.list_items()), [id.as_str()]);

    client.delete_item(&id, true);
    other.sync();
    assert_eq!(ids(&other.list_items()), [""; 0]);
    assert_eq!(ids(&other.list_trash()), [""; 0]);
}

#[test]
#[ignore = "needs the official client; run ./test"]
fn an_attachment_comes_back_byte_for_byte_on_another_device() {
    let (server, client) = vault();
    let id = id_of(&client.create_item(&items::note()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (sent, received) = (folder.path().join("letter.bin"), folder.path().join("received.bin"));
    let body: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[(n % 3) as usize]).collect();
    std::fs::write(&sent, &body).expect("the file is written");

    let item = client.attach(&sent, &id);
    let attachment = id_of(&item["attachments"][0]);
    assert_eq!(item["attachments"][0]["fileName"], "letter.bin");

    let other = device(&server);
    other.download(&attachment, &id, &received);
    assert!(std::fs::read(&received).expect("the file is there") == body, "the attachment has changed");
}

#[test]
#[ignore = "needs the official client; run ./test"]
fn an_import_of_600_items_is_exported_as_it_came() {
    const ITEMS: usize = 600;
    let (server, client) = vault();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (import, export) = (folder.path().join("import.json"), folder.path().join("export.json"));
    let sent = items::export_of(ITEMS);
    std::fs::write(&import, sent.to_string()).expect("the file is written");

    client.import("bitwardenjson", &import);
    let other = device(&server);
    other.export("json", &export);
    let text = std::fs::read_to_string(&export).expect("the file is there");
    let received: Value = serde_json::from_str(&text).expect("the export is JSON");

    let (sent, received) = (items::by_name(&sent), items::by_name(&received));
    assert_eq!(received.len(), ITEMS);
    for (name, item) in &sent {
        assert_holds(&received[name], item);
    }
}

#[test]
#[ignore = "needs the official client; run ./test"]
fn a_lock_keeps_the_vault_and_a_logout_forgets_it() {
    let (_server, mut client) = vault();
    let id = id_of(&client.create_item(&items::note()));

    client.lock();
    assert!(client.run(&["get", "item", &id], "").is_err());
    client.unlock(PASSWORD);
    assert_holds(&client.get_item(&id), &items::note());

    client.logout();
    assert_eq!(client.status(), "unauthenticated");
    let refused = client.try_login(EMAIL, "not the password").expect_err("a wrong password is refused");
    assert!(refused.contains("Invalid master password"), "{refused}");
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id in {object}")).to_owned()
}

fn ids(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|object| object["id"].as_str()).collect()
}

/// Everything in `expected` must be in `actual`, which may hold more.
fn assert_holds(actual: &Value, expected: &Value) {
    match expected {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| assert_holds(&actual[name], value)),
        Value::Array(values) => {
            assert_eq!(actual.as_array().map(Vec::len), Some(values.len()), "{actual} is not {expected}");
            values.iter().enumerate().for_each(|(index, value)| assert_holds(&actual[index], value));
        }
        plain => assert_eq!(actual, plain),
    }
}
