//! Ranks chunks against a task by BM25, over stemmed words and split identifiers.
//!
//! Splitting matters in documentation of code: a question says "capture an exception", the page
//! says `captureException`. Where it is known what chunks mean, a second ranking can be had by that,
//! and both as one: given two that words find alike, the one that is nearer by meaning.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ptr;
use std::sync::Arc;

use bm25::{Embedder, EmbedderBuilder, Tokenizer};
use rust_stemmers::{Algorithm, Stemmer};

use crate::retrieval::chunk::Chunk;
use crate::retrieval::meaning::{BadVector, Nearness, Vector, Vectors};
use crate::retrieval::page::Page;

/// Chunks that can be searched, and what is known of their pages. The first are built once for
/// each version of the documents; the second change whenever a page is found to be unchanged.
#[derive(Clone)]
pub struct Index {
    body: Arc<Body>,
    pages: BTreeMap<String, Page>,
    /// What the chunks mean, as far as that is known.
    vectors: Arc<Vectors>,
}

struct Body {
    chunks: Vec<Chunk>,
    engine: Option<Engine>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("chunks", &self.body.chunks.len()).finish_non_exhaustive()
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// A chunk that fits, and how well: the higher the better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit<'a> {
    pub chunk: &'a Chunk,
    pub page: Option<&'a Page>,
    /// By its words, beside the other chunks for the same query (BM25): it tells which come first, and
    /// nothing else, for it grows with the query. 0 where words were not looked for.
    pub rank: f32,
    /// How much of what is asked it says, by its words, whatever the length of the query.
    pub score: f32,
    /// How near it is to what is meant, up to 1. None where it was not ranked by that.
    pub similarity: Option<f32>,
}

impl Index {
    #[must_use]
    pub fn new(chunks: Vec<Chunk>) -> Self {
        let engine = (!chunks.is_empty()).then(|| Engine::new(&chunks));
        Self { body: Arc::new(Body { chunks, engine }), pages: BTreeMap::new(), vectors: Arc::default() }
    }

    /// The same passages, of pages of which this is known.
    #[must_use]
    pub fn with_pages(&self, pages: impl IntoIterator<Item = Page>) -> Self {
        let pages = pages.into_iter().map(|page| (page.name.clone(), page)).collect();
        Self { body: Arc::clone(&self.body), pages, vectors: Arc::clone(&self.vectors) }
    }

    /// The same passages, which mean this: by their numbers, in the order of [`Index::chunks`].
    #[must_use]
    pub fn with_vectors(&self, vectors: Vectors) -> Self {
        Self { vectors: Arc::new(vectors), ..self.clone() }
    }

    /// Of how many chunks it is known what they mean.
    #[must_use]
    pub fn meant(&self) -> usize {
        self.vectors.known()
    }

    /// What the chunks mean, as far as that is known: to be compared elsewhere.
    #[must_use]
    pub fn vectors(&self) -> Arc<Vectors> {
        Arc::clone(&self.vectors)
    }

    /// The page of each chunk, where it is known, and whether it is known what the chunk means.
    pub fn sections(&self) -> impl Iterator<Item = (Option<&Page>, bool)> {
        let chunks = self.body.chunks.iter().enumerate();
        chunks.map(|(at, chunk)| (self.pages.get(&chunk.page), self.vectors.is_known(at)))
    }

    /// How near the chunks are to what a query means.
    ///
    /// # Errors
    /// [`BadVector`] when the query is of another model.
    pub fn nearness(&self, query: &Vector) -> Result<Nearness, BadVector> {
        self.vectors.nearness(query)
    }

    /// The chunks that are nearest, of this very index, the nearest first.
    pub fn nearest<'a>(&'a self, nearness: &Nearness) -> impl Iterator<Item = Hit<'a>> {
        nearness.0.iter().filter_map(|(at, similarity)| {
            Some(Hit { similarity: Some(*similarity), ..self.hit(self.body.chunks.get(*at)?) })
        })
    }

    /// A chunk of this index that no words have found.
    #[must_use]
    pub fn hit<'a>(&'a self, chunk: &'a Chunk) -> Hit<'a> {
        Hit { chunk, page: self.pages.get(&chunk.page), rank: 0.0, score: 0.0, similarity: None }
    }

    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.body.chunks
    }

    #[must_use]
    pub fn pages(&self) -> &BTreeMap<String, Page> {
        &self.pages
    }

    /// The best chunks for a query, best first.
    #[must_use]
    pub fn search(&self, query: &str, limit: usize) -> Vec<Hit<'_>> {
        self.search_each(&[query], limit)
    }

    /// The best chunks for several queries together, best first, each with its score for the one that it
    /// answers best.
    #[must_use]
    pub fn search_each(&self, queries: &[&str], limit: usize) -> Vec<Hit<'_>> {
        let Some(engine) = &self.body.engine else { return Vec::new() };
        let chunks = &self.body.chunks;
        let ranks = engine.ranks(beginning(&queries.join("\n")));
        let scores: Vec<_> = queries.iter().map(|query| engine.scores(query)).collect();
        // Equal ranks come in the order of the documents, so that a choice can be repeated.
        let best_first = |a: &usize, b: &usize| -> Ordering {
            ranks[*b].total_cmp(&ranks[*a]).then_with(|| (&chunks[*a].page, a).cmp(&(&chunks[*b].page, b)))
        };
        let mut found: Vec<usize> = (0..chunks.len()).filter(|at| ranks[*at] > 0.0).collect();
        if found.len() > limit {
            found.select_nth_unstable_by(limit, best_first);
            found.truncate(limit);
        }
        found.sort_unstable_by(best_first);
        let score = |at: usize| scores.iter().map(|scores| scores[at]).fold(0.0, f32::max);
        found.into_iter().map(|at| Hit { rank: ranks[at], score: score(at), ..self.hit(&chunks[at]) }).collect()
    }

    /// How much chunks that a query found count for beside their rank, by what stands behind that
    /// query: a task behind what one of its steps looks up. It only tells which of them come first.
    pub fn leaning<'a>(&'a self, found: &[Hit<'a>], behind: &str) -> impl Fn(&Hit<'a>) -> f32 + use<'a> {
        let best = |hits: &[Hit<'_>]| hits.iter().map(|hit| hit.rank).fold(0.0, f32::max);
        let fit = if behind.trim().is_empty() { Vec::new() } else { self.search(behind, self.body.chunks.len()) };
        // Ranks have no fixed upper end, and grow with the length of what is asked.
        let scale = BEHIND * best(found) / best(&fit).max(f32::MIN_POSITIVE);
        let scores: HashMap<_, f32> = fit.iter().map(|hit| (ptr::from_ref(hit.chunk), hit.rank * scale)).collect();
        move |hit| scores.get(&ptr::from_ref(hit.chunk)).copied().unwrap_or(0.0)
    }
}

/// What ranks chunks by their words, and tells how much of a query each says.
struct Engine {
    embedder: Embedder<u32, Words>,
    /// By word: the chunks that say it, by their numbers, and what it counts for there (BM25: by how often,
    /// and among how many).
    said: HashMap<u32, Vec<(usize, f32)>>,
    chunks: usize,
    /// How many different words a chunk has, on average.
    typical: f32,
}

/// How the score of a chunk depends on the number of words that are asked for: a short query is said in
/// whole, of a long one nobody says as much. Measured: with 1, which is the share, long tasks get nothing,
/// and with 0.5 the longer a task of something else is, the more.
const LENGTH: f32 = 0.75;

impl Engine {
    #[expect(clippy::cast_precision_loss, reason = "they are counts of words")]
    fn new(chunks: &[Chunk]) -> Self {
        let whole: Vec<String> = chunks.iter().map(Chunk::whole).collect();
        let texts: Vec<&str> = whole.iter().map(String::as_str).collect();
        let embedder =
            EmbedderBuilder::<u32, Words>::with_tokenizer_and_fit_to_corpus(Words::default(), &texts).build();
        let mut said: HashMap<u32, Vec<(usize, f32)>> = HashMap::new();
        for (at, text) in texts.into_iter().enumerate() {
            let words: BTreeMap<u32, f32> = embedder.embed(text).iter().map(|word| (word.index, word.value)).collect();
            words.into_iter().for_each(|(word, counts)| said.entry(word).or_default().push((at, counts)));
        }
        let words: usize = said.values().map(Vec::len).sum();
        Self { embedder, said, chunks: chunks.len(), typical: words as f32 / chunks.len().max(1) as f32 }
    }

    /// What these words count for in each chunk, each multiplied.
    fn sums(&self, words: impl Iterator<Item = (u32, f32)>) -> Vec<f32> {
        let mut sums = vec![0.0; self.chunks];
        for (word, times) in words {
            for (at, counts) in self.said.get(&word).into_iter().flatten() {
                sums[*at] += times * counts;
            }
        }
        sums
    }

    /// How well each chunk fits a query (BM25): rare words count for more, and what is said twice for twice
    /// as much.
    #[expect(clippy::cast_precision_loss, reason = "they are counts of words")]
    fn ranks(&self, query: &str) -> Vec<f32> {
        let mut asked: BTreeMap<u32, f32> = BTreeMap::new();
        self.embedder.embed(query).indices().for_each(|word| *asked.entry(*word).or_default() += 1.0);
        self.sums(asked.into_iter().map(|(word, times)| {
            let (all, some) = (self.chunks as f32, self.said.get(&word).map_or(0, Vec::len) as f32);
            (word, times * (1.0 + (all - some + 0.5) / (some + 0.5)).ln())
        }))
    }

    /// How much of what is asked each chunk says. Rare words count for no more than others: in a few pages
    /// chance makes a word rare, and a word that is on every page tells best what they are about. No chunk
    /// says more words than it has, so that more are not asked for.
    #[expect(clippy::cast_precision_loss, reason = "they are counts of words")]
    fn scores(&self, query: &str) -> Vec<f32> {
        let asked: BTreeSet<u32> = self.embedder.embed(beginning(query)).indices().copied().collect();
        let length = (asked.len() as f32).min(self.typical).max(1.0).powf(LENGTH);
        let mut scores = self.sums(asked.into_iter().map(|word| (word, 1.0)));
        scores.iter_mut().for_each(|score| *score /= length);
        scores
    }
}

/// What the best chunk for what stands behind a query counts for, of what the best one for the query
/// does. Measured over the shipped pages with tasks of all kinds behind: with a tenth as much is among
/// the first five as without, or more; with a quarter the first answer already comes later.
const BEHIND: f32 = 0.1;

/// The most characters of a query that are looked at.
const MAX_QUERY: usize = 4_000;

/// What is looked at of a query: a task may be a whole pasted file; its beginning says what is
/// wanted.
#[must_use]
pub fn beginning(query: &str) -> &str {
    let end = query.char_indices().nth(MAX_QUERY).map_or(query.len(), |(at, _)| at);
    &query[..end]
}

/// Two rankings as one, best first. `words` come with what they count for, and a chunk adds up its
/// share of the best of those and, of this weight, how far up it stands between the farthest and the
/// nearest by meaning: scores and similarities are of different kinds, shares are not. Of two that
/// count alike, the one that comes first by its words.
///
/// By how much one stands before another says more than by how many places: measured, places alone
/// (reciprocal rank fusion) lose answers that words find, where the model is weaker than those.
#[must_use]
pub fn fuse<'a>(words: Vec<(Hit<'a>, f32)>, nearest: Vec<Hit<'a>>, weight: f32) -> Vec<Hit<'a>> {
    let best = words.iter().map(|(_, counts)| *counts).fold(f32::MIN_POSITIVE, f32::max);
    let mut fused: Vec<(Hit<'a>, f32)> = words.into_iter().map(|(hit, counts)| (hit, counts / best)).collect();
    let similarities = || nearest.iter().filter_map(|hit| hit.similarity);
    let (low, high) = (similarities().fold(1.0, f32::min), similarities().fold(0.0, f32::max));
    let share = |hit: &Hit<'_>| match high > low {
        true => weight * (hit.similarity.unwrap_or(low) - low) / (high - low),
        false => weight,
    };
    for near in &nearest {
        match fused.iter_mut().find(|(hit, _)| ptr::eq(hit.chunk, near.chunk)) {
            Some((hit, sum)) => (hit.similarity, *sum) = (near.similarity, *sum + share(near)),
            None => fused.push((*near, share(near))),
        }
    }
    fused.sort_by(|a, b| b.1.total_cmp(&a.1));
    fused.into_iter().map(|(hit, _)| hit).collect()
}

/// Words as they are compared: lower case, stemmed, identifiers whole and in their parts.
pub struct Words {
    stemmer: Stemmer,
    stop: HashSet<&'static str>,
}

impl Default for Words {
    fn default() -> Self {
        Self { stemmer: Stemmer::create(Algorithm::English), stop: STOP.split(' ').collect() }
    }
}

/// Words that say nothing of what a text is about: those of Snowball's list for English and others of their
/// kind, what contractions leave of them (`they'll`), and those that tasks ask with. Long tasks and long
/// sections have most of them, whatever they are about.
const STOP: &str = "\
    a about above after again against all already also am an and another any anything are as at be because been \
    before being below between both but by can could d did do does doing down during each either else ever every \
    everything few for from further had has have having he her here hers herself him himself his how however i if in \
    into is it its itself just ll m many may me might more most much must my myself never no nor not nothing now of \
    off on once one only or other ought our ours ourselves out over own per please re s same shall she should since \
    so some something still such t than that the their theirs them themselves then there these they this those \
    through to too under until up us use ve very via want was we were what when where which while who whom why will \
    with within without would yet you your yours yourself yourselves";

impl Tokenizer for Words {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        for token in text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-' && c != '.') {
            let token = token.trim_matches(['-', '.', '_']);
            if token.is_empty() {
                continue;
            }
            let parts = parts(token);
            if parts.len() > 1 {
                words.push(token.to_lowercase());
            }
            for part in parts {
                let part = part.to_lowercase();
                if !self.stop.contains(part.as_str()) {
                    words.push(self.stemmer.stem(&part).into_owned());
                }
            }
        }
        words
    }
}

/// `captureException` → capture, Exception; `posthog-node` → posthog, node; `HTTPServer` → HTTP, Server.
fn parts(token: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for piece in token.split(['-', '_', '.']).filter(|piece| !piece.is_empty()) {
        let chars: Vec<(usize, char)> = piece.char_indices().collect();
        let mut start = 0;
        for at in 1..chars.len() {
            let (before, here) = (chars[at - 1].1, chars[at].1);
            let after = chars.get(at + 1).map(|next| next.1);
            let begins_word = here.is_uppercase()
                && (before.is_lowercase() || before.is_numeric() || after.is_some_and(char::is_lowercase));
            if begins_word {
                parts.push(&piece[start..chars[at].0]);
                start = chars[at].0;
            }
        }
        parts.push(&piece[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_split_and_kept() {
        let check = |text: &str, expect: &[&str]| assert_eq!(Words::default().tokenize(text), expect);
        check("captureException", &["captureexception", "captur", "except"]);
        check("posthog-node", &["posthog-node", "posthog", "node"]);
        check("useEffect()", &["useeffect", "effect"]);
        check("HTTPServer2Go", &["httpserver2go", "http", "server2", "go"]);
        check("NEXT_PUBLIC_KEY", &["next_public_key", "next", "public", "key"]);
        check("the pages, testing", &["page", "test"]);
        check("É ñandú", &["é", "ñandú"]);
        check("Don't, before they've called before_send", &["don", "call", "before_send", "send"]);
    }

    fn index() -> Index {
        let chunk = |page: &str, heading: &str, text: &str| Chunk {
            page: page.into(),
            headings: vec![heading.into()],
            text: text.into(),
        };
        Index::new(vec![
            chunk("errors.md", "Errors", "Call `posthog.captureException(error)` in the handler."),
            chunk("naming.md", "Naming events", "Use the past tense: `order placed`."),
            chunk("next.md", "Next.js app router", "Put the provider in `app/layout.tsx`."),
        ])
    }

    #[test]
    fn a_question_finds_its_page() {
        let index = index();
        let best = |query: &str| index.search(query, 5).first().map(|hit| hit.chunk.page.clone());
        assert_eq!(best("How do I capture exceptions?").as_deref(), Some("errors.md"));
        assert_eq!(best("name an event").as_deref(), Some("naming.md"));
        assert_eq!(best("where in the layout of Next").as_deref(), Some("next.md"));
        assert_eq!(best("unrelated zebra"), None);
        assert_eq!(best(""), None);
    }

    /// Chunks that count for so much by their words and are so near in meaning, and what comes of it.
    #[track_caller]
    fn check_fused(words: &[(usize, f32)], nearest: &[(usize, f32)], weight: f32, expect: &[usize]) {
        let chunk = |at: usize| Chunk { page: at.to_string(), headings: Vec::new(), text: String::new() };
        let chunks: Vec<_> = (0..9).map(chunk).collect();
        let hit = |at: usize, score, similarity| Hit { chunk: &chunks[at], page: None, rank: score, score, similarity };
        let words = words.iter().map(|(at, counts)| (hit(*at, *counts, None), *counts)).collect();
        let nearest: Vec<_> = nearest.iter().map(|(at, similarity)| hit(*at, 0.0, Some(*similarity))).collect();
        let is_near = |hit: &Hit<'_>| nearest.iter().any(|near| near.chunk == hit.chunk);
        let fused = fuse(words, nearest.clone(), weight);
        assert!(fused.iter().all(|hit| hit.similarity.is_some() == is_near(hit)), "{fused:?}");
        let places: Vec<usize> = fused.iter().map(|hit| hit.chunk.page.parse().unwrap()).collect();
        assert_eq!(places, expect);
    }

    #[test]
    fn two_rankings_become_one_by_what_each_says_of_the_chunks() {
        check_fused(&[(0, 9.0), (1, 3.0)], &[], 1.0, &[0, 1]);
        check_fused(&[], &[(1, 0.9), (0, 0.3)], 1.0, &[1, 0]);
        // Those that are near each other by words are told apart by meaning, and those far apart are not.
        let nearest = [(2, 0.7), (1, 0.5), (0, 0.3)];
        check_fused(&[(0, 9.0), (1, 8.0), (2, 7.0)], &nearest, 0.5, &[2, 1, 0]);
        check_fused(&[(0, 9.0), (1, 3.0), (2, 1.0)], &nearest, 0.5, &[0, 2, 1]);
        check_fused(&[(0, 9.0), (1, 3.0), (2, 1.0)], &nearest, 2.0, &[2, 1, 0]);
        // What meaning alone finds comes where its weight brings it.
        check_fused(&[(0, 9.0), (1, 3.0)], &[(2, 0.9), (1, 0.3)], 0.5, &[0, 2, 1]);
        check_fused(&[(0, 9.0), (1, 3.0)], &[(2, 0.9), (1, 0.3)], 0.2, &[0, 1, 2]);
        // One alone is the nearest.
        check_fused(&[(0, 9.0), (1, 3.0)], &[(2, 0.9)], 0.5, &[0, 2, 1]);
        check_fused(&[(0, 9.0), (1, 3.0)], &[(2, 0.9)], 1.5, &[2, 0, 1]);
    }

    #[test]
    fn chunks_are_found_by_what_they_mean_also_when_their_pages_change() {
        let vector = |numbers: &[f32]| Vector::new(numbers.to_vec()).unwrap();
        let (errors, next) = (vector(&[1.0, 0.0]), vector(&[0.0, 1.0]));
        let index = index().with_vectors(Vectors::new([Some(&errors), None, Some(&next)]).unwrap()).with_pages([]);
        let near = index.nearness(&vector(&[4.0, 3.0])).unwrap();
        let pages: Vec<_> = index.nearest(&near).map(|hit| (hit.chunk.page.as_str(), hit.score)).collect();
        assert_eq!((pages, index.meant()), (vec![("errors.md", 0.0), ("next.md", 0.0)], 2));
        assert!(index.nearness(&vector(&[1.0])).is_err());
        // One of another index names no chunk that is not there.
        assert_eq!(Index::new(Vec::new()).nearest(&near).count(), 0);
    }

    #[test]
    fn sections_that_fit_alike_come_in_their_order() {
        let section = |n: usize| Chunk { page: "p".into(), headings: Vec::new(), text: format!("apples n{n}") };
        let index = Index::new((0..40).map(section).collect());
        let found: Vec<_> = index.search("apples", 40).iter().map(|hit| hit.chunk.text.clone()).collect();
        assert_eq!(found, (0..40).map(|n| section(n).text).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert!(Index::new(Vec::new()).search("anything", 5).is_empty());
    }
}
