//! What a project is, as far as its agent has told. Given an agent that ran `ls` and read
//! `package.json`: TypeScript, Next.js and pnpm, each with what was seen and where.
//!
//! A gateway sees no files. It learns from the results of calls, from what agents write, and from
//! what they send of the project by themselves. What an agent says about its own work, what Jetway
//! put in, and what a page says that was read do not count; a person's plain word does while there
//! is nothing else.
//!
//! `table.yaml` says what shows what. Evidence is a set that only grows, whatever the order, and of
//! which only the strongest of each tag is kept; what follows from it is found anew each time.

mod content;
mod document;
mod imports;
mod listing;
mod look;
mod manifest;
mod message;
mod said;
mod settle;
mod table;
mod tags;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::wire::Dialect;
use crate::wire::json::{self, Json};
use crate::wire::request::Request;
pub use tags::{Fit, Tags, canonical, detect, detect_page, fits, known};

/// So many pieces of evidence are kept for a tag.
const KEPT: usize = 8;
/// So many parts of a project are told apart.
const MOST_PARTS: usize = 64;
/// The longest text of a piece of evidence, in characters.
const LONGEST: usize = 120;

/// What is told of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Language,
    Framework,
    Manager,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Language, Self::Framework, Self::Manager];
}

/// How good a piece of evidence is; the later, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// A person said so. It counts where nothing else is known.
    Said,
    /// It is seen in an example, a script or the documentation. It counts where nothing better is
    /// known of the project at all.
    Aside,
    /// The agent wrote it: that need not be what the project is, it may be the very mistake. It
    /// counts where nothing better is known and where it agrees with the project's language.
    Written,
    /// It is seen in the project.
    Seen,
}

/// What was seen, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    pub basis: Basis,
    pub weight: u32,
    /// The path where it was seen; empty for what a person said.
    pub at: String,
    /// `dependency next`, `.py file`.
    pub what: String,
    /// How it came here: `read by Read`, `listed by Bash`.
    pub how: String,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            write!(f, "{}: {}", self.how, self.what)
        } else {
            write!(f, "{} {}: {}", self.at, self.how, self.what)
        }
    }
}

/// What a project is, and by what it is known. The three lists are what follows from the evidence,
/// the surest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    pub languages: Vec<String>,
    pub frameworks: Vec<String>,
    pub managers: Vec<String>,
    evidence: BTreeMap<Kind, BTreeMap<String, Vec<Evidence>>>,
    /// Folders with a manifest of their own.
    parts: BTreeSet<String>,
    /// The folder that the agent works in.
    root: Option<String>,
}

impl Profile {
    /// What a whole conversation tells.
    #[must_use]
    pub fn read(request: &Request) -> Self {
        let mut profile = Self::default();
        profile.grow(request, 0);
        profile
    }

    /// A project of which only its languages are known.
    #[must_use]
    pub fn of_languages(languages: &[String]) -> Self {
        Self { languages: languages.to_vec(), ..Self::default() }
    }

    /// What a person's words alone tell.
    #[must_use]
    pub fn of_words(text: &str) -> Self {
        let body = format!(r#"{{"model":"-","messages":[{{"role":"user","content":{}}}]}}"#, json::quote(text));
        let request = Json::read(body.into()).ok().and_then(|json| Request::read(Dialect::Chat, json).ok());
        request.as_ref().map(Self::read).unwrap_or_default()
    }

    /// Adds what the messages from the one with this number on tell. Those before it are only
    /// looked at for the calls that later ones answer. [`length`] tells the number for next time.
    pub fn grow(&mut self, request: &Request, from: usize) {
        look::grow(self, request, from);
        settle::settle(self);
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.languages.is_empty() && self.frameworks.is_empty() && self.managers.is_empty()
    }

    /// By what a tag is known, the strongest first; also for tags of which there is not enough.
    #[must_use]
    pub fn evidence(&self, kind: Kind, tag: &str) -> &[Evidence] {
        self.evidence.get(&kind).and_then(|tags| tags.get(tag)).map(Vec::as_slice).unwrap_or_default()
    }

    /// How sure a tag is: the weights of its evidence. It never falls while evidence is added.
    #[must_use]
    pub fn weight(&self, kind: Kind, tag: &str) -> u32 {
        self.evidence(kind, tag).iter().map(|evidence| evidence.weight).sum()
    }

    fn add(&mut self, kind: Kind, tag: &str, evidence: Evidence) {
        let of_tag = self.evidence.entry(kind).or_default().entry(tag.to_owned()).or_default();
        let same = |known: &Evidence| known.at == evidence.at && known.what == evidence.what;
        match of_tag.iter_mut().find(|known| same(known)) {
            // The same thing seen twice is one thing; of two ways in which it came, one stays,
            // and not by which was first.
            Some(known) if strength(known) <= strength(&evidence) => return,
            Some(known) => *known = evidence,
            None => of_tag.push(evidence),
        }
        of_tag.sort_by(|a, b| strength(a).cmp(&strength(b)));
        of_tag.truncate(KEPT);
    }

    /// Notes a folder with a manifest. Of too many the outermost stay.
    fn part(&mut self, folder: &str) {
        self.parts.insert(shortened(folder));
        if self.parts.len() > MOST_PARTS {
            let depth = |part: &&String| (part.matches('/').count(), (*part).clone());
            if let Some(last) = self.parts.iter().max_by_key(depth).cloned() {
                self.parts.remove(&last);
            }
        }
    }
}

/// How many messages, or items, a request has.
#[must_use]
pub fn length(request: &Request) -> usize {
    told::length(request)
}

/// Sorts the strongest first, and what is as strong by its text.
fn strength(evidence: &Evidence) -> (std::cmp::Reverse<(Basis, u32)>, &str, &str, &str) {
    (std::cmp::Reverse((evidence.basis, evidence.weight)), &evidence.at, &evidence.what, &evidence.how)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
