//! Counting names in bounded memory.

use std::collections::BTreeMap;

/// How often each name was seen.
///
/// Names come from logs, so there may be any number of them: past [`Counts::CAPACITY`] distinct
/// names a new one is no longer told apart, only counted with the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    names: BTreeMap<String, u64>,
    others: u64,
}

/// A name and how often it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The name.
    pub name: &'a str,
    /// How often.
    pub count: u64,
}

impl Counts {
    /// Distinct names that are told apart.
    pub const CAPACITY: usize = 1 << 16;

    /// Counts a name.
    pub fn add(&mut self, name: &str) {
        if let Some(count) = self.names.get_mut(name) {
            *count += 1;
        } else if self.names.len() < Counts::CAPACITY {
            self.names.insert(name.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    /// Distinct names that were told apart.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How often names were seen that came when there were too many already.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// The names seen most, the most frequent first, at most `limit`; equals by name.
    pub fn top(&self, limit: usize) -> Vec<Seen<'_>> {
        let mut all: Vec<Seen<'_>> =
            self.names.iter().map(|(name, count)| Seen { name, count: *count }).collect();
        all.sort_by_key(|seen| (std::cmp::Reverse(seen.count), seen.name));
        all.truncate(limit);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first() {
        let mut counts = Counts::default();
        ["b", "a", "c", "c"].into_iter().for_each(|name| counts.add(name));
        let top: Vec<_> = counts.top(2).into_iter().map(|seen| (seen.name, seen.count)).collect();
        assert_eq!(top, [("c", 2), ("a", 1)]);
        assert_eq!(counts.len(), 3);
    }

    #[test]
    fn memory_is_bounded() {
        let mut counts = Counts::default();
        (0..Counts::CAPACITY + 10).for_each(|at| counts.add(&at.to_string()));
        counts.add("0");
        assert_eq!((counts.len(), counts.others()), (Counts::CAPACITY, 10));
        assert_eq!(counts.top(1)[0], Seen { name: "0", count: 2 });
    }
}
