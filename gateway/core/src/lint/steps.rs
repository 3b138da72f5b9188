//! Steps that nothing can complete, and questions of theirs that find nothing.

use super::{Facts, Finding, refused_by_name};
use crate::policy::breadcrumbs::{Done, Step};

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    facts.path.into_iter().flat_map(|path| path.steps()).flat_map(|step| of_step(facts, step)).collect()
}

fn of_step(facts: &Facts<'_>, step: &Step) -> Vec<Finding> {
    let finding = |rule: &'static str, sentence: String| {
        let is_it = |line: &str| line.contains(&format!("id: {}", step.id));
        let line = facts.policy.lines().position(is_it).map_or(1, |at| at + 1);
        Finding { file: String::from("policy.yaml"), line, rule, sentence }
    };
    let mut found = Vec::new();
    let leaves = step.done.leaves();
    let hopeless: Vec<Option<String>> = leaves.iter().map(|leaf| hopeless(facts, leaf)).collect();
    let met = hopeless.iter().enumerate().filter(|(_, why)| why.is_none()).map(|(at, _)| at).collect();
    if !step.done.holds(&met) {
        let why: Vec<String> = hopeless.into_iter().flatten().collect();
        found.push(finding(
            "hopeless-step",
            format!(
                "Nothing can complete the step `{}`: {}. Ask for other evidence, or allow the tool.",
                step.id,
                why.join("; ")
            ),
        ));
    }
    if let (Some(index), Some(rules)) = (facts.index, facts.context) {
        let finds = |query: &&String| index.search(query, 1).first().is_none_or(|hit| hit.score < rules.min_score());
        found.extend(step.docs.iter().filter(finds).map(|query| {
            finding(
                "unreachable",
                format!("The step `{}` asks the documentation for \"{query}\", which finds nothing.", step.id),
            )
        }));
    }
    found
}

/// Why a condition can never be met.
fn hopeless(facts: &Facts<'_>, leaf: &Done) -> Option<String> {
    let Done::Call(rule) = leaf else { return None };
    let text = String::from(rule.clone());
    let name = text.split('(').next().unwrap_or_default();
    let is_effect = ["reads", "writes", "runs", "fetches", "sends"].contains(&name);
    if is_effect || name.contains(['*', '?', '{', '[']) {
        return None;
    }
    let refused = refused_by_name(facts.lockdown?, name)?;
    // A tool of ours in its place is called by the model, and lockdown lets it.
    let is_own = facts.lockdown.is_some_and(|rules| rules.replace.find(name).is_some());
    (!is_own).then(|| format!("`{text}` is a call that lockdown refuses ({refused})"))
}
