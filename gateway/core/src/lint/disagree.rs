//! Pages that disagree about the same thing: where a symbol is imported from, what an environment
//! variable is called, whether something is still used. The code of airplanes counts as pages do.
//!
//! What is compared are sections, for a page can contradict itself. Two ways that stand side by side
//! in one section are there to be told apart, and so are those of different platforms or versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::audience::Audience;
use super::imports::imported;
use super::prose::{front, is_denied, lines};
use super::{Facts, Finding, Text};
use crate::retrieval::markdown;
use crate::retrieval::profile::{Tags, detect};

static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b").ok());
/// ``"`oldCall` was renamed to"``, ``"`old.call()` is deprecated"``
static GONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"`([A-Za-z_][\w.]{3,})(?:\(\))?`\s+(?:is|was|has been|are)\s+(?:deprecated|removed|renamed|gone)\b")
        .ok()
});
/// Headings above what is no longer, or not yet, done.
static VERSIONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:before|after|older?|earlier|legacy|previous|deprecated|versions?|migrat\w*|upgrad\w*|v?\d+\.\d+|v\d+)\b").ok()
});
/// Words for one thing at the end of a variable's name.
const ENDINGS: [&str; 3] = ["_API_KEY", "_TOKEN", "_KEY"];
/// Beginnings of names that say nothing of whose they are: a `SECRET_KEY` is not a `SECRET_TOKEN`.
const GENERIC: [&str; 16] = [
    "ACCESS",
    "API",
    "APP",
    "AUTH",
    "BOT",
    "CLIENT",
    "CSRF",
    "DEPLOY",
    "ENCRYPTION",
    "JWT",
    "PRIVATE",
    "PUBLIC",
    "SECRET",
    "SERVER",
    "SESSION",
    "USER",
];
/// Parts of packages' names that say nothing of whose they are.
const COMMON: [&str; 16] = [
    "react", "next", "vue", "nuxt", "svelte", "node", "express", "router", "client", "server", "core", "types",
    "utils", "http", "test", "plugin",
];
/// Parts of packages' names by which one maker's packages for different places are told apart.
const PLATFORMS: [&str; 28] = [
    "admin",
    "angular",
    "astro",
    "browser",
    "bun",
    "client",
    "deno",
    "edge",
    "electron",
    "expo",
    "express",
    "fastify",
    "lite",
    "native",
    "nestjs",
    "next",
    "nextjs",
    "node",
    "nuxt",
    "preact",
    "react",
    "server",
    "solid",
    "ssr",
    "svelte",
    "sveltekit",
    "vue",
    "web",
];

/// A section of a page, or a file of an airplane.
struct Part {
    file: String,
    /// From one.
    first_line: usize,
    text: String,
    /// It is code as a whole.
    is_file: bool,
    audience: Audience,
    /// Its headings say that it is about another version.
    is_other_version: bool,
}

/// Where something was said, and what.
struct Said<'a> {
    part: &'a Part,
    line: usize,
    what: String,
}

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let parts = parts(facts);
    let mut imports: BTreeMap<String, Vec<Said<'_>>> = BTreeMap::new();
    let mut variables: BTreeMap<String, Vec<Said<'_>>> = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.is_other_version) {
        for (first, code) in part.code() {
            for (at, symbol, module) in imported(&code) {
                let line = first + code[..at].matches('\n').count();
                imports.entry(symbol).or_default().push(Said { part, line, what: module });
            }
        }
        for (at, line) in part.text.lines().enumerate() {
            for name in VARIABLE.iter().flat_map(|variable| variable.find_iter(line)).map(|name| name.as_str()) {
                let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
                if let Some(stem) = stem.filter(|stem| !GENERIC.contains(stem)) {
                    let said = Said { part, line: part.first_line + at, what: name.to_owned() };
                    variables.entry(stem.to_owned()).or_default().push(said);
                }
            }
        }
    }
    let mut found = Vec::new();
    // Names that stand side by side are two things.
    let is_apart = |one: &str, other: &str| parts.iter().any(|part| part.names(one) && part.names(other));
    let are_both = |one: &str, other: &str| parts.iter().any(|part| part.has_module(one) && part.has_module(other));
    for (symbol, said) in &imports {
        let is_same = |one: &str, other: &str| is_kin(one, other) && !are_both(one, other);
        found.extend(differing(said, is_same, |one, other| {
            format!("It imports `{symbol}` from `{one}`, and {other}. One of them is stale.")
        }));
    }
    for said in variables.values() {
        found.extend(differing(
            said,
            |one, other| !is_apart(one, other),
            |one, other| format!("It calls the variable `{one}`, and {other}. Use one name."),
        ));
    }
    found.extend(parts.iter().flat_map(|part| gone(&parts, part)));
    found
}

/// The files of airplanes, and then the sections of pages, so that a page is told which contradicts
/// code that runs.
fn parts(facts: &Facts<'_>) -> Vec<Part> {
    let mut known: BTreeMap<(Vec<String>, Vec<String>), Audience> = BTreeMap::new();
    let mut audience = |tags: Tags| {
        let key = (tags.languages.clone(), tags.frameworks.clone());
        known.entry(key).or_insert_with(|| Audience::of(tags)).clone()
    };
    let mut found = Vec::new();
    for plane in facts.airplanes {
        found.extend(plane.files.iter().map(|file| Part {
            file: format!("airplanes/{}/{}", plane.name, file.path),
            first_line: 1,
            text: file.text.clone(),
            is_file: true,
            audience: audience(plane.tags.clone()),
            is_other_version: false,
        }));
    }
    for text in facts.texts {
        let Some(tags) = &text.tags else { continue };
        found.extend(sections(text).into_iter().map(|(first_line, section, titles)| {
            // As it is told for whom a passage is: by tags, or else by its code.
            let own = [tags.clone(), detect(&section), detect(&text.text)];
            let tags = own.into_iter().find(|tags| *tags != Tags::default()).unwrap_or_default();
            Part {
                file: text.file.clone(),
                first_line,
                is_file: false,
                audience: audience(tags),
                is_other_version: VERSIONS.as_ref().is_some_and(|versions| versions.is_match(&titles)),
                text: section,
            }
        }));
    }
    found
}

/// The sections of a text, each with the line that it begins in and the headings above it.
fn sections(text: &Text) -> Vec<(usize, String, String)> {
    let lines: Vec<&str> = text.text.lines().collect();
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    let first = front(text) + 1;
    let mut begin = first;
    let section = |begin: usize, end: usize| lines.get(begin - 1..end - 1).unwrap_or_default().join("\n");
    let titles =
        |above: &[(usize, String)]| above.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>().join(" > ");
    for heading in markdown::headings(&text.text).into_iter().filter(|heading| heading.line >= first) {
        found.push((begin, section(begin, heading.line), titles(&above)));
        begin = heading.line;
        above.retain(|(level, _)| *level < heading.level);
        above.push((heading.level, heading.title.into_owned()));
    }
    found.push((begin, section(begin, lines.len() + 1), titles(&above)));
    found
}

impl Part {
    /// Its code, each piece with the line that it begins in.
    fn code(&self) -> Vec<(usize, String)> {
        if self.is_file {
            return vec![(1, self.text.clone())];
        }
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut last = 0;
        for line in lines(&self.text).into_iter().filter(|line| line.fence.is_some()) {
            match found.last_mut().filter(|_| last + 1 == line.number) {
                Some((_, code)) => {
                    code.push('\n');
                    code.push_str(line.text);
                }
                None => found.push((self.first_line + line.number - 1, line.text.to_owned())),
            }
            last = line.number;
        }
        found
    }

    /// Whether it speaks of a package: in marks, or as Python imports it.
    fn has_module(&self, name: &str) -> bool {
        let quoted = ['`', '\'', '"'].iter().any(|mark| self.text.contains(&format!("{mark}{name}{mark}")));
        quoted || self.text.contains(&format!("from {name} import"))
    }

    /// Whether it names a variable: that, and none whose name only begins or ends so.
    fn names(&self, name: &str) -> bool {
        has_word(&self.text, name)
    }

    fn is(&self, other: &Self) -> bool {
        self.file == other.file && self.first_line == other.first_line
    }
}

/// The first pair that one project could be shown and that says two things.
fn differing(
    said: &[Said<'_>],
    is_same: impl Fn(&str, &str) -> bool,
    sentence: impl Fn(&str, &str) -> String,
) -> Option<Finding> {
    said.iter().enumerate().find_map(|(at, one)| {
        let other = said[..at].iter().find(|other| {
            other.what != one.what
                && !other.part.is(one.part)
                && one.part.audience.meets(&other.part.audience)
                && is_same(&one.what, &other.what)
        })?;
        let where_to = format!("{}:{} says `{}`", other.part.file, other.line, other.what);
        Some(Finding {
            file: one.part.file.clone(),
            line: one.line,
            rule: "disagreement",
            sentence: sentence(&one.what, &where_to),
        })
    })
}

/// Whether two packages are of one maker and for the same place, by their names: `posthog-js/react`
/// and `@posthog/react` are, `posthog-js` and `posthog-node` are not.
fn is_kin(one: &str, other: &str) -> bool {
    let parts = |module: &str| -> BTreeSet<String> {
        module.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect()
    };
    let (one, other) = (parts(one), parts(other));
    let places = |parts: &BTreeSet<String>| -> Vec<String> {
        parts.iter().filter(|part| PLATFORMS.contains(&part.as_str())).cloned().collect()
    };
    let mut shared = one.intersection(&other);
    places(&one) == places(&other) && shared.any(|part| part.len() > 3 && !COMMON.contains(&part.as_str()))
}

/// Code that uses what another section says is gone.
fn gone(parts: &[Part], part: &Part) -> Vec<Finding> {
    let mut found = Vec::new();
    let said = lines(&part.text).into_iter().filter(|line| line.fence.is_none() && !part.is_file);
    for line in said.collect::<Vec<_>>() {
        for name in GONE.iter().flat_map(|gone| gone.captures_iter(line.text)).filter_map(|name| name.get(1)) {
            let name = name.as_str();
            let others = parts.iter().filter(|other| !other.is(part) && !other.is_other_version);
            for other in others.filter(|other| other.audience.meets(&part.audience)) {
                let code = other.code();
                let lines = code
                    .iter()
                    .flat_map(|(first, code)| code.lines().enumerate().map(move |(at, line)| (first + at, line)));
                let uses = lines.into_iter().find(|(_, line)| !is_denied(line) && has_word(line, name));
                found.extend(uses.map(|(number, _)| Finding {
                    file: other.file.clone(),
                    line: number,
                    rule: "disagreement",
                    sentence: format!(
                        "Its code uses `{name}`, and {}:{} says that it is gone.",
                        part.file,
                        part.first_line + line.number - 1
                    ),
                }));
            }
        }
    }
    found
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}
