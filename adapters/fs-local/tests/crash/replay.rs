//! Opens the store on everything that a crash may leave, at every moment of a history.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use fs_local::Local;
use futures_util::TryStreamExt;
use persistent_fs::{Files, Prefix, RESERVED, WriteOptions};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::{
    ROOT,
    disk::{Disk, Tree},
    scratch,
    script::{Expected, Progress, Value, key},
    trace::Event,
};

/// What happened to a store, from a state that was on the disk.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) start: Disk,
    pub(crate) events: Vec<Event>,
    pub(crate) expected: Expected,
}

/// A place to open crashed stores in. It remembers which it has seen.
pub(crate) struct Bench {
    folder: TempDir,
    runtime: Runtime,
    seen: HashSet<(Tree, BTreeMap<String, BTreeSet<Value>>)>,
}

impl History {
    /// The places in this history where a sync begins.
    pub(crate) fn syncs(&self) -> Vec<usize> {
        (0..self.events.len()).filter(|at| matches!(self.events[*at], Event::SyncBegins(..))).collect()
    }

    /// The same as if this sync had been forgotten.
    pub(crate) fn without(&self, sync: usize) -> Self {
        let mut broken = self.clone();
        broken.events.remove(sync);
        broken
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = scratch();
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        Self { folder, runtime, seen: HashSet::new() }
    }

    /// Crashes at every moment in every way, and says how many states that were, or what was wrong with one.
    pub(crate) fn replay(&mut self, history: &History) -> Result<usize, String> {
        let (mut disk, mut progress) = (history.start.clone(), BTreeMap::new());
        let mut states = 0;
        for (at, event) in [None].into_iter().chain(history.events.iter().map(Some)).enumerate() {
            if let Some(event) = event {
                disk.apply(event);
                note(&mut progress, event);
            }
            let allowed = history.expected.allowed(&progress);
            for tree in disk.after_a_crash() {
                if self.seen.insert((tree.clone(), allowed.clone())) {
                    states += 1;
                    let judged = self.judge(&tree, &allowed);
                    judged.map_err(|wrong| {
                        format!("{wrong}\nafter {at} events, the last {event:?}\nin {tree:#?}")
                    })?;
                }
            }
        }
        Ok(states)
    }

    fn judge(&self, tree: &Tree, allowed: &BTreeMap<String, BTreeSet<Value>>) -> Result<(), String> {
        let folder = self.folder.path().join("crashed");
        tree.write(&folder);
        let judged = self.runtime.block_on(judge(&folder.join(ROOT), allowed));
        fs::remove_dir_all(&folder).expect("removed");
        judged
    }
}

pub(crate) fn note(progress: &mut BTreeMap<usize, Progress>, event: &Event) {
    let Event::Said(said) = event else { return };
    let mut words = said.split_whitespace();
    let (what, step) = (words.next().unwrap_or_default(), words.next().and_then(|step| step.parse().ok()));
    let refused = said.ends_with("NotApplied");
    let what = match what {
        "begin" => Progress::Begun,
        "done" => Progress::Done,
        "failed" if refused => Progress::Refused,
        _ => return,
    };
    progress.insert(step.expect("a step"), what);
}

/// Every key has one of its allowed values, in full, and nothing else is there; a sweep leaves only that behind; and
/// the store goes on working.
async fn judge(root: &Path, allowed: &BTreeMap<String, BTreeSet<Value>>) -> Result<(), String> {
    let files = Files::new(Local::open(root).map_err(|error| format!("not opened: {error:?}"))?);
    let found = objects(&files).await?;
    for (name, values) in allowed {
        let value = found.get(name).cloned();
        if !values.contains(&value) {
            return Err(format!("{name} is {value:?}, and should be one of {values:?}"));
        }
    }
    if let Some(stranger) = found.keys().find(|name| !allowed.contains_key(*name)) {
        return Err(format!("{stranger} is listed"));
    }
    swept(&files, root).await?;
    for name in allowed.keys() {
        let written = files.put(&key(name), "again".into(), WriteOptions::default().atomic()).await;
        written.map_err(|error| format!("{name} cannot be written any more: {error:?}"))?;
    }
    Ok(())
}

/// A sweep leaves the objects and nothing else.
pub(crate) async fn swept(files: &Files, root: &Path) -> Result<(), String> {
    let found = objects(files).await?;
    files.sweep(Duration::ZERO).await.map_err(|error| format!("not swept: {error:?}"))?;
    if objects(files).await? != found {
        return Err("the sweep took an object".into());
    }
    let reserved = Path::new(RESERVED);
    let mut left = Tree::of(root).files();
    left.retain(|path| *path != reserved.join("lock"));
    if left.iter().collect::<BTreeSet<_>>()
        != found.keys().map(PathBuf::from).collect::<Vec<_>>().iter().collect()
    {
        return Err(format!("the sweep has left {left:?}"));
    }
    Ok(())
}

pub(crate) async fn objects(files: &Files) -> Result<BTreeMap<String, String>, String> {
    let listed = files.list(&Prefix::all(), None).map_ok(|meta| meta.key).try_collect::<Vec<_>>().await;
    let mut objects = BTreeMap::new();
    for key in listed.map_err(|error| format!("not listed: {error:?}"))? {
        let body = files.read_all(&key, 1 << 20).await.map_err(|error| format!("not read: {error:?}"))?;
        objects.insert(key.to_string(), String::from_utf8_lossy(&body).into_owned());
    }
    Ok(objects)
}
