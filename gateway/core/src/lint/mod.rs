//! What people got wrong in what they wrote: policy, prose, pages and airplanes read together. Given
//! a page that says "open `.env`" and a lockdown that refuses that: the line, and why the agent that
//! follows it will be refused.

mod commands;
mod disagree;
mod language;
mod links;
mod reach;
mod steps;
mod tools;

use std::sync::Arc;

use crate::policy::lockdown::{Rules, Setting, Warden};
use crate::policy::{breadcrumbs, context};
use crate::retrieval::airplane::Airplane;
use crate::retrieval::chunk::Fence;
use crate::retrieval::profile::Tags;
use crate::retrieval::search::Index;
use crate::stream::guard::Judge;
use crate::wire::event::Call;

/// A text that an agent is shown.
#[derive(Debug, Clone)]
pub struct Text {
    /// Its file, from the policy's folder: `docs/errors.md`.
    pub file: String,
    pub text: String,
    /// What it is for; of pages, and none of other prose.
    pub tags: Option<Tags>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    pub lockdown: Option<&'a Arc<Rules>>,
    pub context: Option<&'a context::Rules>,
    pub path: Option<&'a breadcrumbs::Path>,
    pub index: Option<&'a Index>,
    pub airplanes: &'a [Airplane],
    /// Pages and prose.
    pub texts: &'a [Text],
    /// The text of `policy.yaml`.
    pub policy: &'a str,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub file: String,
    /// From one.
    pub line: usize,
    /// The name of the rule, by which it can be allowed.
    pub rule: &'static str,
    /// What it is, and what to do.
    pub sentence: String,
}

/// By file and line.
#[must_use]
pub fn lint(facts: &Facts<'_>) -> Vec<Finding> {
    let rules =
        [tools::check, commands::check, language::check, links::check, reach::check, steps::check, disagree::check];
    let mut found: Vec<Finding> = rules.iter().flat_map(|rule| rule(facts)).collect();
    found.retain(|finding| !is_allowed(facts, finding));
    found.sort_by(|a, b| (&a.file, a.line, a.rule).cmp(&(&b.file, b.line, b.rule)));
    found.dedup();
    found
}

/// Whether the line above says `<!-- lint: allow RULE -->`.
fn is_allowed(facts: &Facts<'_>, finding: &Finding) -> bool {
    let text = facts.texts.iter().find(|text| text.file == finding.file);
    let above = text.and_then(|text| text.text.lines().nth(finding.line.checked_sub(2)?));
    above.is_some_and(|above| above.trim() == format!("<!-- lint: allow {} -->", finding.rule))
}

/// A line of a text, and in what fence it stands.
struct Line<'a> {
    /// From one.
    number: usize,
    text: &'a str,
    /// The word behind the marks that open the fence; none outside of fences.
    fence: Option<&'a str>,
}

/// The lines of a text, without those that open and close fences.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(Fence, &str)> = None;
    for (at, line) in text.lines().enumerate() {
        match &open {
            Some((fence, _)) if fence.is_closed_by(line) => open = None,
            Some((_, word)) => found.push(Line { number: at + 1, text: line, fence: Some(word) }),
            None => match Fence::opened_by(line) {
                Some(fence) => {
                    let word = line.trim_start_matches([' ', '>', '-', '*', '\t', '`', '~']);
                    let word = word.split([' ', '{', ',', ':']).next().unwrap_or_default();
                    open = Some((fence, word));
                }
                None => found.push(Line { number: at + 1, text: line, fence: None }),
            },
        }
    }
    found
}

/// Whether the clause before this place says that something is not to be done.
fn is_denied_before(line: &str, at: usize) -> bool {
    let before = &line[..at];
    let clause = before.rfind([',', ';', ':', '.']).map_or(before, |end| &before[end..]);
    is_denied(clause)
}

/// The words that say that something is not to be done.
fn is_denied(sentence: &str) -> bool {
    let words = sentence.to_lowercase();
    ["not ", "never", "n't", "without", "instead of", "no longer", "cannot", "refuse", "rather than"]
        .iter()
        .any(|word| words.contains(word))
}

/// The rule by which a call is refused, if it is.
fn refused(rules: &Arc<Rules>, name: &str, input: &str) -> Option<String> {
    let mut warden = Warden::new(Arc::clone(rules), Setting::default());
    let call = Call { name: name.to_owned(), ..Call::default() };
    warden.judge(&call, Some(input));
    warden.refused().first().map(|refused| refused.rule.clone())
}

/// The rule by which a tool is refused whatever it is called with.
fn refused_by_name(rules: &Arc<Rules>, name: &str) -> Option<String> {
    let warden = Warden::new(Arc::clone(rules), Setting::default());
    let call = Call { name: name.to_owned(), ..Call::default() };
    if warden.needs_input(&call) { None } else { refused(rules, name, "{}") }
}

/// The line of a heading, or the first.
fn line_of(text: &str, heading: &str) -> usize {
    let is_it = |line: &Line<'_>| line.fence.is_none() && line.text.trim_start_matches('#').trim() == heading;
    lines(text).iter().find(|line| is_it(line)).map_or(1, |line| line.number)
}

#[cfg(test)]
mod tests;
