//! Questions with the pages that answer them, and how well a ranking finds those.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bm25::{SearchEngine, SearchEngineBuilder, Tokenizer};
use jetway_core::retrieval::chunk;
use jetway_core::retrieval::search::Index;
use serde::Deserialize;

/// A question, and what answers it: pages, or sections as `page#heading`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Question {
    pub(crate) ask: String,
    pub(crate) finds: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) markdown: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Set {
    pub(crate) pages: Vec<Page>,
    pub(crate) questions: Vec<Question>,
}

impl Set {
    /// The shipped documentation of all policies, and the questions about it.
    pub(crate) fn shipped() -> Self {
        Self::of(&["wizard", "coding"])
    }

    /// That of these policies, and the questions that it answers.
    pub(crate) fn of(policies: &[&str]) -> Self {
        let root = root();
        let mut pages = Vec::new();
        for policy in policies {
            for file in std::fs::read_dir(root.join("policies").join(policy).join("docs")).unwrap() {
                let file = file.unwrap().path();
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                pages.push(Page { name, markdown: std::fs::read_to_string(&file).unwrap() });
            }
        }
        pages.sort_by(|a, b| a.name.cmp(&b.name));
        let questions = std::fs::read_to_string(root.join("tests/bench/retrieval/questions.yaml")).unwrap();
        let mut questions: Vec<Question> = serde_saphyr::from_str(&questions).unwrap();
        let set = Self { pages, questions: Vec::new() };
        questions.retain(|question| set.answers(question));
        Self { questions, ..set }
    }

    /// Whether one of these pages is an answer.
    pub(crate) fn answers(&self, question: &Question) -> bool {
        self.pages.iter().any(|page| question.finds.iter().any(|finds| page_of(finds) == page.name))
    }

    /// The ranking that Jetway uses: sections with their headings, stemmed words, split identifiers.
    pub(crate) fn sections(&self) -> Index {
        Index::new(self.pages.iter().flat_map(|page| chunk::cut(&page.name, &page.markdown)).collect())
    }

    /// What is common: whole pages, words in lower case.
    pub(crate) fn whole(&self) -> SearchEngine<u32, u32, Plain> {
        let pages: Vec<String> = self.pages.iter().map(|page| page.markdown.clone()).collect();
        SearchEngineBuilder::<u32, u32, Plain>::with_tokenizer_and_corpus(Plain, pages).build()
    }

    /// Pages as Jetway ranks them, each by its best section.
    pub(crate) fn by_sections(index: &Index, ask: &str) -> Vec<String> {
        distinct(index.search(ask, DEEP).into_iter().map(|hit| hit.chunk.page.clone()))
    }

    /// Sections as Jetway ranks them.
    pub(crate) fn sections_of(index: &Index, ask: &str) -> Vec<String> {
        index.search(ask, DEEP).into_iter().map(|hit| name_of(hit.chunk)).collect()
    }

    /// Sections as Jetway ranks them for a step that looks this up, of a run with this task.
    pub(crate) fn sections_for(index: &Index, ask: &str, task: &str) -> Vec<String> {
        let mut hits = index.search(ask, DEEP);
        let lean = index.leaning(&hits, task);
        hits.sort_by(|a, b| (b.rank + lean(b)).total_cmp(&(a.rank + lean(a))));
        hits.into_iter().map(|hit| name_of(hit.chunk)).collect()
    }

    pub(crate) fn by_pages(&self, engine: &SearchEngine<u32, u32, Plain>, ask: &str) -> Vec<String> {
        let found = engine.search(ask, DEEP).into_iter();
        found.map(|found| self.pages[found.document.id as usize].name.clone()).collect()
    }

    /// The same questions, answered by whole pages.
    pub(crate) fn pages_only(&self) -> Vec<Question> {
        self.questions.iter().map(Question::page_only).collect()
    }
}

impl Question {
    /// The same, answered by whole pages.
    pub(crate) fn page_only(&self) -> Self {
        let pages = self.finds.iter().map(|finds| page_of(finds).to_owned());
        Self { ask: self.ask.clone(), finds: distinct(pages) }
    }
}

/// The page of what a label names.
pub(crate) fn page_of(finds: &str) -> &str {
    finds.split('#').next().unwrap_or_default()
}

/// A section as labels name it.
pub(crate) fn name_of(chunk: &chunk::Chunk) -> String {
    format!("{}#{}", chunk.page, chunk.headings.last().map_or("", String::as_str))
}

/// How far down a ranking is looked at.
const DEEP: usize = 50;

pub(crate) fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    names.for_each(|name| {
        if !found.contains(&name) {
            found.push(name);
        }
    });
    found
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Words in lower case.
#[derive(Debug, Default)]
pub(crate) struct Plain;

impl Tokenizer for Plain {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    }
}

/// How well answers were found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    /// The share of what answers a question that is among the first five.
    pub(crate) recall: f64,
    /// One by the rank of the first answer, on average.
    pub(crate) mrr: f64,
}

/// Measures a ranking.
pub(crate) fn measure(questions: &[Question], rank: impl Fn(&str) -> Vec<String>) -> Figures {
    let mut figures = Figures::default();
    let count = questions.len() as f64;
    for question in questions {
        let ranked = rank(&question.ask);
        let places: BTreeMap<&str, usize> = ranked.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let found: Vec<usize> = question.finds.iter().filter_map(|name| places.get(name.as_str()).copied()).collect();
        let near = found.iter().filter(|at| **at < 5).count();
        figures.recall += near as f64 / question.finds.len().min(5) as f64 / count;
        figures.mrr += found.iter().min().map_or(0.0, |at| 1.0 / (*at + 1) as f64) / count;
    }
    figures
}
