//! Pages that disagree about the same thing: where a symbol is imported from, what an environment
//! variable is called, whether something is still used.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{Facts, Finding, Line, Text, is_denied, lines};
use crate::retrieval::profile::Tags;

static NAMED_IMPORT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\bimport\s+\{([^}]*)\}\s+from\s+['"]([^'"]+)['"]"#).ok());
static PYTHON_IMPORT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*from\s+([A-Za-z_][\w.]*)\s+import\s+([\w, ]+)").ok());
static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b").ok());
/// ``"`oldCall` was renamed to"``, ``"`old.call()` is deprecated"``
static GONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"`([A-Za-z_][\w.]{3,})(?:\(\))?`\s+(?:is|was|has been|are)\s+(?:deprecated|removed|renamed|gone)\b")
        .ok()
});
/// Words for one thing at the end of a variable's name.
const ENDINGS: [&str; 3] = ["_API_KEY", "_TOKEN", "_KEY"];
/// Parts of packages' names that say nothing of whose they are.
const COMMON: [&str; 16] = [
    "react", "next", "vue", "nuxt", "svelte", "node", "express", "router", "client", "server", "core", "types",
    "utils", "http", "test", "plugin",
];

/// Where something was said, and what.
struct Said<'a> {
    text: &'a Text,
    line: usize,
    what: String,
}

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut imports: BTreeMap<String, Vec<Said<'_>>> = BTreeMap::new();
    let mut variables: BTreeMap<String, Vec<Said<'_>>> = BTreeMap::new();
    let pages: Vec<&Text> = facts.texts.iter().filter(|text| text.tags.is_some()).collect();
    for text in &pages {
        for line in lines(&text.text) {
            for (symbol, module) in imported(&line) {
                imports.entry(symbol).or_default().push(Said { text, line: line.number, what: module });
            }
            for name in VARIABLE.iter().flat_map(|variable| variable.find_iter(line.text)).map(|name| name.as_str()) {
                if let Some(stem) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) {
                    let said = Said { text, line: line.number, what: name.to_owned() };
                    variables.entry(stem.to_owned()).or_default().push(said);
                }
            }
        }
    }
    let mut found = Vec::new();
    for (symbol, said) in &imports {
        found.extend(differing(said, is_kin, |one, other| {
            format!("It imports `{symbol}` from `{one}`, and {other}. One of them is stale.")
        }));
    }
    // Names that stand side by side are two things.
    let is_one =
        |one: &str, other: &str| !pages.iter().any(|page| has_word(&page.text, one) && has_word(&page.text, other));
    for said in variables.values() {
        found.extend(differing(said, is_one, |one, other| {
            format!("It calls the variable `{one}`, and {other}. Use one name.")
        }));
    }
    found.extend(pages.iter().flat_map(|text| gone(&pages, text)));
    found
}

/// The symbols that a line of code imports, and from where.
fn imported(line: &Line<'_>) -> Vec<(String, String)> {
    if line.fence.is_none() {
        return Vec::new();
    }
    let split = |list: &str| -> Vec<String> {
        let names = list
            .split(',')
            .filter_map(|name| name.split(" as ").next())
            .map(|name| name.trim().trim_start_matches("type "));
        names.filter(|name| name.len() > 3).map(str::to_owned).collect()
    };
    let own = |module: &str| module.starts_with(['.', '~', '$', '#']) || module.starts_with("@/");
    let named = NAMED_IMPORT
        .iter()
        .flat_map(|import| import.captures_iter(line.text))
        .map(|found| (found[1].to_owned(), found[2].to_owned()));
    let python = PYTHON_IMPORT
        .iter()
        .flat_map(|import| import.captures_iter(line.text))
        .map(|found| (found[2].to_owned(), found[1].to_owned()));
    let all = named.chain(python).filter(|(_, module)| !own(module));
    all.flat_map(|(names, module)| split(&names).into_iter().map(move |name| (name, module.clone()))).collect()
}

/// The first of each pair of pages for the same projects that say something else.
fn differing(
    said: &[Said<'_>],
    is_same: impl Fn(&str, &str) -> bool,
    sentence: impl Fn(&str, &str) -> String,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, one) in said.iter().enumerate() {
        let other = said[..at].iter().find(|other| {
            other.what != one.what
                && is_same(&one.what, &other.what)
                && other.text.file != one.text.file
                && meet(one.text, other.text)
        });
        if let Some(other) = other {
            let where_to = format!("{}:{} says `{}`", other.text.file, other.line, other.what);
            found.push(Finding {
                file: one.text.file.clone(),
                line: one.line,
                rule: "disagreement",
                sentence: sentence(&one.what, &where_to),
            });
            break;
        }
    }
    found
}

/// Whether two packages are of one maker, by their names: `posthog-js/react`, `@posthog/react`.
fn is_kin(one: &str, other: &str) -> bool {
    let parts = |module: &str| -> Vec<String> {
        let parts = module.split(|c: char| !c.is_alphanumeric());
        parts.filter(|part| part.len() > 3 && !COMMON.contains(part)).map(str::to_lowercase).collect()
    };
    let other = parts(other);
    parts(one).iter().any(|part| other.contains(part))
}

/// Whether one project could be shown both.
fn meet(one: &Text, other: &Text) -> bool {
    let (Some(one), Some(other)) = (&one.tags, &other.tags) else { return false };
    let share = |one: &[String], other: &[String]| one == other || one.iter().any(|name| other.contains(name));
    let is_neutral = |tags: &Tags| tags.frameworks.is_empty() && tags.languages.is_empty();
    !is_neutral(one)
        && !is_neutral(other)
        && share(&one.languages, &other.languages)
        && share(&one.frameworks, &other.frameworks)
}

/// Code that uses what another page says is gone.
fn gone<'a>(pages: &[&'a Text], text: &'a Text) -> Vec<Finding> {
    let mut found = Vec::new();
    for line in lines(&text.text).iter().filter(|line| line.fence.is_none()) {
        for name in GONE.iter().flat_map(|gone| gone.captures_iter(line.text)).filter_map(|name| name.get(1)) {
            let name = name.as_str();
            for other in pages.iter().filter(|other| other.file != text.file && meet(other, text)) {
                let uses = lines(&other.text)
                    .into_iter()
                    .find(|line| line.fence.is_some() && !is_denied(line.text) && has_word(line.text, name));
                found.extend(uses.map(|uses| Finding {
                    file: other.file.clone(),
                    line: uses.number,
                    rule: "disagreement",
                    sentence: format!(
                        "Its code uses `{name}`, and {}:{} says that it is gone.",
                        text.file, line.number
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
