//! Names of values: every path through the records of a log, numbered.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::tokens::unescape;

/// A path through a record, `a.b.c`: lists are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathId(u32);

impl PathId {
    /// The record itself.
    pub(crate) const ROOT: PathId = PathId(0);

    pub(crate) const fn at(index: usize) -> PathId {
        PathId(index as u32)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Distinct paths remembered before whoever remembers them starts anew.
pub(crate) const MAX_PATHS: usize = 1 << 16;

/// All paths met so far.
///
/// Records of one log look alike, so the key that followed last time is tried before any hashing.
pub(crate) struct Paths {
    nodes: Vec<Node>,
    children: HashTable<PathId>,
    hasher: FixedState,
}

struct Node {
    parent: PathId,
    /// The key as it is written, escapes and all.
    key: Box<[u8]>,
    name: Arc<str>,
    /// The first key inside, last time.
    first: PathId,
    /// The key behind this one, last time.
    next: PathId,
}

impl Default for Paths {
    fn default() -> Self {
        let root = Node {
            parent: PathId::ROOT,
            key: Box::default(),
            name: Arc::from(""),
            first: PathId::ROOT,
            next: PathId::ROOT,
        };
        Paths {
            nodes: vec![root],
            children: HashTable::new(),
            hasher: FixedState::with_seed(rand_seed()),
        }
    }
}

/// A seed an attacker cannot know; it has no effect on any output.
pub(crate) fn rand_seed() -> u64 {
    std::collections::hash_map::RandomState::new().hash_one(0)
}

impl Paths {
    /// How many there are, the record itself included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The path with dots between its keys.
    pub(crate) fn name(&self, path: PathId) -> &Arc<str> {
        &self.nodes[path.index()].name
    }

    pub(crate) fn first_guess(&self, parent: PathId) -> Guess {
        Guess { path: self.nodes[parent.index()].first, after: None }
    }

    pub(crate) fn next_guess(&self, path: PathId) -> Guess {
        Guess { path: self.nodes[path.index()].next, after: Some(path) }
    }

    /// The path of `key` inside `parent`.
    pub(crate) fn child(&mut self, parent: PathId, key: &[u8], guess: Guess) -> PathId {
        let guessed = &self.nodes[guess.path.index()];
        if guessed.parent == parent && *guessed.key == *key && guess.path != PathId::ROOT {
            return guess.path;
        }
        let path = self.find_or_add(parent, key);
        match guess.after {
            Some(sibling) => self.nodes[sibling.index()].next = path,
            None => self.nodes[parent.index()].first = path,
        }
        path
    }

    fn find_or_add(&mut self, parent: PathId, key: &[u8]) -> PathId {
        let hash = self.hasher.hash_one((parent.0, key));
        let nodes = &self.nodes;
        let same = |path: &PathId| {
            let node = &nodes[path.index()];
            node.parent == parent && *node.key == *key
        };
        if let Some(path) = self.children.find(hash, same) {
            return *path;
        }
        let path = PathId(self.nodes.len() as u32);
        let outer = &self.nodes[parent.index()].name;
        let inner = unescape(key);
        let name = if parent == PathId::ROOT {
            Arc::from(inner.as_ref())
        } else {
            Arc::from(format!("{outer}.{inner}"))
        };
        self.nodes.push(Node {
            parent,
            key: key.into(),
            name,
            first: PathId::ROOT,
            next: PathId::ROOT,
        });
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.children.insert_unique(hash, path, |path| {
            let node = &nodes[path.index()];
            hasher.hash_one((node.parent.0, &*node.key))
        });
        path
    }
}

/// The key expected next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guess {
    path: PathId,
    after: Option<PathId>,
}
