//! What people got wrong in what they wrote: policy, prose, pages and airplanes read together. Given
//! a page that says "open `.env`" and a lockdown that refuses that: the line, and why the agent that
//! follows it will be refused.

mod audience;
mod claims;
mod commands;
mod disagree;
mod gone;
mod imports;
mod installs;
mod judge;
mod language;
mod links;
mod matter;
mod names;
mod prose;
mod reach;
mod schema;
mod steps;
mod tools;

use std::sync::Arc;

use crate::policy::lockdown::Rules;
use crate::policy::{breadcrumbs, context};
use crate::retrieval::airplane::Airplane;
use crate::retrieval::markdown::{self, Kind};
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
    /// The texts of their `airplane.yaml`, in the same order; none where they are not known.
    pub manifests: &'a [String],
    /// Pages and prose.
    pub texts: &'a [Text],
    /// The text of `policy.yaml`.
    pub policy: &'a str,
    /// The files that lie in the policy's folder; none where that is not known.
    pub files: &'a [String],
    /// Patterns that match nothing of a sitemap that was fetched, each behind the name of its source.
    pub vain: &'a [(String, String)],
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
    let rules = [
        tools::check,
        names::check,
        commands::check,
        language::check,
        links::check,
        matter::check,
        reach::check,
        steps::check,
        disagree::check,
    ];
    let mut found: Vec<Finding> = rules.iter().flat_map(|rule| rule(facts)).collect();
    found.retain(|finding| !is_allowed(facts, finding));
    found.sort_by(|a, b| (&a.file, a.line, a.rule).cmp(&(&b.file, b.line, b.rule)));
    found.dedup();
    found
}

/// Whether the line above says `<!-- lint: allow RULE -->`, or the same in a comment of MDX. Of code it is the
/// line above its fence: in there it would be shown to models.
fn is_allowed(facts: &Facts<'_>, finding: &Finding) -> bool {
    let Some(text) = facts.texts.iter().find(|text| text.file == finding.file) else { return false };
    let (before, body) = prose::parted(&text.text);
    let lines = markdown::read(body);
    let Some(own) = finding.line.checked_sub(before + 1).filter(|own| *own < lines.len()) else { return false };
    let is_code = matches!(lines[own].kind, Kind::Code(_));
    let opening = lines[..own].iter().rposition(|line| is_code && matches!(line.kind, Kind::Opening(_)));
    let above = opening.unwrap_or(own).checked_sub(1).map(|above| &lines[above]);
    let marks =
        [("<!--", "-->"), ("{/*", "*/}")].map(|(begin, end)| format!("{begin} lint: allow {} {end}", finding.rule));
    above.is_some_and(|above| above.kind == Kind::Text && marks.iter().any(|mark| above.text.trim() == mark))
}

#[cfg(test)]
mod tests;
