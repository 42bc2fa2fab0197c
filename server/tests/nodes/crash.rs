//! A process that is killed in the middle of its work, on SQLite.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::client::{ENC, Session};
use crate::node::Node;

/// How many create items at once.
const WRITERS: usize = 4;

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let mut node = Node::start(data.path(), &[]);
    Session::register(node.address, "ann@example.com");
    let session = Session::log_in(node.address, "ann@example.com", "a device");
    let mut acknowledged = BTreeSet::new();
    for round in 1..=3 {
        acknowledged.extend(create_until_killed(&mut node, &session, 20 * round));

        node = Node::start(data.path(), &[]);
        let vault = session.sync(node.address);
        let there: BTreeSet<String> = vault["ciphers"].as_array().unwrap().iter().map(id).collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?}");
        // At most what each writer had under way is there without our knowing it.
        assert!(there.len() <= acknowledged.len() + WRITERS * round);
    }
}

/// Creates items until so many are acknowledged, kills the node meanwhile, and answers the ids of all that were.
fn create_until_killed(node: &mut Node, session: &Session, enough: usize) -> Vec<String> {
    let (acknowledge, acknowledged) = mpsc::channel();
    let address = node.address;
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            let acknowledge = acknowledge.clone();
            scope.spawn(move || {
                while let Some(id) = create(session, address) {
                    acknowledge.send(id).unwrap();
                }
            });
        }
        drop(acknowledge);
        let mut ids: Vec<_> = acknowledged.iter().take(enough).collect();
        assert_eq!(ids.len(), enough, "the writers gave up before the node was killed");
        node.kill();
        ids.extend(acknowledged.iter());
        ids
    })
}

/// Creates an item; `None` if the node did not answer to the end.
fn create(session: &Session, node: SocketAddr) -> Option<String> {
    let item = json!({ "type": 2, "name": ENC, "secureNote": { "type": 0 } });
    let answer = session.post(node, "/api/ciphers", &item).ok()?;
    Some(id(&answer.ok()))
}

fn id(item: &Value) -> String {
    item["id"].as_str().expect("an item has an id").to_owned()
}
