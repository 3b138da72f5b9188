//! Prose that names a tool which lockdown refuses, or which its step has no use for.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::judge::{refused_tool, rules_of};
use super::prose::{Prose, prose};
use super::{Facts, Finding, Text};
use crate::effects::table::Table;
use crate::policy::breadcrumbs::is_ours;
use crate::policy::lockdown::Rules;

static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[A-Za-z][\w.-]*").ok());
/// What stands before a tool that is to be used, others of a list included: ``use the ``,
/// ``via ``, ``call `Read` or ``.
static ASKED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let verbs = r"use(?:\s+of)?|using|call|calling|with|invoke|run|via|through|by|try|prefer";
    Regex::new(&format!(r"(?i)\b({verbs})\s+(?:the\s+|your\s+|its\s+)?(?:built-in\s+)?{OTHERS}$")).ok()
});
/// Those of its words that are no verbs.
const BY: [&str; 6] = ["using", "calling", "with", "via", "through", "by"];
/// ``the tool ``, ``tools such as `Read` and ``
static TOOL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(r"(?i)\btools?\s+(?:called\s+|named\s+|such\s+as\s+|like\s+)?{OTHERS}$")).ok()
});
static TOOL_BEHIND: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)^\s+tools?\b").ok());
static ARTICLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\b(?:the|your)\s+$").ok());
/// Those that stand before it in a list.
const OTHERS: &str = r"(?:[`*]*[A-Za-z][\w.-]*[`*]*(?:\s*,\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+|\s*/\s*))*";
/// Tools that agents spell in several ways. Who forbids one and asks for another has not thought of
/// that.
const SPELLINGS: [&[&str]; 4] = [
    &["WebFetch", "webfetch", "web_fetch"],
    &["WebSearch", "websearch", "web_search", "google_web_search"],
    &["MultiEdit", "multiedit"],
    &["TodoWrite", "todowrite", "todo_write"],
];

/// How a name stands in a sentence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// In marks, so that it is meant as a name.
    Marked,
    Bare,
}

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    facts.texts.iter().flat_map(|text| of_text(facts, text)).collect()
}

fn of_text(facts: &Facts<'_>, text: &Text) -> Vec<Finding> {
    let steps: Vec<(&str, Arc<Rules>)> = facts
        .path
        .into_iter()
        .flat_map(|path| path.steps())
        .filter(|step| step.prompt.name() == text.file)
        .filter_map(|step| Some((step.id.as_str(), rules_of(&Vec::from(step.tools.clone()?))?)))
        .collect();
    let mut found = Vec::new();
    for prose in prose(text) {
        for (start, name) in named(&prose, text.page.is_some(), facts.lockdown) {
            if prose.denies(start, start + name.len()) {
                continue;
            }
            let sentence = facts.lockdown.and_then(|rules| by_lockdown(rules, name)).or_else(|| {
                let is_own = |rules: &Arc<Rules>| rules.replace.find(name).is_some();
                let (id, _) = steps.iter().find(|(_, rules)| refused_tool(rules, name).is_some())?;
                (!is_ours(name) && !facts.lockdown.is_some_and(is_own)).then(|| {
                    format!(
                        "It tells the agent to use the tool `{name}`, and the `tools` of the step `{id}` leave it out. Name another way, or add the tool to them."
                    )
                })
            });
            found.extend(sentence.map(|sentence| Finding {
                file: text.file.clone(),
                line: prose.line_at(start),
                rule: "refused-tool",
                sentence,
            }));
        }
    }
    found
}

fn by_lockdown(rules: &Arc<Rules>, name: &str) -> Option<String> {
    if let Some(rule) = refused_tool(rules, name) {
        return Some(format!(
            "It tells the agent to use the tool `{name}`, which lockdown refuses ({rule}). Name another way, or allow the tool."
        ));
    }
    let others = SPELLINGS.iter().find(|names| names.contains(&name))?.iter().filter(|other| **other != name);
    // One that is merely not allowed is another agent's; one that is denied is not wanted.
    let denied = |other: &&&str| refused_tool(rules, other).filter(|rule| rule.starts_with("deny "));
    let (other, rule) = others.copied().find_map(|other| Some((other, denied(&&other)?)))?;
    Some(format!(
        "It tells the agent to use the tool `{name}`, which other agents call `{other}`, and that lockdown refuses ({rule}). Name another way, or deny or allow every spelling."
    ))
}

/// The tools that a paragraph tells to use, each with where it stands. On a page, `fetch` in marks is
/// more likely a function, and has to be called a tool.
fn named<'a>(prose: &'a Prose, is_page: bool, rules: Option<&Arc<Rules>>) -> Vec<(usize, &'a str)> {
    let text = prose.text.as_str();
    let is_tool = |name: &str| {
        Table::shipped().knows(name)
            || rules.is_some_and(|rules| rules.table().knows(name))
            || name.starts_with("mcp__")
    };
    let has = |pattern: &LazyLock<Option<Regex>>, text: &str| {
        LazyLock::force(pattern).as_ref().is_some_and(|pattern| pattern.is_match(text))
    };
    let mut found = Vec::new();
    for word in WORD.iter().flat_map(|word| word.find_iter(text)) {
        let (start, name) = (word.start(), word.as_str().trim_end_matches(['.', '-']));
        let (before, behind) = (&text[..start], &text[start + name.len()..]);
        let is_within = before.ends_with(|c: char| c.is_alphanumeric() || "./-@_".contains(c));
        if is_within || !is_tool(name) {
            continue;
        }
        let is_marked = ['`', '*'].iter().any(|mark| before.ends_with(*mark) && behind.starts_with(*mark));
        let look = if is_marked { Look::Marked } else { Look::Bare };
        let (before, behind) = (before.trim_end_matches(['`', '*']), behind.trim_start_matches(['`', '*']));
        let is_called_tool = has(&TOOL, before) || has(&TOOL_BEHIND, behind);
        let is_word = !is_distinct(name) && name.starts_with(char::is_lowercase);
        let is_name = match look {
            Look::Marked => is_called_tool || !(is_page && is_word),
            // Many are words like others: `read`, `list`, `wait`.
            Look::Bare => is_distinct(name) || has(&TOOL_BEHIND, behind) && has(&ARTICLE, before),
        };
        let is_asked = is_name
            && match ASKED.as_ref().and_then(|asked| asked.captures(before)).and_then(|asked| asked.get(1)) {
                Some(word) if BY.contains(&word.as_str().to_lowercase().as_str()) => !prose.is_of_others(start),
                Some(verb) => prose.asks(verb.start()),
                None => is_called_tool && !prose.is_condition(start),
            };
        if is_asked {
            found.push((start, name));
        }
    }
    found
}

/// Whether a name is none of the words that people say.
fn is_distinct(name: &str) -> bool {
    name.contains('_')
        || name.chars().skip(1).any(char::is_uppercase)
        || SPELLINGS.iter().any(|names| names.contains(&name))
}
