//! Prose that asks for what a rule of lockdown forbids: commands, and files to be read.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::json;

use super::{Facts, Finding, Line, Text, is_denied, lines, refused, refused_by_name};
use crate::policy::lockdown::Rules;

const SHELLS: [&str; 5] = ["sh", "bash", "shell", "console", "zsh"];
/// Programs by which a piece of code in a sentence is known to be a command.
const PROGRAMS: [&str; 16] = [
    "cat", "less", "more", "head", "tail", "printenv", "grep", "source", "cp", "mv", "curl", "wget", "git", "npm",
    "npx", "pip",
];
static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"`([^`]+)`").ok());
/// ``read `.env` ``, ``open the file `app/.env.local` ``
static READS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:read|open|print|show|look\s+(?:at|into)|inspect)\s+(?:the\s+)?(?:file\s+|contents?\s+of\s+)?`([\w./-]+)`").ok()
});

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(rules) = facts.lockdown else { return Vec::new() };
    let shell = [("Bash", "command"), ("bash", "command"), ("exec_command", "cmd")];
    let shell = shell.into_iter().find(|(name, _)| refused_by_name(rules, name).is_none());
    facts.texts.iter().flat_map(|text| of_text(rules, shell, text)).collect()
}

fn of_text(rules: &Arc<Rules>, shell: Option<(&str, &str)>, text: &Text) -> Vec<Finding> {
    let lines = lines(&text.text);
    let finding = |line: usize, what: String| Finding {
        file: text.file.clone(),
        line,
        rule: "forbidden",
        sentence: format!("{what} Say how it is to be done instead, or allow it."),
    };
    let mut found = Vec::new();
    if let Some((name, member)) = shell {
        for (line, command) in commands(&lines) {
            if let Some(rule) = refused(rules, name, &json!({ member: command }).to_string()) {
                let first = command.lines().next().unwrap_or_default();
                found.push(finding(
                    line,
                    format!("Lockdown refuses the command `{first}` ({rule}), which it tells the agent to run."),
                ));
            }
        }
    }
    let reads = [("Read", "file_path"), ("read", "filePath")];
    let reads = reads.into_iter().find(|(name, _)| refused_by_name(rules, name).is_none());
    if let (Some((name, member)), Some(pattern)) = (reads, READS.as_ref()) {
        for line in lines.iter().filter(|line| line.fence.is_none() && !is_denied(line.text)) {
            for path in pattern.captures_iter(line.text).filter_map(|path| path.get(1)) {
                let path = path.as_str();
                let input = json!({ member: path }).to_string();
                if let Some(rule) = refused(rules, name, &input) {
                    found.push(finding(
                        line.number,
                        format!("It asks the agent to read `{path}`, which lockdown refuses ({rule})."),
                    ));
                }
            }
        }
    }
    found
}

/// Commands that a text tells, with their lines: what stands in fences of a shell, as a whole, and
/// code in sentences that is plainly one.
fn commands(lines: &[Line<'_>]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    // The last line of the fence, and whether the last command is of it.
    let (mut last, mut is_open) = (0, false);
    // Where prompts are shown, the rest is what the commands said.
    let prompts = lines.iter().any(|line| line.fence.is_some() && line.text.trim_start().starts_with("$ "));
    let is_beside = |text: &str| {
        let text = text.trim_start();
        text.starts_with('#') || text.is_empty() || prompts && !text.starts_with("$ ")
    };
    for line in lines {
        match line.fence {
            Some(word) if SHELLS.contains(&word) => {
                is_open &= last + 1 == line.number;
                last = line.number;
                if is_beside(line.text) {
                    continue;
                }
                let command = line.text.trim_start().strip_prefix("$ ").unwrap_or(line.text);
                match found.last_mut().filter(|_| is_open) {
                    Some((_, whole)) => {
                        whole.push('\n');
                        whole.push_str(command);
                    }
                    None => found.push((line.number, command.to_owned())),
                }
                is_open = true;
            }
            Some(_) => {}
            None if is_denied(line.text) => {}
            None => {
                let code = CODE.as_ref().into_iter().flat_map(|code| code.captures_iter(line.text));
                let code = code.filter_map(|code| code.get(1)).map(|code| code.as_str());
                let is_command = |code: &&str| {
                    code.split_once(' ').is_some_and(|(first, rest)| PROGRAMS.contains(&first) && !rest.contains('…'))
                };
                found.extend(code.filter(is_command).map(|code| (line.number, code.to_owned())));
                is_open = false;
            }
        }
    }
    found
}
