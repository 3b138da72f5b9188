//! Findings that say the same. Given "No page on Django." and "A page about Django was missing.": one
//! group of two.
//!
//! The first finding of a group leads it, and others join the group whose leader they are most like:
//! the same findings in the same order are always the same groups.

use std::collections::BTreeSet;

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
    words: BTreeSet<String>,
    members: Vec<usize>,
}

/// The groups, each a list of places in `items`, in the order in which they began.
#[must_use]
pub fn group(items: &[Item<'_>]) -> Vec<Vec<usize>> {
    let stemmer = Words::default();
    let mut leaders: Vec<Leader<'_>> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let words: BTreeSet<String> = stemmer.tokenize(item.text).into_iter().collect();
        let mut best: Option<(usize, usize)> = None;
        for (number, leader) in leaders.iter().enumerate() {
            let needed = if is_of_one(item, &leader.item) { ALIKE_OF_ONE } else { ALIKE };
            let alike = likeness(&words, &leader.words);
            if item.kind == leader.item.kind && alike >= needed && best.is_none_or(|(_, most)| alike > most) {
                best = Some((number, alike));
            }
        }
        match best {
            Some((number, _)) => leaders[number].members.push(at),
            None => leaders.push(Leader { item: *item, words, members: vec![at] }),
        }
    }
    leaders.into_iter().map(|leader| leader.members).collect()
}

/// Whether both speak of the same thing, and of none that differs.
fn is_of_one(a: &Item<'_>, b: &Item<'_>) -> bool {
    let pairs = [(a.tool, b.tool), (a.document, b.document), (a.step, b.step)];
    pairs.iter().any(|(a, b)| a.is_some() && a == b) && pairs.iter().all(|(a, b)| a.is_none() || b.is_none() || a == b)
}

fn likeness(a: &BTreeSet<String>, b: &BTreeSet<String>) -> usize {
    let both = a.intersection(b).count();
    (200 * both).checked_div(a.len() + b.len()).unwrap_or(100)
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
