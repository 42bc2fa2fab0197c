//! A file system that remembers what is not on the disk yet, and what a crash may make of it.
//!
//! It promises as little as a file system may. Every name of every directory is on its own: until the directory is
//! synced, it may have any of the values that it had since the last sync, whatever became of the other names, so also
//! of one rename the half that adds and the half that removes. Every body may be lost, cut, full of zeros or whole
//! until it is synced, and a sync of a body says nothing about its name.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Component, Path, PathBuf},
};

use crate::trace::Event;

/// What lies on a disk after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Tree {
    File(Vec<u8>),
    Directory(BTreeMap<String, Tree>),
}

type Inode = usize;

#[derive(Debug, Clone)]
pub(crate) struct Disk {
    inodes: Vec<Node>,
    /// The syncs under way, and which version of the body, or of each name, they see onto the disk.
    syncs: HashMap<usize, (Inode, BTreeMap<String, usize>)>,
}

#[derive(Debug, Clone)]
enum Node {
    File(Versions<Vec<u8>>),
    Directory(BTreeMap<String, Versions<Option<Inode>>>),
}

/// Everything that a body or a name has been since the last sync.
#[derive(Debug, Clone)]
struct Versions<T> {
    /// How many older ones a crash cannot bring back.
    forgotten: usize,
    /// The first is on the disk, the last is what programs see, and a crash may leave any.
    possible: Vec<T>,
}

impl<T> Versions<T> {
    fn new(first: T) -> Self {
        Self { forgotten: 0, possible: vec![first] }
    }

    fn latest(&self) -> &T {
        self.possible.last().expect("there is always one")
    }

    fn count(&self) -> usize {
        self.forgotten + self.possible.len()
    }

    /// The last of the first `covered` versions is on the disk, and those before it are not any more.
    fn keep(&mut self, covered: usize) {
        let gone = (covered - 1).saturating_sub(self.forgotten);
        self.possible.drain(..gone);
        self.forgotten += gone;
    }
}

const ROOT: Inode = 0;

impl Disk {
    /// What is in this folder, all of it on the disk.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut disk = Self { inodes: Vec::new(), syncs: HashMap::new() };
        disk.add(&Tree::of(folder));
        disk
    }

    /// The same where nobody has synced a directory, so that a crash may take any name.
    pub(crate) fn with_unsynced(mut self) -> Self {
        for node in &mut self.inodes {
            if let Node::Directory(names) = node {
                for versions in names.values_mut() {
                    versions.possible.insert(0, None);
                }
            }
        }
        self
    }

    fn add(&mut self, tree: &Tree) -> Inode {
        let inode = self.inodes.len();
        match tree {
            Tree::File(body) => self.inodes.push(Node::File(Versions::new(body.clone()))),
            Tree::Directory(entries) => {
                self.inodes.push(Node::Directory(BTreeMap::new()));
                for (name, entry) in entries {
                    let entry = self.add(entry);
                    self.names(inode).insert(name.clone(), Versions::new(Some(entry)));
                }
            }
        }
        inode
    }

    /// What programs see now.
    pub(crate) fn live(&self) -> Tree {
        self.live_at(ROOT)
    }

    fn live_at(&self, inode: Inode) -> Tree {
        match &self.inodes[inode] {
            Node::File(versions) => Tree::File(versions.latest().clone()),
            Node::Directory(names) => {
                let there = names.iter().filter_map(|(name, values)| Some((name, (*values.latest())?)));
                Tree::Directory(there.map(|(name, inode)| (name.clone(), self.live_at(inode))).collect())
            }
        }
    }

    /// Everything that a crash may leave, each once.
    pub(crate) fn after_a_crash(&self) -> Vec<Tree> {
        self.crashed(ROOT, Path::new(""))
    }

    fn crashed(&self, inode: Inode, path: &Path) -> Vec<Tree> {
        let names = match &self.inodes[inode] {
            // Nobody looks into a staging file, so one is as good as another.
            Node::File(versions) if path.parent().is_some_and(|parent| parent.ends_with("staging")) => {
                return vec![Tree::File(versions.possible[0].clone())];
            }
            Node::File(versions) => return bodies(&versions.possible),
            Node::Directory(names) => names,
        };
        let mut states = vec![BTreeMap::new()];
        for (name, values) in names {
            let mut entries = Vec::new();
            for value in distinct(&values.possible) {
                match value {
                    None => entries.push(None),
                    Some(inode) => {
                        entries.extend(self.crashed(*inode, &path.join(name)).into_iter().map(Some));
                    }
                }
            }
            let with = |state: &BTreeMap<String, Tree>, entry: &Option<Tree>| {
                let mut state = state.clone();
                state.extend(entry.clone().map(|entry| (name.clone(), entry)));
                state
            };
            let entries = distinct(&entries);
            states = states.iter().flat_map(|state| entries.iter().map(|entry| with(state, entry))).collect();
        }
        states.into_iter().map(Tree::Directory).collect()
    }

    /// Does what the event says.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::MakeFile(path) => {
                if self.find(path).is_none() {
                    self.inodes.push(Node::File(Versions::new(Vec::new())));
                    self.set(path, Some(self.inodes.len() - 1));
                }
            }
            Event::MakeDirectory(path) => {
                self.inodes.push(Node::Directory(BTreeMap::new()));
                self.set(path, Some(self.inodes.len() - 1));
            }
            Event::Write(path, piece) => {
                let inode = self.find(path).expect("a file that is written to");
                let Node::File(versions) = &mut self.inodes[inode] else {
                    panic!("a directory is written to")
                };
                let written = [versions.latest().as_slice(), piece].concat();
                versions.possible.push(written);
            }
            Event::Rename(from, to) => {
                let moved = self.find(from).expect("a file that is renamed");
                self.set(from, None);
                self.set(to, Some(moved));
            }
            Event::Link(from, to) => self.set(to, self.find(from)),
            Event::Remove(path) => self.set(path, None),
            Event::SyncBegins(number, path) => {
                let Some(inode) = self.find(path) else { return };
                let covered = match &self.inodes[inode] {
                    Node::File(versions) => BTreeMap::from([(String::new(), versions.count())]),
                    Node::Directory(names) => {
                        names.iter().map(|(name, versions)| (name.clone(), versions.count())).collect()
                    }
                };
                self.syncs.insert(*number, (inode, covered));
            }
            Event::SyncEnds(number) => {
                let Some((inode, covered)) = self.syncs.remove(number) else { return };
                for (name, covered) in covered {
                    match &mut self.inodes[inode] {
                        Node::File(versions) => versions.keep(covered),
                        Node::Directory(names) => {
                            names.get_mut(&name).expect("never forgotten").keep(covered);
                        }
                    }
                }
            }
            Event::Said(_) => {}
        }
    }

    fn names(&mut self, inode: Inode) -> &mut BTreeMap<String, Versions<Option<Inode>>> {
        match &mut self.inodes[inode] {
            Node::Directory(names) => names,
            Node::File(_) => panic!("a file holds no names"),
        }
    }

    fn set(&mut self, path: &Path, value: Option<Inode>) {
        let parent = self.find(path.parent().expect("not the root")).expect("a directory");
        let name = path.file_name().expect("a name").to_str().expect("text").to_owned();
        self.names(parent).entry(name).or_insert_with(|| Versions::new(None)).possible.push(value);
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        path.components().try_fold(ROOT, |inode, component| match (&self.inodes[inode], component) {
            (Node::Directory(names), Component::Normal(name)) => *names.get(name.to_str()?)?.latest(),
            _ => None,
        })
    }
}

/// What may become of a body that has these versions, the first of which is on the disk.
fn bodies(versions: &[Vec<u8>]) -> Vec<Tree> {
    let mut bodies = versions.to_vec();
    for unsynced in &versions[1..] {
        let (half, zeros) = (unsynced.len() / 2, vec![0; unsynced.len()]);
        bodies.extend([
            unsynced[..half].to_vec(),
            [&unsynced[..half], &zeros[half..]].concat(),
            [&zeros[..half], &unsynced[half..]].concat(),
            zeros,
        ]);
    }
    distinct(&bodies).into_iter().cloned().map(Tree::File).collect()
}

fn distinct<T: PartialEq>(values: &[T]) -> Vec<&T> {
    values
        .iter()
        .enumerate()
        .filter(|(at, value)| !values[..*at].contains(value))
        .map(|(_, value)| value)
        .collect()
}

impl Tree {
    /// What is in this folder.
    pub(crate) fn of(path: &Path) -> Self {
        if path.is_file() {
            return Self::File(fs::read(path).expect("a file"));
        }
        let entries = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry"));
        let name = |entry: &fs::DirEntry| entry.file_name().into_string().expect("text");
        Self::Directory(entries.map(|entry| (name(&entry), Self::of(&entry.path()))).collect())
    }

    /// Makes it so.
    pub(crate) fn write(&self, path: &Path) {
        match self {
            Self::File(body) => fs::write(path, body).expect("written"),
            Self::Directory(entries) => {
                fs::create_dir_all(path).expect("made");
                for (name, entry) in entries {
                    entry.write(&path.join(name));
                }
            }
        }
    }

    /// The paths of all files in it.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let Self::Directory(entries) = self else { return Vec::new() };
        let below = |(name, entry): (&String, &Self)| match entry {
            Self::File(_) => vec![PathBuf::from(name)],
            Self::Directory(_) => entry.files().into_iter().map(|rest| Path::new(name).join(rest)).collect(),
        };
        entries.iter().flat_map(below).collect()
    }
}
