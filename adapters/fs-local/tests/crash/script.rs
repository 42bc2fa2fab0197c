//! What a traced process is to do, and what may be seen after it.
//!
//! A script is a few lines such as `put a/b one`. It is written down by the test, done by the child, and judged by the
//! test again. Steps in one line, divided by `&`, are done at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use futures_util::future::join_all;
use persistent_fs::{Files, Key, Prefix, Result, WriteOptions};

/// Content of an object, or its absence.
pub(crate) type Value = Option<String>;

/// One step of a script, with its place among all steps.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) number: usize,
    verb: String,
    name: String,
    argument: String,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Begun,
    Done,
    /// It says that nothing was applied.
    Refused,
}

/// The lines of a script, each a group of steps.
pub(crate) fn parse(script: &[&str], first: usize) -> Vec<Vec<Step>> {
    let mut number = first;
    let mut step = |text: &str| {
        let mut words = text.split_whitespace().map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        let step = Step { number, verb: next(), name: next(), argument: next() };
        number += 1;
        step
    };
    script.iter().map(|line| line.split(" & ").map(&mut step).collect()).collect()
}

/// Makes the files that the script ingests.
pub(crate) fn prepare(folder: &Path, script: &[Vec<Step>]) {
    for step in script.iter().flatten().filter(|step| step.verb == "ingest") {
        fs::write(step.outside(folder), &step.argument).expect("written");
    }
}

/// Does the script in this store, telling each step's progress as it happens.
pub(crate) async fn act(files: &Files, folder: &Path, script: &[Vec<Step>], tell: impl Fn(&str)) {
    let tell = &tell;
    for group in script {
        join_all(group.iter().map(async |step| {
            tell(&format!("begin {}", step.number));
            match step.act(files, &step.outside(folder)).await {
                Ok(()) => tell(&format!("done {}", step.number)),
                Err(error) => {
                    tell(&format!("failed {} {:?} {:?}", step.number, error.kind(), error.outcome()));
                }
            }
        }))
        .await;
    }
}

impl Step {
    fn outside(&self, folder: &Path) -> PathBuf {
        folder.join(format!("outside-{}", self.number))
    }

    async fn act(&self, files: &Files, outside: &Path) -> Result<()> {
        let body = || self.argument.clone().into();
        let replace = WriteOptions::default;
        match self.verb.as_str() {
            "put" => files.put(&key(&self.name), body(), replace()).await.map(drop),
            "create" => files.put(&key(&self.name), body(), WriteOptions::create()).await.map(drop),
            "swap" => {
                let etag = files.head(&key(&self.name)).await?.etag.expect("declared");
                files.put(&key(&self.name), body(), WriteOptions::matching(etag)).await.map(drop)
            }
            "upload" => {
                let mut upload = files.writer(&key(&self.name), replace()).await?;
                upload.write(body()).await?;
                upload.finish().await.map(drop)
            }
            "ingest" => files.ingest(&key(&self.name), outside, replace()).await.map(drop),
            "copy" => files.copy(&key(&self.name), &key(&self.argument), replace()).await.map(drop),
            "delete" => files.delete(&key(&self.name)).await,
            "clear" => {
                let prefix = Prefix::parse(&self.name).expect("a prefix");
                files.delete_prefix(&prefix).await.map(drop)
            }
            "head" => files.head(&key(&self.name)).await.map(drop),
            "read" => files.read_all(&key(&self.name), 100).await.map(drop),
            "list" => {
                use futures_util::TryStreamExt;
                files.list(&Prefix::all(), None).try_collect::<Vec<_>>().await.map(drop)
            }
            other => panic!("no such step: {other}"),
        }
    }

    /// What the step makes of each key, given what was there before.
    fn effects(&self, before: &BTreeMap<String, Value>) -> Vec<(String, Value)> {
        match self.verb.as_str() {
            "delete" => vec![(self.name.clone(), None)],
            "clear" => {
                let affected = before.keys().filter(|key| key.starts_with(&self.name));
                affected.map(|key| (key.clone(), None)).collect()
            }
            "copy" => vec![(self.argument.clone(), before[&self.name].clone())],
            _ => vec![(self.name.clone(), Some(self.argument.clone()))],
        }
    }
}

/// Which values each key may have, for every progress of a script.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Step, key and value, in the order of the script.
    effects: Vec<(usize, String, Value)>,
    groups: BTreeMap<usize, usize>,
    before: BTreeMap<String, BTreeSet<Value>>,
}

impl Expected {
    /// After this script, in a store with these objects.
    pub(crate) fn of(before: &[(&str, &str)], script: &[Vec<Step>]) -> Self {
        let mut values = before
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
            .collect::<BTreeMap<_, _>>();
        let initial = values.iter().map(|(key, value)| (key.clone(), BTreeSet::from([value.clone()])));
        let (mut effects, mut groups, before) = (Vec::new(), BTreeMap::new(), initial.collect());
        for (group, step) in
            script.iter().enumerate().flat_map(|(n, group)| group.iter().map(move |step| (n, step)))
        {
            groups.insert(step.number, group);
            for (key, value) in step.effects(&values) {
                values.insert(key.clone(), value.clone());
                effects.push((step.number, key, value));
            }
        }
        Self { effects, groups, before }
    }

    /// The same if what was there before was itself not synced.
    pub(crate) fn with_unsynced(mut self) -> Self {
        self.before.values_mut().for_each(|values| {
            values.insert(None);
        });
        self
    }

    /// What may be there after a crash: what the last step that is done has left, or what one that was under way made.
    pub(crate) fn allowed(&self, progress: &BTreeMap<usize, Progress>) -> BTreeMap<String, BTreeSet<Value>> {
        let mut allowed = BTreeMap::new();
        for key in self.before.keys().chain(self.effects.iter().map(|(_, key, _)| key)) {
            let on_key = || self.effects.iter().filter(move |(_, other, _)| other == key);
            let is = |step: &usize, what| progress.get(step) == Some(&what);
            let last_done = on_key()
                .filter(|(step, ..)| is(step, Progress::Done))
                .map(|(step, ..)| self.groups[step])
                .max();
            let initial = || self.before.get(key).cloned().unwrap_or_else(|| BTreeSet::from([None]));
            let stands = if last_done.is_none() { initial() } else { BTreeSet::new() };
            let made = on_key()
                .filter(|(step, ..)| is(step, Progress::Begun) || is(step, Progress::Done))
                .filter(|(step, ..)| last_done.is_none_or(|last| self.groups[step] >= last))
                .map(|(_, _, value)| value.clone());
            allowed.insert(key.clone(), stands.into_iter().chain(made).collect());
        }
        allowed
    }
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}
