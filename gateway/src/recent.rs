//! What was used lately, within a bound: two generations, of which the older goes as a whole when
//! the newer one is full. What is asked for again stays.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps values by their keys, twice the bound for a moment.
#[derive(Debug)]
pub struct Recent<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
    weight: usize,
    most: usize,
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// Holds values that together weigh so much; what a weight is, its user says.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { new: HashMap::new(), old: HashMap::new(), weight: 0, most }
    }

    /// The value of a key, which counts as used now. It weighs what `weight` says.
    pub fn find(&mut self, key: K, weight: impl FnOnce(&V) -> usize) -> Option<V> {
        if let Some(found) = self.new.get(&key) {
            return Some(found.clone());
        }
        let found = self.old.remove(&key)?;
        let weight = weight(&found);
        self.keep(key, found.clone(), weight);
        Some(found)
    }

    /// The value of a key, which is not kept any more.
    pub fn take(&mut self, key: &K) -> Option<V> {
        self.new.remove(key).or_else(|| self.old.remove(key))
    }

    /// Keeps a value, in place of what the key had.
    pub fn keep(&mut self, key: K, value: V, weight: usize) {
        self.weight += weight;
        if self.weight > self.most {
            self.old = std::mem::take(&mut self.new);
            self.weight = weight;
        }
        self.new.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes_in_time() {
        let mut recent = Recent::new(2);
        for key in ["a", "b", "c"] {
            recent.keep(key, key, 1);
        }
        assert_eq!(recent.find("a", |_| 1), Some("a"));
        recent.keep("d", "d", 1);
        assert_eq!(recent.find("b", |_| 1), None);
        assert_eq!(recent.find("a", |_| 1), Some("a"));
        assert!(recent.new.len() + recent.old.len() <= 4);
        assert_eq!((recent.take(&"a"), recent.take(&"a"), recent.find("a", |_| 1)), (Some("a"), None, None));
    }
}
