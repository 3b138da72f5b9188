//! Prose that asks for what a rule of lockdown forbids: commands, and files to be read or written.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::json;

use super::judge::{Act, refused, refused_file, refused_tool};
use super::prose::{Line, Prose, is_denied_fence, lines, prose, sentence};
use super::{Facts, Finding, Text};
use crate::policy::lockdown::Rules;

const SHELLS: [&str; 5] = ["sh", "bash", "shell", "console", "zsh"];
/// Programs by which a piece of code in a sentence is known to be a command.
const PROGRAMS: [&str; 19] = [
    "cat", "less", "more", "head", "tail", "printenv", "grep", "source", "cp", "mv", "curl", "wget", "git", "npm",
    "npx", "pip", "rm", "docker", "gh",
];
static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"`([^`]+)`").ok());
/// What leads to a command: ``run ``, ``then use the command ``, ``look with ``, ``finish by running ``
static WAY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let verbs = "run|execute|use|try|call|type|enter|start|do|invoke";
    let gerunds = "running|executing|using|calling|typing|entering|invoking|doing";
    let ends = r"(?:finish|end|conclude|complete|close|wrap|start|begin|continue|proceed|go\s+on|publish|share|submit|deploy|ship|release|save|verify|check|test|confirm|install|build)";
    Regex::new(&format!(
        r"(?i)(?:\b(?:({verbs})|({ends})\b[^.,;:!?`]{{0,40}}?\s(?:by|with)\s+(?:{gerunds})|and|or|then|with|via|by)\s+(?:the\s+)?(?:command\s+)?)$"
    ))
    .ok()
});
/// What happens to end so, and is nothing to be done: ``the script ended with ``
static ENDED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:(?:ended|finished|concluded|started|began)|(\w+)\s+(?:ends|finishes|concludes|starts|begins))\s+with\s+$").ok()
});
/// What is said of a command that begins a sentence: ``"`git push` is done by CI"``
static SUBJECT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[`*]*\s+(?:is|are|was|were|will|would|does|has|had|can|may)\b").ok());
/// `<name>`, and `[what may be left out]`
static PLACEHOLDER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"<@?([A-Za-z][\w-]*)[^<>&;]*>|\s\[[^\s\[\]][^\[\]]*\]").ok());
/// ``read `.env` ``, ``look in the file app/.env.local``, ``get the key from `.env` ``
static READS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let of_file =
        r"read|open|print|show|display|dump|view|see|source|inspect|examine|check|look\s+(?:at|in|into|inside|through)";
    let from_file = r"(?:get|take|fetch|copy|grab|extract|find|learn|look\s+up)\s[^.;:!?]{1,60}?\s(?:from|in|out\s+of)";
    let gerunds = r"(?:reading|opening|checking|printing|showing|dumping|inspecting|looking\s+(?:at|in|into))";
    Regex::new(&format!(r"(?i)\b(?:{BY}{gerunds}|{of_file}|{from_file})[*_]*\s+{OF_IT}{PATH}")).ok()
});
/// ``write the key to `.env` ``, ``create `.env.local` ``
static WRITES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let into_file = r"(?:write|add|put|save|append|store|paste|insert|set)\b[^.;:!?]{0,80}?\s(?:to|into|in)";
    let of_file = "create|edit|change|update|modify|overwrite|delete|remove|write";
    let into = r"(?:writing|adding|putting|saving|appending|storing|pasting)\b[^.;:!?]{0,80}?\s(?:to|into|in)";
    let of = "(?:creating|editing|changing|updating|modifying|overwriting|deleting|removing)";
    Regex::new(&format!(r"(?i)\b(?:{into_file}|{of_file}|{BY}(?:{into}|{of}))[*_]*\s+{OF_IT}{PATH}")).ok()
});
/// ``finish by ``, before what is to be done: its first word is the verb.
const BY: &str = r"(?:start|begin|continue|go\s+on|finish|end|conclude|wrap)\s+(?:up\s+|off\s+)?(?:by|with)\s+";
/// What may stand between a verb and a file.
const OF_IT: &str = r"(?:(?:the|your|its|a|an|this|existing|local|project's|app's|whole|hidden|files?|contents?|values?|of|in|env|environment)\s+)*";
/// A path: in marks whatever it is, and bare one that can be nothing else.
const PATH: &str = r#"(?:[`*"']+([\w./@~-]+)[`*"']|((?:[\w@-]+/)*\.[A-Za-z][\w-]*(?:\.[\w-]+)*|(?:[\w@.-]+/)+[\w-]+\.\w+|[\w-]+\.(?:json|ya?ml|toml|pem|key|txt|ini|cfg|conf)\b))"#;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(rules) = facts.lockdown else { return Vec::new() };
    let shell = [("Bash", "command"), ("bash", "command"), ("exec_command", "cmd"), ("run_shell_command", "command")];
    let shell = shell.into_iter().find(|(name, _)| refused_tool(rules, name).is_none());
    facts.texts.iter().flat_map(|text| of_text(rules, shell, text)).collect()
}

fn of_text(rules: &Arc<Rules>, shell: Option<(&str, &str)>, text: &Text) -> Vec<Finding> {
    let all = prose(text);
    let finding = |line: usize, what: String| Finding {
        file: text.file.clone(),
        line,
        rule: "forbidden",
        sentence: format!("{what} Say how it is to be done instead, or allow it."),
    };
    let mut found = Vec::new();
    if let Some((name, member)) = shell {
        let lines = lines(&text.text);
        let spoken = all.iter().flat_map(spoken).map(|command| vec![command]);
        for told in fenced(&lines, &all).into_iter().chain(spoken) {
            let judge = |command: &str| refused(rules, name, &json!({ member: named(command) }).to_string());
            let whole = told.iter().map(|(_, command)| *command).collect::<Vec<_>>().join("\n");
            if let Some(rule) = judge(&whole) {
                // Of a fence it is one line, if that is refused by itself.
                let own = told.iter().find(|(_, command)| judge(command).is_some()).or(told.first());
                let (line, first) = own.copied().unwrap_or_default();
                let what = format!("Lockdown refuses the command `{first}` ({rule}), which it tells the agent to run.");
                found.push(finding(line, what));
            }
        }
    }
    for paragraph in &all {
        for (pattern, act, verb) in [(&READS, Act::Reads, "read"), (&WRITES, Act::Writes, "write")] {
            found.extend(files(rules, paragraph, (pattern, act)).into_iter().map(|(line, path, rule)| {
                finding(line, format!("It asks the agent to {verb} `{path}`, which lockdown refuses ({rule})."))
            }));
        }
    }
    found
}

/// A command with a name in place of each `<name>` that stands for one, which a shell would read as a
/// file, and without what may be left out.
fn named(command: &str) -> Cow<'_, str> {
    PLACEHOLDER.as_ref().map_or(Cow::Borrowed(command), |all| all.replace_all(command, "$1"))
}

/// The files that a paragraph asks for in vain, each with its line and the rule.
fn files<'a>(
    rules: &Arc<Rules>,
    paragraph: &'a Prose,
    (pattern, act): (&LazyLock<Option<Regex>>, Act),
) -> Vec<(usize, &'a str, String)> {
    let mut found = Vec::new();
    let all = LazyLock::force(pattern).iter().flat_map(|pattern| pattern.captures_iter(&paragraph.text));
    for asked in all {
        let (Some(whole), Some(path)) = (asked.get(0), asked.get(1).or_else(|| asked.get(2))) else { continue };
        let path_text = path.as_str().trim_end_matches(['.', '/']);
        let behind = paragraph.text[path.end()..].trim_start_matches(['`', '*', '"', '\'']);
        // "Check it in" is said of git.
        let is_for_git = whole.as_str().to_lowercase().starts_with("check") && behind.starts_with(" in");
        // A tool of the policy's own does it, and is named.
        let (_, said) = sentence(&paragraph.text, whole.start());
        let has_way =
            said.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| rules.replace.find(word).is_some());
        let is_said = paragraph.asks(whole.start()) && !paragraph.denies(whole.start(), path.end());
        if is_for_git || has_way || path_text.is_empty() || !is_said {
            continue;
        }
        if let Some(rule) = refused_file(rules, path_text, act) {
            found.push((paragraph.line_at(path.start()), path_text, rule));
        }
    }
    found
}

/// The commands in fences of a shell, each fence as a whole, each command with its line.
fn fenced<'a>(lines: &[Line<'a>], prose: &[Prose]) -> Vec<Vec<(usize, &'a str)>> {
    let mut fences: Vec<Vec<&Line<'a>>> = Vec::new();
    let shells = lines.iter().filter(|line| line.fence.is_some_and(|word| SHELLS.contains(&word)));
    for line in shells.filter(|line| !is_denied_fence(prose, line.number)) {
        let is_next = |fence: &&mut Vec<&Line<'a>>| fence.last().is_some_and(|last| last.number + 1 == line.number);
        match fences.last_mut().filter(is_next) {
            Some(fence) => fence.push(line),
            None => fences.push(vec![line]),
        }
    }
    let commands = |fence: Vec<&Line<'a>>| {
        // Where prompts are shown, the rest is what the commands said.
        let has_prompts =
            fence.iter().any(|line| line.fence == Some("console") || line.text.trim_start().starts_with("$ "));
        let of_line = |line: &Line<'a>| {
            let text = line.text.trim_start();
            let command = if has_prompts { text.strip_prefix("$ ")? } else { line.text };
            (!text.is_empty() && !text.starts_with('#')).then_some((line.number, command))
        };
        fence.into_iter().filter_map(of_line).collect()
    };
    fences.into_iter().map(commands).collect()
}

/// Whether words only tell what ends so: of a script they do, of the step they ask for it.
fn is_told_of(before: &str) -> bool {
    let who = ENDED.as_ref().and_then(|ended| ended.captures(before)).map(|ended| ended.get(1));
    who.is_some_and(|who| who.is_none_or(|who| !["step", "task", "work"].contains(&who.as_str())))
}

/// The code in sentences that is plainly a command.
fn spoken(paragraph: &Prose) -> Vec<(usize, &str)> {
    let code = CODE.iter().flat_map(|code| code.captures_iter(&paragraph.text)).filter_map(|code| code.get(1));
    let is_command =
        |code: &str| code.split_once(' ').is_some_and(|(first, rest)| PROGRAMS.contains(&first) && !rest.contains('…'));
    let is_asked = |start: usize, end: usize| {
        let before = paragraph.text[..start].trim_end_matches(['`', '*']);
        // At the beginning of a sentence or a cell, or behind a verb or a word that leads to it.
        match WAY.as_ref().and_then(|way| way.captures(before)).map(|way| way.get(1).or_else(|| way.get(2))) {
            Some(Some(verb)) => paragraph.asks(verb.start()),
            Some(None) => !paragraph.is_condition(start) && !paragraph.is_of_others(start) && !is_told_of(before),
            None => {
                let is_subject = SUBJECT.as_ref().is_some_and(|all| all.is_match(&paragraph.text[end..]));
                // A link leads to what is said of it.
                let is_link = before.ends_with('[') && paragraph.text[end..].starts_with("`](");
                !before.trim_end().ends_with(char::is_alphanumeric) && !is_subject && !is_link
            }
        }
    };
    let is_told =
        |code: &regex::Match<'_>| is_asked(code.start(), code.end()) && !paragraph.denies(code.start(), code.end());
    code.filter(|code| is_command(code.as_str()) && is_told(code))
        .map(|code| (paragraph.line_at(code.start()), code.as_str()))
        .collect()
}
