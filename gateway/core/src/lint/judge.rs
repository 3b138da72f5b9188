//! Calls that are made up, to ask rules about them. Given the file `.env`: `Read` with
//! `{"file_path": ".env"}`, `Bash` with `cat .env`, and what other agents have for it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::effects::Effect;
use crate::policy::lockdown::{Rules, Setting, Warden};
use crate::stream::guard::Judge;
use crate::wire::event::Call;

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    File(&'a str),
    Address(&'a str),
    Command(&'a str),
}

/// What something is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Reads,
    Writes,
}

/// How the arguments of well-known tools are written: `$` stands for the target. Each tool of
/// `tools.yaml` that reads, writes, fetches or runs, by one spelling of its arguments. A search also with
/// a pattern: without one it comes upon whatever lies below.
const FILES: [(&str, &str); 21] = [
    ("Read", r#"{"file_path":$}"#),
    ("Write", r#"{"file_path":$,"content":""}"#),
    ("Edit", r#"{"file_path":$,"old_string":"a","new_string":"b"}"#),
    ("MultiEdit", r#"{"file_path":$,"edits":"a"}"#),
    ("NotebookEdit", r#"{"notebook_path":$,"new_source":"a"}"#),
    ("Grep", r#"{"pattern":"a","path":$}"#),
    ("Grep", r#"{"pattern":"a","path":$,"glob":"*.ts"}"#),
    ("read", r#"{"filePath":$}"#),
    ("write", r#"{"filePath":$,"content":""}"#),
    ("edit", r#"{"filePath":$,"oldString":"a","newString":"b"}"#),
    ("multiedit", r#"{"filePath":$,"edits":"a"}"#),
    ("grep", r#"{"pattern":"a","path":$}"#),
    ("grep", r#"{"pattern":"a","path":$,"include":"*.ts"}"#),
    ("read_file", r#"{"file_path":$}"#),
    ("write_file", r#"{"file_path":$,"content":""}"#),
    ("create_file", r#"{"path":$,"content":""}"#),
    ("edit_file", r#"{"path":$,"edits":"a"}"#),
    ("replace", r#"{"file_path":$,"old_string":"a","new_string":"b"}"#),
    ("str_replace_based_edit_tool", r#"{"command":"view","path":$}"#),
    ("str_replace_based_edit_tool", r#"{"command":"create","path":$,"file_text":""}"#),
    ("view_image", r#"{"path":$}"#),
];
const ADDRESSES: [(&str, &str); 9] = [
    ("WebFetch", r#"{"url":$,"prompt":"a"}"#),
    ("WebSearch", r#"{"query":$}"#),
    ("webfetch", r#"{"url":$}"#),
    ("websearch", r#"{"query":$}"#),
    ("web_fetch", r#"{"url":$}"#),
    ("web_search", r#"{"query":$}"#),
    ("google_web_search", r#"{"query":$}"#),
    ("fetch", r#"{"url":$}"#),
    ("fetch_webpage", r#"{"urls":$}"#),
];
const COMMANDS: [(&str, &str); 7] = [
    ("Bash", r#"{"command":$}"#),
    ("bash", r#"{"command":$}"#),
    ("exec_command", r#"{"cmd":$}"#),
    ("shell_command", r#"{"command":$}"#),
    ("shell", r#"{"command":["bash","-lc",$]}"#),
    ("run_shell_command", r#"{"command":$}"#),
    ("execute_command", r#"{"command":$}"#),
];

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub tool: &'static str,
    pub input: String,
}

impl Made {
    pub(super) fn is_shell(&self) -> bool {
        COMMANDS.iter().any(|(tool, _)| *tool == self.tool)
    }
}

/// The calls that are about this, by every tool that could be.
pub(super) fn made(target: Target<'_>) -> Vec<Made> {
    let fill = |(tool, shape): &(&'static str, &str), text: &str| Made {
        tool,
        input: shape.replace('$', &Value::from(text).to_string()),
    };
    let run = |command: &str| COMMANDS.iter().map(|shape| fill(shape, command)).collect::<Vec<_>>();
    match target {
        Target::File(path) => {
            let patch = format!("*** Begin Patch\n*** Add File: {path}\n+a\n*** End Patch\n");
            let mut calls: Vec<Made> = FILES.iter().map(|shape| fill(shape, path)).collect();
            calls.push(Made { tool: "apply_patch", input: patch });
            calls.extend(run(&format!("cat '{path}'")));
            calls.extend(run(&format!("echo a > '{path}'")));
            calls
        }
        Target::Address(address) => {
            let mut calls: Vec<Made> = ADDRESSES.iter().map(|shape| fill(shape, address)).collect();
            calls.extend(run(&format!("curl '{address}'")));
            calls
        }
        Target::Command(command) => run(command),
    }
}

/// A call about each kind of thing, none of which any rule singles out.
pub(super) fn plain() -> Vec<Made> {
    let targets = [Target::File("a.txt"), Target::Address("https://example.com/"), Target::Command("true")];
    targets.into_iter().flat_map(made).collect()
}

/// The rule by which a call is refused, if it is.
pub(super) fn refused(rules: &Arc<Rules>, name: &str, input: &str) -> Option<String> {
    let mut warden = Warden::new(Arc::clone(rules), Setting::default());
    let call = Call { name: name.to_owned(), ..Call::default() };
    warden.judge(&call, Some(input));
    warden.refused().first().map(|refused| refused.rule.clone())
}

/// The rule by which a tool is refused whatever it is called with: by its name, or since all that it
/// can do is what a rule forbids of every tool.
pub(super) fn refused_tool(rules: &Arc<Rules>, name: &str) -> Option<String> {
    if rules.replace.find(name).is_some() {
        // A tool of ours is called by the model, and lockdown lets it.
        return None;
    }
    let warden = Warden::new(Arc::clone(rules), Setting::default());
    let call = Call { name: name.to_owned(), ..Call::default() };
    if !warden.needs_input(&call) {
        return refused(rules, name, "{}");
    }
    if !rules.offers_name(name) {
        return Some(String::from("not in allow"));
    }
    let calls: Vec<Made> = plain().into_iter().filter(|call| call.tool == name).collect();
    let rules: Vec<String> = calls.iter().filter_map(|call| refused(rules, name, &call.input)).collect();
    (!calls.is_empty() && rules.len() == calls.len() && rules.iter().all(|rule| is_whole(rule)))
        .then(|| rules.into_iter().next())
        .flatten()
}

/// Whether a rule forbids one thing of every tool, whatever it is done with: `deny fetches`.
pub(super) fn is_whole(rule: &str) -> bool {
    let rule = rule.strip_prefix("deny ").map(|rule| rule.trim_end_matches("(*)"));
    rule.is_some_and(|rule| ["reads", "writes", "runs", "fetches", "sends"].contains(&rule))
}

/// The rule by which nothing that is allowed could do this to a file. None where something could,
/// and where no tool is there for it at all.
pub(super) fn refused_file(rules: &Arc<Rules>, path: &str, act: Act) -> Option<String> {
    let mut why: Option<String> = None;
    for call in made(Target::File(path)).into_iter().filter(|call| rules.offers_name(call.tool)) {
        let effects = rules.table().effects(call.tool, None, &call.input);
        let writes = effects.list.iter().any(|effect| matches!(effect, Effect::Writes(_)));
        if writes != (act == Act::Writes) {
            continue;
        }
        match refused(rules, call.tool, &call.input) {
            None => return None,
            // A shell that is there for other commands is no way to read a file.
            Some(rule) if call.is_shell() && !rule.starts_with("deny ") => {}
            Some(rule) if why.is_none() || rule.starts_with("deny ") => why = Some(rule),
            Some(_) => {}
        }
    }
    why
}

/// A step's `tools` as rules of a lockdown, to be asked like one.
pub(super) fn rules_of(allow: &[String]) -> Option<Arc<Rules>> {
    serde_json::from_value::<Rules>(json!({ "allow": allow })).ok().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::table::Table;

    #[test]
    fn every_call_that_is_made_up_is_understood() {
        for call in plain() {
            let effects = Table::shipped().effects(call.tool, None, &call.input);
            assert!(effects.unclear.is_none() && !effects.list.is_empty(), "{call:?}: {effects:?}");
        }
    }
}
