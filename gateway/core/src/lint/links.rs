//! Links to pages and headings that are not there. Addresses of the web are not asked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::prose::lines;
use super::{Facts, Finding, Text};
use crate::retrieval::markdown::{PAGES, headings, is_page, unlinked};

static LINK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\]\(\s*(?:<([^>]*)>|([^)\s]+))(?:\s[^)]*)?\)").ok());
/// ``[name]: page.md``
static DEFINED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^ {0,3}\[[^\]^][^\]]*\]:\s+(?:<([^>]*)>|(\S+))").ok());
/// `<a href="page.md">`, `<img src="a.png">`
static TAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)<(?:a|img)\s[^>]*?(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)')"#).ok());
/// `<a id="name">`, `## Heading {#name}`
static NAMED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)(?:<[a-z][^>]*\s(?:id|name)\s*=\s*["']([^"']+)["']|\{#([\w-]+)\})"#).ok());
/// Code in a sentence, and comments.
static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"`+[^`]+`+|<!--.*?-->").ok());
const IMAGES: [&str; 6] = [".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"];

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(code) = CODE.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    for text in facts.texts {
        for line in lines(&text.text).iter().filter(|line| line.fence.is_none()) {
            let spoken = code.replace_all(line.text, "");
            let patterns = [&LINK, &DEFINED, &TAG].into_iter().filter_map(|pattern| LazyLock::force(pattern).as_ref());
            let links = patterns.flat_map(|pattern| pattern.captures_iter(&spoken));
            for link in links.filter_map(|link| link.get(1).or_else(|| link.get(2))) {
                let Some(why) = flaw(facts, text, link.as_str()) else { continue };
                let sentence = format!("The link `{}` leads nowhere: {why}.", link.as_str());
                found.push(Finding { file: text.file.clone(), line: line.number, rule: "dead-link", sentence });
            }
        }
    }
    found
}

fn flaw(facts: &Facts<'_>, from: &Text, link: &str) -> Option<String> {
    let scheme = link.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_elsewhere = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    if is_elsewhere || link.starts_with("//") || link.is_empty() || link.contains(['{', '$']) {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let path = decoded(path.split('?').next().unwrap_or_default());
    let targets = if path.is_empty() { vec![from.file.clone()] } else { targets(&from.file, &path) };
    let page = facts.texts.iter().find(|text| targets.contains(&text.file));
    let Some(page) = page else { return missing(facts, &path, &targets) };
    // Browsers know `#top`.
    let anchor = decoded(anchor.filter(|anchor| !anchor.is_empty() && *anchor != "top")?);
    let has = anchors(&page.text).iter().any(|name| *name == anchor || name.eq_ignore_ascii_case(&anchor));
    (!has).then(|| format!("{} has no heading of that name", page.file))
}

/// Where a link may lead, from the policy's folder. One that begins with `/` is written from the top
/// of a site, which may be that folder or the one of the page; one without an ending is a page.
fn targets(from: &str, path: &str) -> Vec<String> {
    let mut found = match path.strip_prefix('/') {
        Some(path) => {
            let top = from.split_once('/').map_or("", |(top, _)| top);
            vec![joined("", path), joined(&format!("{top}/-"), path)]
        }
        None => vec![joined(from, path)],
    };
    let is_bare = !path.rsplit('/').next().unwrap_or_default().contains('.');
    for at in 0..found.len() {
        if is_bare {
            for page in [found[at].clone(), joined(&format!("{}/-", found[at]), "index")] {
                found.extend(PAGES.iter().map(|end| format!("{page}.{end}")));
            }
        }
    }
    found
}

/// Why nothing lies there, as far as that can be told.
fn missing(facts: &Facts<'_>, path: &str, targets: &[String]) -> Option<String> {
    let lies_there = |target: &String| {
        let below = format!("{}/", target.trim_end_matches('/'));
        facts.files.iter().any(|file| file == target || file.starts_with(&below))
    };
    if targets.iter().any(lies_there) {
        return None;
    }
    let target = targets.first().map_or("", String::as_str);
    let lower = path.to_lowercase();
    if is_page(&lower) {
        return Some(format!("there is no page {target}"));
    }
    // What else it could be lies in somebody's project, or on a site.
    let is_image = IMAGES.iter().any(|ending| lower.ends_with(ending));
    if facts.files.is_empty() || path.starts_with('/') {
        return None;
    }
    if is_image {
        return Some(format!("there is no file {target}"));
    }
    let is_bare = !path.contains('.') && path.chars().all(|c| c.is_alphanumeric() || "/-_ ".contains(c));
    is_bare.then(|| format!("there is no page {target}.md"))
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

/// `b%20c.md` is `b c.md`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// The names by which links find places of a page.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for heading in headings(text) {
        let slug = slug(&heading.title);
        // Of headings that are alike the second is numbered.
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        found.push(if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) });
    }
    for line in lines(text).iter().filter(|line| line.fence.is_none()) {
        let named = NAMED.iter().flat_map(|named| named.captures_iter(line.text));
        found.extend(named.filter_map(|name| name.get(1).or_else(|| name.get(2))).map(|name| name.as_str().to_owned()));
    }
    found
}

/// A heading as links name it.
fn slug(title: &str) -> String {
    let text = unlinked(title).to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
