//! What a page or an airplane is for, and whether that fits a project.
//!
//! JavaScript and TypeScript take each other's pages: the calls are the same, and a page in one is
//! of use in the other. No other two languages do, but C++ those of C.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::table::Table;
use super::{Kind, Profile, imports};
use crate::retrieval::markdown::{self, Kind as Line};

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
    /// It must not be shown: this of it is not the project's.
    Not(Kind),
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
        self.other().is_none()
    }

    /// What of it is not the project's, where that is so.
    #[must_use]
    pub fn other(self) -> Option<Kind> {
        if let Self::Not(kind) = self { Some(kind) } else { None }
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
        let Some(language) = self.language(table, profile) else { return Fit::Not(Kind::Language) };
        if self.frameworks.is_empty() {
            return Fit::Language { weight: language };
        }
        let mut fit = Fit::Framework { leading: false, weight: 0 };
        for (_, alternatives) in self.roles(table) {
            let had = alternatives.iter().filter(|name| profile.frameworks.contains(name));
            let best = had.map(|name| (is_leading(table, profile, name), profile.weight(Kind::Framework, name))).max();
            let Some((is_leading, more)) = best else { return Fit::Not(Kind::Framework) };
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
        let spoken = spoken(table, profile);
        // A framework that a person named says enough while no file was seen.
        if self.languages.is_empty() || spoken.is_empty() && !self.frameworks.is_empty() {
            return Some(0);
        }
        let wanted: Vec<_> = self.languages.iter().map(|name| table.canonical(Kind::Language, name)).collect();
        let takes = |own: &&&String| {
            let also = table.tag((Kind::Language, own)).map(|tag| tag.takes.as_slice()).unwrap_or_default();
            wanted.iter().any(|wanted| *wanted == own.as_str() || also.iter().any(|also| also == wanted))
        };
        spoken.iter().filter(takes).map(|own| profile.weight(Kind::Language, own)).max()
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

/// The languages of a project. Of a framework whose files were not seen those count that take each other's
/// pages: Next.js is JavaScript or TypeScript, which is the same here; Spring is Java or Kotlin, which is not.
fn spoken<'a>(table: &'a Table, profile: &'a Profile) -> Vec<&'a String> {
    let takes = |own: &String, other: &String| {
        own == other || table.tag((Kind::Language, own)).is_some_and(|tag| tag.takes.contains(other))
    };
    let frameworks = profile.frameworks.iter().filter_map(|name| table.tag((Kind::Framework, name)));
    let unseen = frameworks.map(|tag| &tag.languages).filter(|all| {
        !all.iter().any(|own| profile.languages.contains(own))
            && all.iter().all(|own| all.iter().all(|other| takes(own, other)))
    });
    profile.languages.iter().chain(unseen.flatten()).collect()
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

/// How well a passage with these tags, and this text, fits a project. Both count: a page for Python
/// may have a part in JavaScript, which is for no project of Python alone.
#[must_use]
pub fn fits(tags: &Tags, passage: &str, profile: &Profile) -> Fit {
    let fit = tags.fits(profile);
    if !fit.is_fit() {
        return fit;
    }
    let code = detect(passage).at_home(profile);
    if *tags == Tags::default() {
        return code.fits(profile);
    }
    // Markup alone is code of every language where the page says what it is for.
    let table = Table::shipped();
    let languages = code.languages.iter().filter(|name| !is_markup(table, name)).cloned().collect();
    let code = Tags { languages, frameworks: code.frameworks };
    let (own, is_named) = (Profile { languages: tags.told(table, profile), ..Profile::default() }, named(tags, table));
    let is_other = |languages: &[String]| {
        let only = Tags { languages: languages.to_vec(), frameworks: Vec::new() };
        let of_framework = !tags.frameworks.is_empty() && only.fits(&is_named).is_fit();
        !only.fits(&own).is_fit() && !of_framework
    };
    let frameworks = Tags { languages: Vec::new(), frameworks: code.frameworks };
    if is_other(&code.languages) {
        return Fit::Not(Kind::Language);
    }
    frameworks.fits(profile).other().map_or(fit, Fit::Not)
}

/// What a language or a framework is, by any name that the table knows of it.
#[must_use]
pub fn known(name: &str) -> Option<Kind> {
    canonical(name).map(|(kind, _)| kind)
}

/// The same, with the name by which a project is known.
#[must_use]
pub fn canonical(name: &str) -> Option<(Kind, &'static str)> {
    Table::shipped().named(name)
}

/// Roles of frameworks that go along with any other: an import of one does not say what a project
/// is. Every kind of application has a test that imports `node:http`, and a `vite.config.ts`.
const ALONGSIDE: &[&str] = &["build", "runtime"];

/// What a page or a passage is for, by its code fences: by the words behind their marks, and by the
/// frameworks that the code imports. Commands, data and markup are in pages of every language and
/// say nothing, but HTML does where there is nothing else.
#[must_use]
pub fn detect(markdown: &str) -> Tags {
    let table = Table::shipped();
    let mut found: BTreeSet<(Kind, &str)> = BTreeSet::new();
    for line in markdown::read(&markdown[..markdown.floor_char_boundary(MOST_MARKDOWN)]) {
        match line.kind {
            Line::Opening(words) => found.extend(table.by_fence(&language_of(words))),
            Line::Code(words) => imported(table, &language_of(words), line.text, &mut found),
            _ => {}
        }
    }
    let of = |wanted: Kind| found.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, name)| *name);
    let has_code = !of(Kind::Framework).chain(of(Kind::Language)).all(|name| is_markup(table, name));
    let languages = of(Kind::Language).filter(|name| !has_code || !is_markup(table, name));
    Tags {
        languages: languages.map(str::to_owned).collect(),
        frameworks: of(Kind::Framework).map(str::to_owned).collect(),
    }
}

/// What a whole page is for that has no tags: the one language that all its code is in. Where there
/// are several each passage goes by its own, and so it does where most code does not say what it is in.
#[must_use]
pub fn detect_page(markdown: &str) -> Tags {
    let table = Table::shipped();
    let mut found: BTreeSet<(Kind, &str)> = BTreeSet::new();
    let (mut said, mut unsaid) = (0, 0);
    for line in markdown::read(&markdown[..markdown.floor_char_boundary(MOST_MARKDOWN)]) {
        if let Line::Opening(words) = line.kind {
            let named = table.by_fence(&language_of(words)).filter(|(_, name)| !is_markup(table, name));
            said += usize::from(named.is_some());
            unsaid += usize::from(words.is_empty());
            found.extend(named);
        }
    }
    if unsaid > said {
        return Tags::default();
    }
    let of = |wanted: Kind| found.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, name)| (*name).to_owned());
    let (languages, frameworks): (Vec<_>, Vec<_>) = (of(Kind::Language).collect(), of(Kind::Framework).collect());
    // JavaScript and TypeScript are one here.
    let fits_any = |one: &String| {
        let one = Profile::of_languages(std::slice::from_ref(one));
        languages.iter().all(|name| Tags { languages: vec![name.clone()], ..Tags::default() }.fits(&one).is_fit())
    };
    if languages.iter().any(fits_any) {
        Tags { languages, frameworks: Vec::new() }
    } else if languages.is_empty() && frameworks.len() == 1 {
        Tags { languages, frameworks }
    } else {
        Tags::default()
    }
}

/// Notes the frameworks that a line of a fence imports. One that says no language may be in any.
fn imported<'t>(table: &'t Table, fence: &str, code: &str, found: &mut BTreeSet<(Kind, &'t str)>) {
    let languages: &[String] = match table.by_fence(fence) {
        Some((Kind::Language, name)) => &[name.to_owned()],
        Some((kind, name)) => table.tag((kind, name)).map(|tag| tag.languages.as_slice()).unwrap_or_default(),
        None if fence.is_empty() => &[],
        None => return,
    };
    let is_its = |import: &&super::document::Import| {
        fence.is_empty() || import.languages.iter().any(|language| languages.contains(language))
    };
    for import in table.document.imports.iter().filter(is_its) {
        imports::each(import.syntax, code, &mut |package| {
            let tags = table.by_package(&import.ecosystem, package).into_iter();
            let tells = |name: &str| {
                let role = table.tag((Kind::Framework, name)).and_then(|tag| tag.role.as_deref());
                role.is_some_and(|role| !ALONGSIDE.contains(&role))
            };
            found.extend(tags.filter(|(kind, name)| *kind == Kind::Framework && tells(name)));
        });
    }
}

fn is_markup(table: &Table, name: &str) -> bool {
    table.tag((Kind::Language, name)).is_some_and(|tag| tag.markup)
}

impl Tags {
    /// What code imports, without what is part of a project of the frameworks that this one has:
    /// one of React Native imports `react`, and one of FastAPI `starlette`.
    fn at_home(mut self, profile: &Profile) -> Self {
        let table = Table::shipped();
        let of = |name: &str| table.tag((Kind::Framework, name));
        let holds = |own: &String, name: &String| {
            let goes_before = of(own).is_some_and(|own| own.displaces.contains(name));
            let comes_behind = |tag: &super::document::Tag| tag.displaced_by.contains(own) || tag.part_of.contains(own);
            goes_before || of(name).is_some_and(comes_behind)
        };
        self.frameworks.retain(|name| !profile.frameworks.iter().any(|own| holds(own, name)));
        self
    }

    /// The languages that a passage of a page with these tags may be in for this project.
    fn told(&self, table: &Table, profile: &Profile) -> Vec<String> {
        if profile.languages.is_empty() { named(self, table).languages } else { profile.languages.clone() }
    }
}

/// The languages that tags name, also by their frameworks.
fn named(tags: &Tags, table: &Table) -> Profile {
    let own = tags.languages.iter().map(|name| table.canonical(Kind::Language, name).into_owned());
    let frameworks = tags.frameworks.iter().map(|name| table.canonical(Kind::Framework, name));
    let of_framework = |name: std::borrow::Cow<'_, str>| {
        table.tag((Kind::Framework, &name)).map(|tag| tag.languages.clone()).unwrap_or_default()
    };
    Profile::of_languages(&own.chain(frameworks.flat_map(of_framework)).collect::<Vec<_>>())
}

/// `tsx title="app/page.tsx"`, `{.python}`, `ts{1,3}`, `language-js`
fn language_of(info: &str) -> String {
    let info = info.trim_start_matches(['{', '.']);
    let end =
        info.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | ':' | '(' | '[')).unwrap_or(info.len());
    info[..end].trim_start_matches("language-").to_lowercase()
}
