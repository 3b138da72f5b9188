//! What of a set is really put before a model: within the allowance, behind `min_score`, the guard of
//! languages and the sections that say the same.

use std::collections::BTreeMap;

use jetway_core::policy::context::{Asked, Rules, decide};
use jetway_core::retrieval::page::Page;
use jetway_core::retrieval::profile::{Profile, Tags};
use jetway_core::retrieval::search::Index;
use jiff::Timestamp;
use serde::Deserialize;

use crate::set::{Question, Set, name_of, page_of, root};

/// Tasks for the documentation of the wizard, and for anything else.
#[derive(Debug, Deserialize)]
pub(crate) struct Tasks {
    pub(crate) related: Vec<Question>,
    pub(crate) unrelated: Vec<String>,
}

impl Tasks {
    /// Those that settings are chosen by.
    pub(crate) fn read() -> Self {
        Self::of("tasks.yaml")
    }

    /// Those that none is.
    pub(crate) fn held_out() -> Self {
        Self::of("held_out.yaml")
    }

    /// The ones about something else.
    pub(crate) fn others(&self) -> Vec<&str> {
        self.unrelated.iter().map(String::as_str).collect()
    }

    fn of(file: &str) -> Self {
        let file = root().join("tests/bench/retrieval").join(file);
        serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }
}

/// The pages of a set with their tags.
pub(crate) struct Shelf {
    index: Index,
    tags: BTreeMap<String, Tags>,
}

/// Shares of tasks: where nothing is known of the project but what the task says, and where it is known.
pub(crate) type Shares = (f64, f64);

impl Shelf {
    pub(crate) fn of(set: &Set) -> Self {
        let tags = |page: &crate::set::Page| (page.name.clone(), Tags::of(&page.markdown, &Tags::default()));
        let tags: BTreeMap<String, Tags> = set.pages.iter().map(tags).collect();
        let page = |(name, tags): (&String, &Tags)| Page {
            name: name.clone(),
            source: String::from("docs"),
            version: String::from("v"),
            tags: tags.clone(),
            fetched: Timestamp::UNIX_EPOCH,
            confirmed: Timestamp::UNIX_EPOCH,
            max_age: None,
        };
        Self { index: set.sections().with_pages(tags.iter().map(page)), tags }
    }

    /// How often a page or section that answers is in what is inserted. The project that is known is one
    /// that such a page is for.
    pub(crate) fn answered(&self, rules: &Rules, questions: &[Question]) -> Shares {
        let is_answered = |question: &Question, profile: &Profile| {
            let sections = self.inserted(rules, &question.ask, profile);
            let is_there = |finds: &String| sections.iter().any(|name| name == finds || page_of(name) == finds);
            question.finds.iter().any(is_there)
        };
        let of_words = |question: &&Question| is_answered(question, &Profile::of_words(&question.ask));
        let known = |question: &&Question| {
            let mut tags = question.finds.iter().filter_map(|finds| self.tags.get(page_of(finds)));
            tags.any(|tags| is_answered(question, &project(&question.ask, tags)))
        };
        let share = |count: usize| count as f64 / questions.len() as f64;
        (share(questions.iter().filter(of_words).count()), share(questions.iter().filter(known).count()))
    }

    /// How often nothing is inserted. The project that is known is one of each kind that there are pages
    /// for.
    pub(crate) fn quiet(&self, rules: &Rules, tasks: &[&str]) -> Shares {
        let is_quiet = |task: &str, profile: &Profile| self.inserted(rules, task, profile).is_empty();
        let of_words = tasks.iter().filter(|task| is_quiet(task, &Profile::of_words(task))).count();
        let kinds: Vec<&Tags> = self.tags.values().filter(|tags| **tags != Tags::default()).collect();
        let each = || kinds.iter().flat_map(|tags| tasks.iter().map(|task| (*task, *tags)));
        let known = each().filter(|(task, tags)| is_quiet(task, &project(task, tags))).count();
        // Of pages that are for nobody in particular there is no such project.
        let known = if kinds.is_empty() { of_words as f64 } else { known as f64 / kinds.len() as f64 };
        (of_words as f64 / tasks.len() as f64, known / tasks.len() as f64)
    }

    fn inserted(&self, rules: &Rules, ask: &str, profile: &Profile) -> Vec<String> {
        let asked = Asked { task: &[ask], behind: "", profile, now: Timestamp::UNIX_EPOCH, nearness: None };
        decide(rules, &self.index, asked).into_iter().map(|hit| name_of(hit.chunk)).collect()
    }
}

/// A project of which the task tells, and that has what these tags name.
fn project(ask: &str, tags: &Tags) -> Profile {
    let names = tags.frameworks.iter().chain(tags.languages.first());
    let said: String = names.map(|name| format!("We use {name}.\n")).collect();
    Profile::of_words(&format!("{said}{ask}"))
}

/// The rules that hold where nothing is said, or with this instead.
pub(crate) fn rules(min_score: Option<f32>) -> Rules {
    let more = min_score.map(|score| format!(", min_score: {score}")).unwrap_or_default();
    serde_saphyr::from_str(&format!("{{ docs: docs{more} }}")).unwrap()
}
