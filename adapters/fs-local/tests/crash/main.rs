//! Crashes: what the disk may hold after one, and what the store makes of that.
//!
//! A child process does a few steps on a store while `strace` writes down every change it asks the system for. The
//! history is then replayed on a disk that promises as little as it may, cut at every call, and the store is opened on
//! everything that can be left. To show that this finds anything, each sync is taken out of the history in turn, and
//! must be missed.

#![cfg(target_os = "linux")]

mod child;
mod disk;
mod faults;
mod killed;
mod replay;
mod script;
mod surroundings;
mod trace;

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use fs_local::Local;
use persistent_fs::{Files, WriteOptions};
use tempfile::TempDir;

use crate::{
    disk::Disk,
    replay::{Bench, History},
    script::{Expected, key},
    trace::Event,
};

/// The store's folder, below the one that is traced.
const ROOT: &str = "root";

/// What is there before, and what happens. Small enough to be replayed in full. Where nothing is there before, there is
/// not even the root.
type Scene = (&'static [(&'static str, &'static str)], &'static [&'static str]);

/// What the system is to refuse, as `strace` is told.
type Faults = &'static [&'static str];

/// One step after the other.
const IN_ORDER: &[Scene] = &[
    (&[], &["put a/b/new body"]),
    (&[], &["upload new body"]),
    (&[], &["create a/new body"]),
    (&[("a/old", "first")], &["put a/old second", "put a/old third"]),
    (&[("a/old", "first")], &["swap a/old second"]),
    (&[("a/b/gone", "body"), ("a/stays", "body")], &["delete a/b/gone"]),
    (&[("a/b/one", "first")], &["delete a/b/one", "put a/b/two second", "put a/b/three third"]),
    (&[("a/b/one", "1"), ("a/c/two", "2"), ("b", "4")], &["clear a/"]),
    (&[("a/ab", "1"), ("a/ac", "2"), ("a/b", "3")], &["clear a/a"]),
    (&[], &["ingest a/b/taken body"]),
    (&[("a/from", "body")], &["copy a/from b/to", "delete a/from"]),
];

/// Several at once, so that they share syncs.
const AT_ONCE: &[Scene] = &[
    (&[], &["put a/b/one first & put a/b/two second"]),
    (&[], &["put a/b/one 1 & put a/b/two 2 & put a/b/three 3"]),
    (&[], &["put a/one first & put a/one second & create a/one third"]),
    (&[("a/one", "first")], &["put a/two second & delete a/one"]),
    (&[("a/one", "first")], &["delete a/one & delete a/one"]),
];

/// A process that is killed anywhere in its work, and what another does on the store that it finds.
const IN_TURN: &[(Scene, &[&str])] = &[
    ((&[], &["put a/b/one first"]), &["put a/b/two second"]),
    ((&[], &["put a/one first"]), &["delete a/one"]),
    ((&[("a/one", "first")], &["delete a/one"]), &["delete a/one"]),
    ((&[("a/b/one", "1"), ("a/two", "2")], &["clear a/"]), &["clear a/"]),
    ((&[("a/one", "first")], &["delete a/one"]), &["put a/two second"]),
];

/// File systems that can less. A create then takes other ways, and so does a file from another file system.
const ON_LESSER_FILE_SYSTEMS: &[(Scene, Faults)] = &[
    ((&[], &["create a/new body"]), &["renameat2:error=EINVAL"]),
    ((&[], &["create a/new body"]), &["renameat2:error=EINVAL", "linkat:error=EPERM"]),
    ((&[], &["create a/new body"]), &["renameat2:error=EINVAL", "linkat:error=EOPNOTSUPP"]),
    ((&[], &["ingest a/b/taken body"]), &["renameat:error=EXDEV:when=1"]),
];

/// A body is synced before the system is asked for its name, so one that is refused was synced for nothing.
const REFUSED: Scene = (&[("a/old", "first")], &["create a/old refused", "create a/new body"]);

#[test]
fn whatever_a_crash_leaves_is_in_order() {
    for scene in IN_ORDER.iter().chain(AT_ONCE).chain([&REFUSED]) {
        let Some(histories) = recorded(scene, &[]) else { return };
        for history in histories {
            let states = Bench::new().replay(&history).unwrap_or_else(|wrong| panic!("{scene:?}: {wrong}"));
            println!("{scene:?}: {states} states");
        }
    }
}

#[test]
fn no_sync_can_be_left_out() {
    let everywhere = IN_ORDER.iter().map(|scene| (scene, &[][..]));
    // A file that turns out to lie elsewhere was synced for nothing, too.
    let creates = ON_LESSER_FILE_SYSTEMS.iter().filter(|((_, lines), _)| lines[0].starts_with("create"));
    let lesser = creates.map(|(scene, faults)| (scene, *faults));
    for (scene, faults) in everywhere.chain(lesser) {
        let Some(histories) = recorded(scene, faults) else { return };
        for sync in histories[0].syncs() {
            // To open a store that is there syncs its name for those who will write, and not all of these do.
            let is_of_root =
                matches!(&histories[0].events[sync], Event::SyncBegins(_, path) if path == Path::new(""));
            if is_of_root && !scene.0.is_empty() {
                continue;
            }
            let is_missed = |history: &History| Bench::new().replay(&history.without(sync)).is_err();
            let what = &histories[0].events[sync];
            assert!(histories.iter().any(is_missed), "{scene:?}: nobody misses {what:?}, event {sync}");
        }
    }
}

#[test]
fn a_crash_on_a_lesser_file_system_leaves_no_less() {
    for (scene, faults) in ON_LESSER_FILE_SYSTEMS {
        let Some(histories) = recorded(scene, faults) else { return };
        for history in histories {
            let said = |event: &Event| matches!(event, Event::Said(said) if said == "done 0");
            assert!(history.events.iter().any(said), "{faults:?}: {:?}", history.events);
            let states = Bench::new().replay(&history).unwrap_or_else(|wrong| panic!("{faults:?}: {wrong}"));
            println!("{faults:?}: {states} states");
        }
    }
}

#[test]
fn of_racing_creates_one_wins_on_a_lesser_file_system() {
    let creates = &["create a/one 1 & create a/one 2 & create a/one 3 & create a/one 4", "create a/one 5"];
    for faults in [&["renameat2:error=EINVAL"][..], &["renameat2:error=EINVAL", "linkat:error=EPERM"]] {
        let Some([history, _]) = recorded(&(&[], creates), faults) else { return };
        let said = history.events.iter().filter_map(|event| match event {
            Event::Said(said) => Some(said.as_str()),
            _ => None,
        });
        let said = said.collect::<Vec<_>>();
        let all = |what: &str| said.iter().filter(|said| said.contains(what)).count();
        assert_eq!((all("done"), all("AlreadyExists NotApplied")), (1, 4), "{faults:?}: {said:?}");
        Bench::new().replay(&history).unwrap_or_else(|wrong| panic!("{faults:?}: {wrong}"));
    }
}

#[test]
fn what_a_killed_process_did_not_sync_is_synced_by_the_next() {
    for ((before, first), second) in IN_TURN {
        let Some([_, killed]) = recorded(&(before, first), &[]) else { return };
        let (killers, seconds) = (script::parse(first, 0), script::parse(second, 1));
        let expected = Expected::of(before, &[killers, seconds].concat());
        let mut bench = Bench::new();
        let (mut disk, mut states, mut last) = (killed.start.clone(), 0, None);
        for cut in 0..=killed.events.len() {
            if cut > 0 {
                disk.apply(&killed.events[cut - 1]);
            }
            // What the second does depends on what it sees, and that changes less often than what is on the disk.
            let seen = disk.live();
            if last.as_ref().is_none_or(|(tree, _)| *tree != seen) {
                let folder = scratch();
                seen.write(folder.path());
                let Some(events) = record(&folder, second, 1, &[]) else { return };
                last = Some((seen, events));
            }
            let (_, then) = last.as_ref().expect("just recorded");
            let events = [&killed.events[..cut], then].concat();
            let history = History { start: killed.start.clone(), events, expected: expected.clone() };
            let replayed = bench.replay(&history);
            states += replayed.unwrap_or_else(|wrong| panic!("{first:?}, then {second:?}: {wrong}"));
        }
        println!("{first:?}, then {second:?}: {states} states");
    }
}

/// The history of these steps on a new store that holds these objects, once as another process may have left them a
/// moment ago, with no directory synced, and once with all of them on the disk. `None`, said on standard error, where
/// nothing can be traced.
fn recorded((before, lines): &Scene, faults: &[&str]) -> Option<[History; 2]> {
    let folder = prepared(before);
    let expected = Expected::of(before, &script::parse(lines, 0));
    let start = Disk::of(folder.path());
    let events = record(&folder, lines, 0, faults)?;
    let unsynced = start.clone().with_unsynced();
    Some([
        History { start: unsynced, events: events.clone(), expected: expected.clone().with_unsynced() },
        History { start, events, expected },
    ])
}

fn prepared(before: &[(&str, &str)]) -> TempDir {
    let folder = scratch();
    if before.is_empty() {
        return folder;
    }
    let files = Files::new(Local::open(folder.path().join(ROOT)).expect("a store"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (name, body) in before {
        let (key, body) = (key(name), (*body).to_owned().into());
        let put = files.put(&key, body, WriteOptions::default().atomic());
        runtime.block_on(put).expect("written");
    }
    folder
}

/// In memory if there is such a place. What is seen here is what the system is asked for, and that is the same.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// What the child asks for while it does these steps in this folder.
fn record(folder: &TempDir, lines: &[&str], first: usize, faults: &[&str]) -> Option<Vec<Event>> {
    let path = fs::canonicalize(folder.path()).expect("a folder");
    let events = trace::record(&path, &(child::orders(&path, lines, first) + "go\n"), faults);
    if events.is_none() {
        skipped("no process can be traced here");
    }
    events
}

/// Says it around the test's capture, so that it is seen although the test passes.
fn skipped(why: &str) {
    writeln!(io::stderr(), "SKIPPED: {why}").expect("standard error");
}

/// The process that is traced, killed or given faults. Without orders it does nothing.
#[test]
#[ignore = "started by the tests of this program, with orders on its standard input"]
fn child() {
    child::obey();
}
