//! Whether one chunk comes first for a query, without ranking all others. Given a section and its own
//! first words: whether it is among the first fifty, by the few chunks that could come before it.

use std::collections::{BTreeSet, HashMap};
use std::mem;

use super::{Engine, Index, beginning};

/// Whether chunks of an index are found, asked many times: [`Index::search`] looks at each chunk that has
/// any word of the query, which is nearly every one.
pub struct Finder<'a> {
    engine: Option<&'a Engine>,
    /// The chunks that have a word, each with what the word counts for there.
    having: HashMap<u32, Vec<(u32, f32)>>,
    /// What words count for together, by chunk; zero between two questions.
    sums: Vec<f32>,
}

/// A word of a query.
struct Word {
    index: u32,
    /// What it counts for by how rare it is and how often it is asked for.
    weight: f32,
    /// The most that it and those behind it can count for in any chunk.
    most: f32,
}

impl<'a> Finder<'a> {
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "there is no room for so many chunks")]
    pub fn new(index: &'a Index) -> Self {
        let engine = index.body.engine.as_ref();
        let mut having: HashMap<u32, Vec<(u32, f32)>> = HashMap::new();
        for (id, words) in engine.iter().flat_map(|engine| engine.words.iter().enumerate()) {
            for (word, value) in words {
                having.entry(*word).or_default().push((id as u32, *value));
            }
        }
        Self { engine, having, sums: vec![0.0; index.chunks().len()] }
    }

    /// The score of the chunk with this number for a query, if it is among so many that come first.
    #[must_use]
    pub fn find(&mut self, id: u32, query: &str, among: usize) -> Option<f32> {
        let engine = self.engine?;
        let words = self.words(engine, query);
        let rank = |id: u32| -> f32 {
            let own = engine.words.get(id as usize);
            let counts = |word: &Word| Some(own?.get(&word.index)? * word.weight);
            words.iter().filter_map(counts).sum()
        };
        let own = rank(id);
        if own <= 0.0 {
            return None;
        }
        // Who has none but the last words, which are common, cannot come before it.
        let few = words.iter().position(|word| word.most <= own).unwrap_or(words.len());
        let left = words.get(few).map_or(0.0, |word| word.most);
        let mut touched = Vec::new();
        for word in &words[..few] {
            for (other, value) in self.having.get(&word.index).into_iter().flatten() {
                let sum = &mut self.sums[*other as usize];
                if *sum == 0.0 {
                    touched.push(*other);
                }
                *sum += value * word.weight;
            }
        }
        let mut before = 0;
        for other in touched {
            let sum = mem::take(&mut self.sums[other as usize]);
            before += usize::from(before < among && sum + left > own && rank(other) > own);
        }
        let asked: BTreeSet<u32> = words.iter().map(|word| word.index).collect();
        (before < among).then(|| engine.score(id, &asked))
    }

    /// The words of a query, the rarest first.
    #[expect(clippy::cast_precision_loss, reason = "they are counts")]
    fn words(&self, engine: &Engine, query: &str) -> Vec<Word> {
        let mut times: HashMap<u32, f32> = HashMap::new();
        for word in engine.embedder.embed(beginning(query)).indices() {
            *times.entry(*word).or_default() += 1.0;
        }
        let mut words: Vec<Word> = times
            .into_iter()
            .map(|(index, times)| {
                let having = self.having.get(&index).map_or(&[][..], Vec::as_slice);
                let count = having.len() as f32;
                // As BM25 has it.
                let rare = (1.0 + (self.sums.len() as f32 - count + 0.5) / (count + 0.5)).ln();
                let weight = rare * times;
                Word { index, weight, most: having.iter().map(|(_, value)| value * weight).fold(0.0, f32::max) }
            })
            .collect();
        words.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.index.cmp(&b.index)));
        let mut most = 0.0;
        for word in words.iter_mut().rev() {
            most += word.most;
            word.most = most;
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::chunk::Chunk;

    /// Chunks of words that some, many or nearly all have.
    fn index(count: usize) -> Index {
        let word = |number: usize| format!("w{}", number % 97);
        let chunk = |at: usize| {
            let words: Vec<String> =
                (0..6 + at % 5).map(|n| word(at * (n + 3) + n * n)).chain([format!("c{}", at % 3)]).collect();
            Chunk { page: format!("{at:03}"), headings: vec![word(at)], text: words.join(" ") }
        };
        Index::new((0..count).map(chunk).collect())
    }

    #[test]
    fn what_is_found_is_what_a_search_finds() {
        let index = index(150);
        let mut finder = Finder::new(&index);
        let mut seen = [0; 2];
        for (id, chunk) in (0..).zip(index.chunks()) {
            let words: Vec<&str> = chunk.text.split(' ').collect();
            for query in [words.join(" "), words[..2].join(" "), format!("{} c1 c1 nowhere", words[0]), String::new()] {
                let all = index.search(&query, 150);
                let own = all.iter().find(|hit| hit.chunk == chunk);
                for among in [1, 5, 50] {
                    let before = own.map(|own| all.iter().filter(|hit| hit.rank > own.rank + 1e-4).count());
                    let alike =
                        own.map_or(0, |own| all.iter().filter(|hit| (hit.rank - own.rank).abs() <= 1e-4).count());
                    // Of those that rank alike, a search has them all or some.
                    let found = finder.find(id, &query, among);
                    match before.filter(|before| *before < among) {
                        None => assert_eq!(found, None, "{id} {query} {among}"),
                        Some(before) if found.is_none() => assert!(before + alike > among, "{id} {query} {among}"),
                        Some(_) => assert_eq!(found, own.map(|own| own.score), "{id} {query} {among}"),
                    }
                    seen[usize::from(found.is_some())] += 1;
                }
            }
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert_eq!(Finder::new(&Index::new(Vec::new())).find(0, "anything", 5), None);
    }
}
