//! A process that is killed while it works, again and again on one store: what it was told is done is there.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write as _},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use fs_local::Local;
use persistent_fs::Files;

use crate::{
    ROOT, child, prepared,
    replay::{note, objects, swept},
    script::{self, Expected},
    trace::Event,
};

/// How often a process is killed, unless `CRASH_ROUNDS` says otherwise.
const ROUNDS: u64 = 100;

/// More than a process gets done before it is killed.
const STEPS: u64 = 200;

/// Where each number comes from the one before. `CRASH_SEED` repeats a run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// A step on one of a few keys, so that they meet each other.
    fn step(&mut self, value: &str) -> String {
        let (key, other) = (self.below(6), self.below(6));
        match self.below(8) {
            0 => format!("delete a/{key}"),
            1 => format!("create a/{key} {value}"),
            2 => format!("upload b/{key} {value}"),
            3 => "clear b/".to_owned(),
            4 => format!("put a/{key} {value} & put b/{other} {value}"),
            _ => format!("put a/{key} {value}"),
        }
    }
}

#[test]
fn what_a_killed_process_was_told_is_done_is_there() {
    let seed = number_from("CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("CRASH_SEED={seed}");
    let mut numbers = Numbers(seed);
    let folder = prepared(&[("stays", "body")]);
    let root = folder.path().join(ROOT);
    let files = Files::new(Local::open(&root).expect("a store"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut found = BTreeMap::from([("stays".to_owned(), "body".to_owned())]);
    for round in 0..number_from("CRASH_ROUNDS").unwrap_or(ROUNDS) {
        let lines = (0..STEPS).map(|step| numbers.step(&format!("value-{round}-{step}"))).collect::<Vec<_>>();
        let lines = lines.iter().map(String::as_str).collect::<Vec<_>>();
        let said = killed(&child::orders(folder.path(), &lines, 0), &mut numbers);
        let mut progress = BTreeMap::new();
        for line in said {
            note(&mut progress, &Event::Said(line));
        }
        let before = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>();
        let allowed = Expected::of(&before, &script::parse(&lines, 0)).allowed(&progress);
        let context = format!("in round {round} with CRASH_SEED={seed}");
        found = runtime.block_on(objects(&files)).unwrap_or_else(|wrong| panic!("{wrong} {context}"));
        for (key, values) in &allowed {
            let value = found.get(key).cloned();
            assert!(values.contains(&value), "{key} is {value:?} and should be one of {values:?} {context}");
        }
        assert!(found.keys().all(|key| allowed.contains_key(key)), "{found:?} {context}");
        runtime.block_on(swept(&files, &root)).unwrap_or_else(|wrong| panic!("{wrong} {context}"));
    }
}

/// What a child said before it was killed, which happens some time after it has said some things.
fn killed(orders: &str, numbers: &mut Numbers) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(orders.as_bytes()).expect("heard");
    let mut lines =
        BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    assert!(lines.any(|line| line == child::READY), "the child ended before it was ready");
    input.write_all(b"go\n").expect("heard");
    let enough = usize::try_from(numbers.below(80)).expect("small");
    let mut said = lines.by_ref().filter(|line| !line.is_empty()).take(enough).collect::<Vec<_>>();
    // No event marks the middle of a system call. Any moment will do, and none is wrong.
    thread::sleep(Duration::from_micros(numbers.below(1000)));
    child.kill().expect("killed");
    child.wait().expect("ended");
    said.extend(lines);
    said
}

fn number_from(variable: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is a program of its own, and this is how it is told"
    )]
    let told = std::env::var(variable).ok()?;
    Some(told.parse().expect("a number"))
}
