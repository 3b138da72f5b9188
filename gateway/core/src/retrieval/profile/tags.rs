//! What a page or an airplane is for, and whether that fits a project.
//!
//! JavaScript and TypeScript take each other's pages: the calls are the same, and a page in one is
//! of use in the other. No other two languages do, but C++ those of C.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::table::Table;
use super::{Kind, Profile};

/// So much of a page is looked at for its fences, in bytes.
const MOST_MARKDOWN: usize = 1 << 20;

/// What a page, a passage or an airplane is for. Without any it is neutral.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tags {
    /// It fits a project of any of these.
    pub languages: Vec<String>,
    /// It fits a project of these. Of frameworks that can stand for each other, such as `flask` and
    /// `fastapi`, one is enough; of those that go together, such as `react` and `vite`, all are
    /// wanted. One that another implies, as `sveltekit` does `svelte`, says nothing more.
    pub frameworks: Vec<String>,
}

/// How well something fits a project; the later, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It must not be shown.
    Not,
    /// It is for no project more than for another.
    Neutral,
    /// It is for the project's language.
    Language { weight: u32 },
    /// It is for the project's framework: its own, or one that its own is built on. `leading`
    /// before weight, so that for a project of Next.js one of Next.js comes before one of React.
    Framework { leading: bool, weight: u32 },
}

impl Fit {
    /// Whether it may be shown.
    #[must_use]
    pub fn is_fit(self) -> bool {
        self != Self::Not
    }
}

impl Tags {
    /// How well this fits a project.
    #[must_use]
    pub fn fits(&self, profile: &Profile) -> Fit {
        let table = Table::shipped();
        if self.languages.is_empty() && self.frameworks.is_empty() {
            return Fit::Neutral;
        }
        let Some(language) = self.language(table, profile) else { return Fit::Not };
        if self.frameworks.is_empty() {
            return Fit::Language { weight: language };
        }
        let mut fit = Fit::Framework { leading: false, weight: 0 };
        for (_, alternatives) in self.roles(table) {
            let had = alternatives.iter().filter(|name| profile.frameworks.contains(name));
            let best = had.map(|name| (is_leading(table, profile, name), profile.weight(Kind::Framework, name))).max();
            let Some((is_leading, more)) = best else { return Fit::Not };
            if let Fit::Framework { leading, weight } = &mut fit {
                *leading |= is_leading;
                *weight += more;
            }
        }
        fit
    }

    /// The weight of the best language that the project has; zero where it matters not. None where
    /// it has none of them.
    fn language(&self, table: &Table, profile: &Profile) -> Option<u32> {
        // A framework that a person named says enough while no file was seen.
        if self.languages.is_empty() || profile.languages.is_empty() && !self.frameworks.is_empty() {
            return Some(0);
        }
        let wanted: Vec<_> = self.languages.iter().map(|name| table.canonical(Kind::Language, name)).collect();
        let takes = |own: &&String| {
            let also = table.tag((Kind::Language, own)).map(|tag| tag.takes.as_slice()).unwrap_or_default();
            wanted.iter().any(|wanted| *wanted == own.as_str() || also.iter().any(|also| also == wanted))
        };
        profile.languages.iter().filter(takes).map(|own| profile.weight(Kind::Language, own)).max()
    }

    /// The frameworks, those of one role together, without those that others imply.
    fn roles(&self, table: &Table) -> BTreeMap<String, BTreeSet<String>> {
        let names = self.frameworks.iter().map(|name| table.canonical(Kind::Framework, name).into_owned());
        let names: BTreeSet<String> = names.collect();
        let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in names.iter().filter(|name| !names.iter().any(|other| implies(table, other, name))) {
            // What the table does not know has nothing that stands for it.
            let role = table.tag((Kind::Framework, name)).and_then(|tag| tag.role.clone());
            roles.entry(role.unwrap_or_else(|| format!("={name}"))).or_default().insert(name.clone());
        }
        roles
    }
}

/// Whether no other framework of the project implies this one.
fn is_leading(table: &Table, profile: &Profile, name: &str) -> bool {
    let is_router =
        |other: &str| table.tag((Kind::Framework, other)).is_some_and(|tag| tag.needs.as_deref() == Some(name));
    !profile.frameworks.iter().any(|other| !is_router(other) && implies(table, other, name))
}

fn implies(table: &Table, one: &str, other: &str) -> bool {
    let mut left = vec![one];
    let mut seen = BTreeSet::new();
    while let Some(name) = left.pop() {
        let implied = table.tag((Kind::Framework, name)).map(|tag| tag.implies.as_slice()).unwrap_or_default();
        if implied.iter().any(|name| name == other) {
            return one != other;
        }
        left.extend(implied.iter().map(String::as_str).filter(|name| seen.insert(*name)));
    }
    false
}

/// What a page or a passage is for, by its code fences. Commands, data and markup are in pages of
/// every language and say nothing, but HTML does where there is nothing else.
#[must_use]
pub fn detect(markdown: &str) -> Tags {
    let table = Table::shipped();
    let mut found: BTreeSet<(Kind, &str)> = BTreeSet::new();
    let mut open: Option<(char, usize)> = None;
    for line in markdown[..markdown.floor_char_boundary(MOST_MARKDOWN)].lines() {
        let line = line.trim_start_matches([' ', '>', '-', '*', '\t']);
        let Some(mark) = line.chars().next().filter(|mark| matches!(mark, '`' | '~')) else { continue };
        let length = line.chars().take_while(|c| *c == mark).count();
        let info = line[length..].trim();
        match open {
            Some((opened, least)) if opened == mark && length >= least && info.is_empty() => open = None,
            None if length >= 3 && !info.contains('`') => {
                open = Some((mark, length));
                found.extend(table.by_fence(&language_of(info)));
            }
            _ => {}
        }
    }
    let is_markup = |name: &str| table.tag((Kind::Language, name)).is_some_and(|tag| tag.markup);
    let of = |wanted: Kind| found.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, name)| *name);
    let has_code = !of(Kind::Framework).chain(of(Kind::Language)).all(is_markup);
    let languages = of(Kind::Language).filter(|name| !has_code || !is_markup(name));
    Tags {
        languages: languages.map(str::to_owned).collect(),
        frameworks: of(Kind::Framework).map(str::to_owned).collect(),
    }
}

/// `tsx title="app/page.tsx"`, `{.python}`, `ts{1,3}`, `language-js`
fn language_of(info: &str) -> String {
    let info = info.trim_start_matches(['{', '.']);
    let end =
        info.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | ':' | '(' | '[')).unwrap_or(info.len());
    info[..end].trim_start_matches("language-").to_lowercase()
}
