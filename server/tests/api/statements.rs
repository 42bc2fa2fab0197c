//! How many statements a request sends, and that none of them reads what other users own.

use axum::http::Method;
use dbconn::Conn;
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use serde_json::{Value, json};

use crate::support::{Client, ENC, TestApp};

/// Tables that grow with the number of users, or with what they store.
const GROWING: [&str; 6] = ["users", "devices", "folders", "ciphers", "cipher_marks", "attachments"];

fn login_item(name: &str) -> Value {
    json!({ "type": 1, "name": ENC, "notes": null, "login": { "username": ENC }, "favorite": name.is_empty() })
}

async fn import(client: &Client, items: usize, folders: usize) {
    let ciphers: Vec<Value> = (0..items).map(|_| login_item("x")).collect();
    let relationships: Vec<Value> =
        (0..items).filter(|_| folders > 0).map(|i| json!({ "key": i, "value": i % folders })).collect();
    let folders: Vec<Value> = (0..folders).map(|_| json!({ "name": ENC })).collect();
    let body = json!({ "ciphers": ciphers, "folders": folders, "folderRelationships": relationships });
    client.post("/api/ciphers/import", body).await.ok();
}

/// Statements of a request, without those that begin and end a transaction.
async fn count(app: &TestApp, request: impl Future<Output = ()>) -> usize {
    app.forget_statements();
    request.await;
    let controls = ["BEGIN", "COMMIT", "PRAGMA", "ROLLBACK", "START"];
    app.statements().iter().filter(|sql| !controls.iter().any(|control| sql.starts_with(control))).count()
}

#[tokio::test]
async fn an_import_of_600_items_is_seven_statements() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let sent = count(&app, import(&alice, 600, 12)).await;
    // Who is asking, the folders, two for the items and two for where they lie (500 rows each), the revision date.
    assert_eq!(sent, 7, "{:#?}", app.statements());
    assert_eq!(count(&app, import(&alice, 400, 12)).await, 5, "below 500 items one statement each is enough");
}

#[tokio::test]
async fn a_sync_is_three_statements_whatever_its_size() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    let sync = async || {
        let answer = alice.get("/api/sync").await.ok();
        answer["ciphers"].as_array().unwrap().len()
    };
    for (more, items) in [(0, 0), (10, 10), (9_990, 10_000)] {
        import(&alice, more, 1).await;
        let mut seen = 0;
        // Who is asking, the folders, the items with all that hangs on them.
        assert_eq!(count(&app, async { seen = sync().await }).await, 3, "{:#?}", app.statements());
        assert_eq!(seen, items);
    }
}

#[tokio::test]
async fn bulk_changes_do_not_grow_with_each_item() {
    let app = TestApp::new().await;
    let alice = app.user("alice").await;
    import(&alice, 300, 0).await;
    let list = alice.get("/api/ciphers").await.ok();
    let ids: Vec<Value> = list["data"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    for (method, path) in [
        (Method::PUT, "/api/ciphers/delete"),
        (Method::PUT, "/api/ciphers/restore"),
        (Method::PUT, "/api/ciphers/archive"),
        (Method::PUT, "/api/ciphers/move"),
        (Method::DELETE, "/api/ciphers"),
    ] {
        let body = json!({ "ids": ids, "folderId": null }).to_string();
        let sent = count(&app, async {
            alice.raw(method, path, "application/json", body).await.ok();
        })
        .await;
        assert!(sent <= 6, "{path}: {sent}");
    }
}

/// Every statement that requests send, gathered by doing one of everything.
async fn everything(app: &TestApp) -> Vec<String> {
    app.forget_statements();
    let alice = app.user("alice").await;
    let refresh = alice.refresh.clone().unwrap();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
    alice.form("/identity/connect/token", &fields).await.ok();
    alice.post("/identity/accounts/prelogin", json!({ "email": "alice@vault.example" })).await.ok();
    let folder = alice.post("/api/folders", json!({ "name": ENC })).await.id();
    alice.put(&format!("/api/folders/{folder}"), json!({ "name": ENC })).await.ok();
    import(&alice, 3, 1).await;
    let item = alice.post("/api/ciphers", login_item("one")).await.id();
    let path = format!("/api/ciphers/{item}");
    alice.put(&path, login_item("two")).await.ok();
    alice.put(&format!("{path}/partial"), json!({ "folderId": folder, "favorite": true })).await.ok();
    for verb in ["archive", "unarchive", "delete", "restore"] {
        alice.put(&format!("{path}/{verb}"), json!({})).await.ok();
    }
    let announce = json!({ "key": ENC, "fileName": ENC, "fileSize": 4 });
    let ticket = alice.post(&format!("{path}/attachment/v2"), announce).await.ok();
    let url = url::Url::parse(ticket["url"].as_str().unwrap()).unwrap();
    let to = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    assert_eq!(app.anonymous().raw(Method::PUT, &to, "", "file").await.status, 201);
    let attachment = format!("{path}/attachment/{}", ticket["attachmentId"].as_str().unwrap());
    alice.get(&attachment).await.ok();
    alice.get(&format!("{attachment}/renew")).await.ok();
    alice.get("/api/sync").await.ok();
    alice.get("/api/ciphers").await.ok();
    alice.get("/api/devices").await.ok();
    alice.delete(&attachment, json!({})).await.ok();
    alice.put("/api/ciphers/move", json!({ "ids": [item], "folderId": folder })).await.ok();
    alice.delete(&format!("/api/folders/{folder}"), json!({})).await.ok();
    alice.delete(&path, json!({})).await.ok();
    let secret = json!({ "masterPasswordHash": "secret of alice@vault.example" });
    alice.post("/api/ciphers/purge", secret.clone()).await.ok();
    alice.delete("/api/accounts", secret).await.ok();
    let mut statements = app.statements();
    statements.sort();
    statements.dedup();
    statements
}

#[derive(QueryableByName)]
struct SqlitePlan {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresPlan {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// What the database would do for whatever values, a line each.
async fn plan(conn: &mut Conn, sql: &str) -> Vec<String> {
    match conn {
        Conn::Sqlite(conn) => {
            let rows = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(conn).await.unwrap();
            rows.into_iter().map(|row: SqlitePlan| row.detail).collect()
        }
        Conn::Postgres(conn) => {
            // Small tables are read whole however they are indexed, unless that is the last resort.
            conn.batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
                .await
                .unwrap();
            conn.batch_execute(&format!("PREPARE looked_at AS {sql}")).await.unwrap();
            let values = (1..).take_while(|number| sql.contains(&format!("${number}"))).map(|_| "NULL");
            let values = values.collect::<Vec<_>>().join(", ");
            let values = if values.is_empty() { values } else { format!("({values})") };
            let rows =
                diesel::sql_query(format!("EXPLAIN EXECUTE looked_at{values}")).load(conn).await.unwrap();
            conn.batch_execute("DEALLOCATE looked_at").await.unwrap();
            rows.into_iter().map(|row: PostgresPlan| row.line).collect()
        }
    }
}

/// Steps of a plan that read a whole growing table, as `SCAN table`.
fn scans(plan: &[String]) -> Vec<String> {
    let scanned = |step: &String| {
        let (_, rest) = step.split_once("Seq Scan on ").or_else(|| step.split_once("SCAN "))?;
        rest.split(' ').next().filter(|table| GROWING.contains(table)).map(|table| format!("SCAN {table}"))
    };
    plan.iter().filter_map(scanned).collect()
}

#[tokio::test]
async fn no_request_reads_what_other_users_own() {
    let app = TestApp::new().await;
    let statements = everything(&app).await;
    assert!(statements.len() > 30, "too few statements were gathered to mean anything: {statements:#?}");
    let found = app
        .state
        .db
        .read(async move |conn| {
            let mut found = Vec::new();
            let explained = |sql: &&String| {
                ["SELECT", "UPDATE", "DELETE", "INSERT"].iter().any(|verb| sql.starts_with(verb))
            };
            for sql in statements.iter().filter(explained) {
                for scan in scans(&plan(conn, sql).await) {
                    found.push(format!("{scan}\n    in {sql}"));
                }
            }
            Ok::<_, dbconn::Error>(found)
        })
        .await
        .unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn the_check_of_plans_finds_a_scan() {
    let app = TestApp::new().await;
    let found = app
        .state
        .db
        .read(async |conn| {
            Ok::<_, dbconn::Error>(scans(&plan(conn, "SELECT * FROM ciphers WHERE notes = 'x'").await))
        })
        .await
        .unwrap();
    assert_eq!(found, ["SCAN ciphers"]);
}
