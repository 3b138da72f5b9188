//! Findings that say the same. Given "No page on Django." and "A page about Django was missing.": one
//! group of two.
//!
//! The first finding of a group leads it, and others join the group whose leader they are most like:
//! the same findings in the same order are always the same groups.

use std::collections::{BTreeMap, HashMap};

use bm25::Tokenizer;

use crate::policy::interrogation::Kind;
use crate::retrieval::search::Words;

/// From this likeness on two findings say the same, in percent of the words that both have (the
/// Sørensen–Dice coefficient).
const ALIKE: usize = 50;
/// The same where they speak of the same tool, document or step.
const ALIKE_OF_ONE: usize = 25;

/// A finding, as it is compared.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub kind: Kind,
    pub tool: Option<&'a str>,
    pub document: Option<&'a str>,
    pub step: Option<&'a str>,
    pub text: &'a str,
}

struct Leader<'a> {
    item: Item<'a>,
    /// How many different words it has.
    words: usize,
    members: Vec<usize>,
}

/// The groups, each a list of places in `items`, in the order in which they began.
#[must_use]
pub fn group(items: &[Item<'_>]) -> Vec<Vec<usize>> {
    let mut book = Book::default();
    let mut leaders: Vec<Leader<'_>> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let words = book.words(item.text);
        let mut best: Option<(usize, usize)> = None;
        for (number, both) in book.shared(&words) {
            let leader = &leaders[number];
            let needed = if is_of_one(item, &leader.item) { ALIKE_OF_ONE } else { ALIKE };
            let alike = 200 * both / (words.len() + leader.words);
            if item.kind == leader.item.kind && alike >= needed && best.is_none_or(|(_, most)| alike > most) {
                best = Some((number, alike));
            }
        }
        match best {
            Some((number, _)) => leaders[number].members.push(at),
            None => {
                book.enter(leaders.len(), &words);
                leaders.push(Leader { item: *item, words: words.len(), members: vec![at] });
            }
        }
    }
    leaders.into_iter().map(|leader| leader.members).collect()
}

/// Which leaders have which words, so that a finding is compared with those alone that share some.
#[derive(Default)]
struct Book {
    stemmer: Words,
    numbers: HashMap<String, usize>,
    /// By a word's number: the leaders that have it.
    leaders: Vec<Vec<usize>>,
}

impl Book {
    /// The numbers of a text's words, each once. A text without words has one of its own.
    fn words(&mut self, text: &str) -> Vec<usize> {
        let mut words = self.stemmer.tokenize(text);
        if words.is_empty() {
            words.push(String::new());
        }
        let mut found = Vec::with_capacity(words.len());
        for word in words {
            let next = self.numbers.len();
            found.push(*self.numbers.entry(word).or_insert(next));
        }
        self.leaders.resize(self.numbers.len(), Vec::new());
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The leaders that share words with these, and how many.
    fn shared(&self, words: &[usize]) -> BTreeMap<usize, usize> {
        let mut shared = BTreeMap::new();
        for leader in words.iter().flat_map(|word| &self.leaders[*word]) {
            *shared.entry(*leader).or_insert(0) += 1;
        }
        shared
    }

    fn enter(&mut self, leader: usize, words: &[usize]) {
        words.iter().for_each(|word| self.leaders[*word].push(leader));
    }
}

/// Whether both speak of the same thing, and of none that differs.
fn is_of_one(a: &Item<'_>, b: &Item<'_>) -> bool {
    let pairs = [(a.tool, b.tool), (a.document, b.document), (a.step, b.step)];
    pairs.iter().any(|(a, b)| a.is_some() && a == b) && pairs.iter().all(|(a, b)| a.is_none() || b.is_none() || a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<'a>(kind: Kind, tool: Option<&'a str>, text: &'a str) -> Item<'a> {
        Item { kind, tool, document: None, step: None, text }
    }

    #[test]
    fn what_says_the_same_is_one_group() {
        let missing = |text| item(Kind::Missing, None, text);
        let items = [
            missing("There was no page about the Django middleware."),
            missing("A page on Django's middleware was missing; there was none."),
            missing("The rate limits of the API are nowhere written down."),
            item(Kind::Wrong, None, "There was no page about the Django middleware."),
            missing("No page explains the middleware for Django."),
        ];
        assert_eq!(group(&items), [vec![0, 1, 4], vec![2], vec![3]]);
    }

    #[test]
    fn less_is_needed_of_what_speaks_of_the_same_tool() {
        let refused = |tool, text| item(Kind::RefusedTool, Some(tool), text);
        let items = [
            refused("Bash", "I could not run npm install to add the package."),
            refused("Bash", "Installing the package with npm was not possible, so I edited package.json by hand."),
            refused("WebFetch", "Installing the package with npm was not possible, so I edited package.json by hand."),
        ];
        assert_eq!(group(&items), [vec![0, 1], vec![2]]);
        let untold = [Item { tool: None, ..items[0] }, Item { tool: None, ..items[1] }];
        assert_eq!(group(&untold).len(), 2);
    }

    #[test]
    fn nothing_is_no_group_and_the_same_is_always_the_same() {
        assert!(group(&[]).is_empty());
        let items = [item(Kind::Other, None, ""), item(Kind::Other, None, "")];
        assert_eq!(group(&items), [vec![0, 1]]);
        assert_eq!(group(&items), group(&items));
    }
}
