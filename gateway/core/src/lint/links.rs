//! Links to pages and headings that are not there. Addresses of the web are not asked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{Facts, Finding, Text, lines};

static LINK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)(?:\s[^)]*)?\)").ok());
/// Code in a sentence.
static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"`+[^`]+`+").ok());

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (Some(pattern), Some(code)) = (LINK.as_ref(), CODE.as_ref()) else { return Vec::new() };
    let mut found = Vec::new();
    for text in facts.texts {
        for line in lines(&text.text).iter().filter(|line| line.fence.is_none()) {
            let spoken = code.replace_all(line.text, "");
            for link in pattern.captures_iter(&spoken).filter_map(|link| link.get(1)) {
                let Some(why) = flaw(facts, text, link.as_str()) else { continue };
                let sentence = format!("The link `{}` leads nowhere: {why}.", link.as_str());
                found.push(Finding { file: text.file.clone(), line: line.number, rule: "dead-link", sentence });
            }
        }
    }
    found
}

fn flaw(facts: &Facts<'_>, from: &Text, link: &str) -> Option<String> {
    let is_elsewhere = link.contains("://") || link.starts_with("mailto:") || link.starts_with('/');
    if is_elsewhere || link.starts_with('<') {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { from.file.clone() } else { joined(&from.file, path) };
    let Some(page) = facts.texts.iter().find(|text| text.file == target) else {
        // What is no page of ours may lie there all the same.
        return target.ends_with(".md").then(|| format!("there is no page {target}"));
    };
    let anchor = anchor?;
    let headings = lines(&page.text);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // Of headings that are alike the second is numbered.
    let mut named = |heading: &str| {
        let slug = slug(heading);
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    };
    let mut headings = headings.iter().filter(|line| line.fence.is_none() && line.text.starts_with('#'));
    let has = headings.any(|line| named(line.text) == anchor);
    (!has).then(|| format!("{target} has no heading of that name"))
}

/// A path from where a file lies.
fn joined(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A heading as links name it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
