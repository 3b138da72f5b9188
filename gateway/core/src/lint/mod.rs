//! What people got wrong in what they wrote: policy, prose, pages and airplanes read together. Given
//! a page that says "open `.env`" and a lockdown that refuses that: the line, and why the agent that
//! follows it will be refused.

mod audience;
mod commands;
mod disagree;
mod imports;
mod judge;
mod language;
mod links;
mod prose;
mod reach;
mod steps;
mod tools;

use std::sync::Arc;

use crate::policy::lockdown::Rules;
use crate::policy::{breadcrumbs, context};
use crate::retrieval::airplane::Airplane;
use crate::retrieval::profile::Tags;
use crate::retrieval::search::Index;

/// A text that an agent is shown.
#[derive(Debug, Clone)]
pub struct Text {
    /// Its file, from the policy's folder: `docs/errors.md`.
    pub file: String,
    pub text: String,
    /// What it is for; of pages and of airplanes, and none of other prose.
    pub tags: Option<Tags>,
    /// The name by which the index knows it, if it is a page.
    pub page: Option<String>,
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
    /// The files that lie in the policy's folder; none where that is not known.
    pub files: &'a [String],
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

#[cfg(test)]
mod tests;
