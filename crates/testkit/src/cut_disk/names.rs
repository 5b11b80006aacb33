//! Names and rights: the part of a file system that is journalled.

use std::collections::{BTreeMap, BTreeSet};

/// The number of the topmost folder, as FUSE has it.
pub(super) const ROOT: u64 = 1;

/// A place in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) folder: u64,
    pub(crate) name: String,
}

/// A change of names or rights. Only ones that are possible are recorded.
#[derive(Debug, Clone)]
pub(crate) enum NameChange {
    MakeFile {
        at: Entry,
        node: u64,
        mode: u32,
    },
    MakeFolder {
        at: Entry,
        node: u64,
        mode: u32,
    },
    /// Also of an empty folder.
    Remove {
        at: Entry,
    },
    /// What was at `to` is gone.
    Move {
        from: Entry,
        to: Entry,
    },
    Exchange {
        one: Entry,
        other: Entry,
    },
    Mode {
        node: u64,
        mode: u32,
    },
    /// The attribute `S` of chattr(1).
    WriteThrough {
        node: u64,
        is_on: bool,
    },
}

/// All folders and the rights of all nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    folders: BTreeMap<u64, BTreeMap<String, u64>>,
    modes: BTreeMap<u64, u32>,
    /// Nodes to which every change is durable before it is answered.
    write_through: BTreeSet<u64>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            folders: BTreeMap::from([(ROOT, BTreeMap::new())]),
            modes: BTreeMap::from([(ROOT, 0o700)]),
            write_through: BTreeSet::new(),
        }
    }

    pub(super) fn folder(&self, node: u64) -> Option<&BTreeMap<String, u64>> {
        self.folders.get(&node)
    }

    pub(super) fn mode(&self, node: u64) -> u32 {
        self.modes.get(&node).copied().unwrap_or_default()
    }

    pub(super) fn is_write_through(&self, node: u64) -> bool {
        self.write_through.contains(&node)
    }

    pub(super) fn find(&self, at: &Entry) -> Option<u64> {
        self.folders.get(&at.folder)?.get(&at.name).copied()
    }

    pub(super) fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::MakeFile { at, node, mode } => self.make(at, *node, *mode),
            NameChange::MakeFolder { at, node, mode } => {
                self.make(at, *node, *mode);
                self.folders.insert(*node, BTreeMap::new());
            }
            NameChange::Remove { at } => drop(self.put(at, None)),
            NameChange::Move { from, to } => {
                let node = self.put(from, None);
                self.put(to, node);
            }
            NameChange::Exchange { one, other } => {
                let (first, second) = (self.find(one), self.find(other));
                self.put(one, second);
                self.put(other, first);
            }
            NameChange::Mode { node, mode } => drop(self.modes.insert(*node, *mode)),
            NameChange::WriteThrough { node, is_on: true } => {
                self.write_through.insert(*node);
            }
            NameChange::WriteThrough { node, is_on: false } => {
                self.write_through.remove(node);
            }
        }
    }

    /// The nodes a change is about: what a sync of one of them has to commit. Asked before it is applied.
    pub(super) fn concerned(&self, change: &NameChange) -> Vec<u64> {
        match change {
            NameChange::MakeFile { at, node, .. } | NameChange::MakeFolder { at, node, .. } => {
                vec![at.folder, *node]
            }
            NameChange::Remove { at } => self.find(at).into_iter().chain([at.folder]).collect(),
            NameChange::Move {
                from: one,
                to: other,
            }
            | NameChange::Exchange { one, other } => {
                let nodes = [self.find(one), self.find(other)];
                let nodes = nodes.into_iter().flatten();
                nodes.chain([one.folder, other.folder]).collect()
            }
            NameChange::Mode { node, .. } | NameChange::WriteThrough { node, .. } => vec![*node],
        }
    }

    /// What is made in a folder takes its attribute over.
    fn make(&mut self, at: &Entry, node: u64, mode: u32) {
        self.put(at, Some(node));
        self.modes.insert(node, mode);
        if self.is_write_through(at.folder) {
            self.write_through.insert(node);
        }
    }

    fn put(&mut self, at: &Entry, node: Option<u64>) -> Option<u64> {
        let folder = self.folders.entry(at.folder).or_default();
        match node {
            Some(node) => folder.insert(at.name.clone(), node),
            None => folder.remove(&at.name),
        }
    }
}
