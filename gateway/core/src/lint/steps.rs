//! Steps that nothing can complete, and questions of theirs that find nothing.

use std::sync::Arc;

use super::judge::{Made, Target, is_whole, made, plain, refused, refused_tool, rules_of};
use super::{Facts, Finding};
use crate::effects::table::Table;
use crate::glob::Glob;
use crate::policy::breadcrumbs::{Done, Seen, Step};
use crate::policy::lockdown::Rules;
use crate::policy::lockdown::place::Folders;
use crate::wire::results::Fresh;

/// The most targets that a pattern is tried with.
const MOST_TRIED: usize = 40;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    facts.path.into_iter().flat_map(|path| path.steps()).flat_map(|step| of_step(facts, step)).collect()
}

fn of_step(facts: &Facts<'_>, step: &Step) -> Vec<Finding> {
    let finding = |rule: &'static str, sentence: String| {
        let line = line_of_step(facts.policy, &step.id);
        Finding { file: String::from("policy.yaml"), line, rule, sentence }
    };
    let mut found = Vec::new();
    let leaves = step.done.leaves();
    let hopeless: Vec<Option<String>> = leaves.iter().map(|leaf| hopeless(facts, step, leaf)).collect();
    let met = hopeless.iter().enumerate().filter(|(_, why)| why.is_none()).map(|(at, _)| at).collect();
    if !step.done.holds(&met) {
        let why: Vec<String> = hopeless.into_iter().flatten().collect();
        found.push(finding(
            "hopeless-step",
            format!(
                "Nothing can complete the step `{}`: {}. Ask for other evidence, or allow the call.",
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

/// The line of a step in `policy.yaml`.
pub(super) fn line_of_step(policy: &str, id: &str) -> usize {
    let is_it = |line: &str| {
        let behind = line.split_once("id:").map(|(_, behind)| behind.trim_start().trim_start_matches(['"', '\'']));
        let rest = behind.and_then(|behind| behind.strip_prefix(id));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
    };
    policy.lines().position(is_it).map_or(1, |at| at + 1)
}

/// Why a condition can never be met.
fn hopeless(facts: &Facts<'_>, step: &Step, leaf: &Done) -> Option<String> {
    let Done::Call(rule) = leaf else { return None };
    let text = String::from(rule.clone());
    let (name, inside) = text.split_once('(').map_or((text.as_str(), None), |(name, rest)| (name, Some(rest)));
    let inside = inside.and_then(|inside| inside.strip_suffix(')')).filter(|inside| *inside != "*");
    // A tool of ours in its place is called by the model, and lockdown lets it.
    if facts.lockdown.is_some_and(|rules| rules.replace.find(name).is_some()) {
        return None;
    }
    let table = facts.lockdown.map_or(Table::shipped(), |rules| rules.table());
    let of_step = step.tools.clone().and_then(|tools| rules_of(&Vec::from(tools)));
    let targets = inside.map_or_else(Vec::new, instances);
    let calls: Vec<Made> = match inside {
        Some(_) => targets.iter().flat_map(|target| about(name, target)).collect(),
        None => plain(),
    };
    let calls: Vec<Made> = calls.into_iter().filter(|call| meets(leaf, call, table)).collect();
    let is_exact = inside.is_some_and(|inside| !inside.contains(['*', '?', '[', '{']));
    let by = |rules: Option<&Arc<Rules>>| -> Option<String> {
        let rules = rules?;
        if calls.is_empty() {
            // A tool that is in no table, by its name.
            let is_name = Glob::parse(name).is_ok() && !name.contains(['*', '?', '{', '[']) && !is_act(name);
            return refused_tool(rules, name).filter(|_| is_name);
        }
        let judged = |call: &Made| {
            let whole = refused_tool(rules, call.tool);
            whole.or_else(|| {
                // What is allowed in part could be allowed for another file that the pattern matches.
                let is_some = inside.is_some();
                let counts = |rule: &String| is_whole(rule) || is_some && (is_exact || rule.starts_with("deny "));
                refused(rules, call.tool, &call.input).filter(counts)
            })
        };
        let why: Option<Vec<String>> = calls.iter().map(judged).collect();
        let why = why?;
        why.iter().find(|rule| rule.starts_with("deny ")).or(why.first()).cloned()
    };
    if let Some(rule) = by(facts.lockdown) {
        return Some(format!("`{text}` is a call that lockdown refuses ({rule})"));
    }
    by(of_step.as_ref()).map(|_| format!("`{text}` is a call that its own `tools` leave out"))
}

fn is_act(name: &str) -> bool {
    ["reads", "writes", "runs", "fetches", "sends"].contains(&name)
}

/// The calls that are about this, whatever kind of target it is.
fn about(name: &str, target: &str) -> Vec<Made> {
    let address = match target.strip_prefix("domain:") {
        Some(host) => format!("https://{host}/"),
        None => target.to_owned(),
    };
    match name {
        "reads" | "writes" => made(Target::File(target)),
        "runs" => made(Target::Command(target)),
        "fetches" => made(Target::Address(&address)),
        _ => [Target::File(target), Target::Command(target), Target::Address(&address)].map(made).concat(),
    }
}

/// Whether a call that went well would meet the condition.
fn meets(leaf: &Done, call: &Made, table: &Table) -> bool {
    let result = Fresh {
        call: String::from("-"),
        name: call.tool.to_owned(),
        namespace: None,
        input: call.input.clone(),
        failed: false,
        texts: Vec::new(),
    };
    !leaf.met_by(Seen { result: &result, called: None, folders: &Folders::default(), table }).is_empty()
}

/// Some of what a pattern matches: of `src/**/*.json` the files `src/a.json` and `src/a/a.json`.
fn instances(pattern: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![pattern.to_owned()];
    // First each of what stands in braces, of which one may be inside of another.
    while let Some(text) = open.pop().filter(|_| found.len() < MOST_TRIED) {
        let Some((begin, end)) = text.find('}').and_then(|end| Some((text[..end].rfind('{')?, end))) else {
            found.push(text);
            continue;
        };
        open.extend(
            text[begin + 1..end].split(',').map(|part| format!("{}{part}{}", &text[..begin], &text[end + 1..])),
        );
    }
    let fills = ["", "a", "b1"];
    let filled = found.iter().flat_map(|text| {
        fills.iter().flat_map(move |fill| {
            ["", "a/"].map(|folder| {
                text.replace("**/", folder).replace("**", if fill.is_empty() { "a" } else { fill }).replace('*', fill)
            })
        })
    });
    let mut filled: Vec<String> = filled.map(|text| text.replace('?', "a")).filter(|text| !text.is_empty()).collect();
    filled.sort();
    filled.dedup();
    filled
}
