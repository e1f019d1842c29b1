//! Sorted lists of predicates, each kept once.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A list in [`Lists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ListId(u32);

impl ListId {
    pub(crate) const EMPTY: ListId = ListId(0);
}

/// All lists met so far. Equal lists have equal ids.
pub(crate) struct Lists {
    lists: Vec<Box<[u32]>>,
    ids: HashMap<Box<[u32]>, ListId, RandomState>,
}

impl Default for Lists {
    fn default() -> Self {
        Lists {
            lists: vec![Box::default()],
            ids: HashMap::from_iter([(Box::default(), ListId::EMPTY)]),
        }
    }
}

impl Lists {
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    pub(crate) fn get(&self, list: ListId) -> &[u32] {
        &self.lists[list.0 as usize]
    }

    /// The id of a list, which is sorted and made free of repetitions first.
    pub(crate) fn intern(&mut self, mut list: Vec<u32>) -> ListId {
        list.sort_unstable();
        list.dedup();
        if let Some(id) = self.ids.get(list.as_slice()) {
            return *id;
        }
        let id = ListId(self.lists.len() as u32);
        self.lists.push(list.as_slice().into());
        self.ids.insert(list.into(), id);
        id
    }
}
