//! Steps that nothing can complete, and questions of theirs that find nothing.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::judge::{Made, Target, is_whole, made, plain, refused, refused_tool, rules_of};
use super::names::ACTS;
use super::reach::line_with;
use super::schema::contradiction;
use super::{Facts, Finding};
use crate::effects::table::{Kind, Table};
use crate::glob::Glob;
use crate::policy::breadcrumbs::{Done, Seen, Step};
use crate::policy::lockdown::Rules;
use crate::policy::lockdown::place::Folders;
use crate::retrieval::profile::{self, canonical};
use crate::wire::results::Fresh;

/// The most targets that a pattern is tried with.
const MOST_TRIED: usize = 40;

/// ``"next.js" in frameworks``
static IN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"["']([^"']+)["']\s+(?:not\s+)?in\s+(languages|frameworks)\b"#).ok());
/// ``frameworks[0] == "next.js"``
static IS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\b(languages|frameworks)\s*(?:\[\d+\]|\|\s*first)\s*[!=]=\s*["']([^"']+)["']"#).ok()
});

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(path) = facts.path else { return Vec::new() };
    let steps = path.steps().iter();
    let mut found: Vec<Finding> = steps.clone().flat_map(|step| of_step(facts, step)).collect();
    found.extend(steps.clone().enumerate().filter_map(|(at, step)| shape(step, path.schema(at)?)));
    found.extend(steps.flat_map(|step| compared(facts, step)));
    for (at, plane) in facts.airplanes.iter().enumerate() {
        let named = plane.files.iter().flat_map(|file| &file.steps);
        for id in named.filter(|id| path.steps().iter().all(|step| step.id != **id)) {
            found.push(Finding {
                file: format!("airplanes/{}/airplane.yaml", plane.name),
                line: facts.manifests.get(at).map_or(1, |text| line_with(text, id)),
                rule: "unreachable",
                sentence: format!("There is no step `{id}`, so that a file is shown for none. Is it misspelt?"),
            });
        }
    }
    found
}

/// Evidence that is asked for and cannot be.
fn shape(step: &Step, schema: &str) -> Option<Finding> {
    let (key, why) = contradiction(&serde_json::from_str(schema).ok()?)?;
    Some(Finding {
        file: step.evidence.as_ref()?.name().to_owned(),
        line: line_with(schema, &key),
        rule: "hopeless-step",
        sentence: format!("No evidence can complete the step `{}`: {why}.", step.id),
    })
}

/// Names in the prose of a step by which no project is known, such as `next.js` for `nextjs`.
fn compared(facts: &Facts<'_>, step: &Step) -> Vec<Finding> {
    let Some(text) = facts.texts.iter().find(|text| text.file == step.prompt.name()) else { return Vec::new() };
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.text.lines()).filter(|(_, line)| line.contains("{{") || line.contains("{%")) {
        let named_in =
            IN.iter().flat_map(|all| all.captures_iter(line)).filter_map(|all| Some((all.get(2)?, all.get(1)?)));
        let named_is =
            IS.iter().flat_map(|all| all.captures_iter(line)).filter_map(|all| Some((all.get(1)?, all.get(2)?)));
        for (list, name) in named_in.chain(named_is) {
            let kind = match list.as_str() {
                "languages" => profile::Kind::Language,
                _ => profile::Kind::Framework,
            };
            let meant = canonical(&name.as_str().to_lowercase()).filter(|(own, _)| *own == kind).map(|(_, name)| name);
            if meant == Some(name.as_str()) {
                continue;
            }
            let hint = meant.map_or_else(|| String::from("Is it misspelt?"), |meant| format!("Write `{meant}`."));
            found.push(Finding {
                file: text.file.clone(),
                line: number,
                rule: "unreachable",
                sentence: format!(
                    "`{}` is never among `{}`, so that this is the same for every project. {hint}",
                    name.as_str(),
                    list.as_str()
                ),
            });
        }
    }
    found
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
        let all = index.chunks().len();
        let is_vain = |query: &&String| index.search(query, all).iter().all(|hit| hit.score < rules.min_score());
        found.extend(step.docs.iter().filter(is_vain).map(|query| {
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
    // Of such a tool every call would be made up, so that one would meet it.
    let is_made = is_act(name) || calls.iter().any(|call| call.tool == name);
    let calls: Vec<Made> = calls.into_iter().filter(|call| meets(leaf, call, table)).collect();
    let says_nothing = table.knows(name) && table.kind(name) == Kind::Unknown;
    let is_plain = |inside: &str| !inside.contains(['[', '\\', '!']);
    if inside.is_some_and(|inside| says_nothing || is_made && calls.is_empty() && is_plain(inside)) {
        let is_command = name == "runs" || table.kind(name) == Kind::Commands;
        let why = if is_command { "; each command is looked at by itself, without variables before it" } else { "" };
        return Some(format!("`{text}` matches no call{why}"));
    }
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

pub(super) fn is_act(name: &str) -> bool {
    ACTS.contains(&name)
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

/// A pattern for each of what stands in braces, of which one may be inside of another.
pub(super) fn alternatives(pattern: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(text) = open.pop().filter(|_| found.len() < MOST_TRIED) {
        let Some((begin, end)) = text.find('}').and_then(|end| Some((text[..end].rfind('{')?, end))) else {
            found.push(text);
            continue;
        };
        open.extend(
            text[begin + 1..end].split(',').map(|part| format!("{}{part}{}", &text[..begin], &text[end + 1..])),
        );
    }
    found
}

/// Some of what a pattern matches: of `src/**/*.json` the files `src/a.json` and `src/a/a.json`.
fn instances(pattern: &str) -> Vec<String> {
    // Braces in a command are no choice.
    let mut found = alternatives(pattern);
    found.push(pattern.strip_suffix(":*").map_or_else(|| pattern.to_owned(), |head| format!("{head} *")));
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
