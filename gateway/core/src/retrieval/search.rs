//! Ranks chunks against a task by BM25, over stemmed words and split identifiers.
//!
//! Splitting matters in documentation of code: a question says "capture an exception", the page
//! says `captureException`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bm25::{SearchEngine, SearchEngineBuilder, Tokenizer};
use rust_stemmers::{Algorithm, Stemmer};

use crate::retrieval::chunk::Chunk;
use crate::retrieval::page::Page;

/// Chunks that can be searched, and what is known of their pages. The first are built once for
/// each version of the documents; the second change whenever a page is found to be unchanged.
#[derive(Clone)]
pub struct Index {
    body: Arc<Body>,
    pages: BTreeMap<String, Page>,
}

struct Body {
    chunks: Vec<Chunk>,
    engine: Option<SearchEngine<u32, u32, Words>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("chunks", &self.body.chunks.len()).finish_non_exhaustive()
    }
}

/// A chunk that fits, and how well: the higher the better, with no fixed upper end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit<'a> {
    pub chunk: &'a Chunk,
    pub page: Option<&'a Page>,
    pub score: f32,
}

impl Index {
    #[must_use]
    pub fn new(chunks: Vec<Chunk>) -> Self {
        let searched: Vec<String> = chunks.iter().map(|chunk| format!("{}\n{}", chunk.path(), chunk.text)).collect();
        let engine = (!chunks.is_empty()).then(|| {
            SearchEngineBuilder::<u32, u32, Words>::with_tokenizer_and_corpus(Words::default(), searched).build()
        });
        Self { body: Arc::new(Body { chunks, engine }), pages: BTreeMap::new() }
    }

    /// The same passages, of pages of which this is known.
    #[must_use]
    pub fn with_pages(&self, pages: impl IntoIterator<Item = Page>) -> Self {
        let pages = pages.into_iter().map(|page| (page.name.clone(), page)).collect();
        Self { body: Arc::clone(&self.body), pages }
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
        let Some(engine) = &self.body.engine else { return Vec::new() };
        // A task may be a whole pasted file; its beginning says what is wanted.
        let end = query.char_indices().nth(MAX_QUERY).map_or(query.len(), |(at, _)| at);
        let mut hits: Vec<_> = engine
            .search(&query[..end], limit)
            .into_iter()
            .filter_map(|found| {
                let chunk = self.body.chunks.get(found.document.id as usize)?;
                Some(Hit { chunk, page: self.pages.get(&chunk.page), score: found.score })
            })
            .collect();
        // Equal scores come in the order of the documents, so that a choice can be repeated.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.page.cmp(&b.chunk.page)));
        hits
    }
}

/// The most characters of a query that are looked at.
const MAX_QUERY: usize = 4_000;

/// Words as they are compared: lower case, stemmed, identifiers whole and in their parts.
pub struct Words {
    stemmer: Stemmer,
}

impl Default for Words {
    fn default() -> Self {
        Self { stemmer: Stemmer::create(Algorithm::English) }
    }
}

const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "has", "have", "how", "i", "if", "in",
    "into", "is", "it", "its", "my", "not", "of", "on", "or", "our", "please", "so", "that", "the", "their", "then",
    "there", "this", "to", "up", "use", "want", "was", "we", "what", "when", "where", "which", "will", "with", "you",
    "your",
];

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
                if !STOP.contains(&part.as_str()) {
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

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert!(Index::new(Vec::new()).search("anything", 5).is_empty());
    }
}
