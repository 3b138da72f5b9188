//! A map that keeps its newest entries.

use std::collections::{BTreeMap, HashMap};

#[derive(Debug)]
pub(super) struct Newest<V> {
    /// With when each was put.
    entries: HashMap<u64, (u64, V)>,
    /// The keys, by when they were put.
    ages: BTreeMap<u64, u64>,
    puts: u64,
    limit: usize,
}

impl<V: Copy> Newest<V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), ages: BTreeMap::new(), puts: 0, limit }
    }

    pub(super) fn get(&self, key: u64) -> Option<V> {
        self.entries.get(&key).map(|(_, value)| *value)
    }

    pub(super) fn has(&self, key: u64) -> bool {
        self.entries.contains_key(&key)
    }

    /// Puts an entry, which is the newest now also when it was there before.
    pub(super) fn put(&mut self, key: u64, value: V) {
        self.puts += 1;
        if let Some((age, _)) = self.entries.insert(key, (self.puts, value)) {
            self.ages.remove(&age);
        }
        self.ages.insert(self.puts, key);
        while self.ages.len() > self.limit {
            let Some((_, oldest)) = self.ages.pop_first() else { return };
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Newest;

    #[test]
    fn the_oldest_go_and_what_is_put_again_is_new() {
        let mut newest = Newest::new(2);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            newest.put(key, value);
        }
        assert_eq!([1, 2, 3].map(|key| newest.get(key)), [Some('c'), None, Some('d')]);
        assert_eq!((newest.entries.len(), newest.ages.len()), (2, 2));
        assert!(newest.has(1) && !newest.has(2));
    }
}
