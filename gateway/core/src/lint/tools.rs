//! Prose that names a tool which lockdown refuses.

use std::sync::LazyLock;

use regex::Regex;

use super::{Facts, Finding, is_denied_before, lines, refused_by_name};
use crate::effects::table::Table;

/// ``the `WebFetch` tool``, ``call `mcp__github__create_issue` ``, ``with `Write` ``
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:\b(?:use|using|call|calling|with|invoke|run)\s+(?:the\s+|your\s+)?`([A-Za-z][\w.-]*)`)|(?:`([A-Za-z][\w.-]*)`\s+tool\b)").ok()
});

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (Some(rules), Some(named)) = (facts.lockdown, NAMED.as_ref()) else { return Vec::new() };
    let mut found = Vec::new();
    for text in facts.texts {
        for line in lines(&text.text).iter().filter(|line| line.fence.is_none()) {
            let names = named.captures_iter(line.text).filter_map(|name| name.get(1).or_else(|| name.get(2)));
            for name in names.filter(|name| !is_denied_before(line.text, name.start())) {
                let name = name.as_str();
                let is_tool = Table::shipped().knows(name) || name.starts_with("mcp__");
                let Some(rule) = refused_by_name(rules, name).filter(|_| is_tool) else { continue };
                found.push(Finding {
                    file: text.file.clone(),
                    line: line.number,
                    rule: "refused-tool",
                    sentence: format!(
                        "It tells the agent to use the tool `{name}`, which lockdown refuses ({rule}). Name another way, or allow the tool."
                    ),
                });
            }
        }
    }
    found
}
