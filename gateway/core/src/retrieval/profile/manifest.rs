//! What a manifest asks for. It is read line by line and as far as it goes: agents show manifests
//! cut, numbered, and among other things.

use super::document::{Format, Manifest};
use super::imports::unnumbered;

/// So many lines of a manifest are looked at.
const MOST_LINES: usize = 3_000;

/// What is found in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Package(&'a str),
    /// A table of it, such as `tool.poetry`.
    Section(&'a str),
    /// A program that it starts the project with.
    Program(&'a str),
    /// `packageManager: pnpm@9`
    Manager(&'a str),
}

/// Visits what a manifest asks for. Where the text is not the manifest alone, `alone` is false, and
/// only what could be nothing else is taken.
pub(super) fn each(manifest: &Manifest, text: &str, alone: bool, visit: &mut dyn FnMut(Found<'_>)) {
    let lines = || text.lines().take(MOST_LINES).map(unnumbered).map(str::trim);
    match manifest.format {
        Format::Json => json(manifest, text, visit),
        Format::Toml => toml(manifest, text, visit),
        Format::Yaml => yaml(manifest, text, visit),
        Format::Lines => lines().for_each(|line| requirement(line, alone, visit)),
        Format::Words => {
            for line in lines().filter(|line| !line.starts_with("//")) {
                let line = line.strip_prefix("require ").unwrap_or(line);
                package(line.split_whitespace().next().unwrap_or_default(), visit);
            }
        }
        Format::Quoted => {
            for line in lines().filter(|line| !is_comment(line)) {
                for text in strings(line) {
                    package(text.strip_prefix("https://").unwrap_or(text).trim_end_matches(".git"), visit);
                }
            }
        }
        Format::Texts => {
            for line in lines() {
                line.split('>').filter_map(|part| part.split('<').next()).for_each(|text| package(text.trim(), visit));
            }
        }
        Format::Atoms => {
            for line in lines().filter(|line| !is_comment(line)) {
                let atoms = line.split("{:").skip(1).filter_map(|part| part.split([',', '}', ' ']).next());
                atoms.for_each(|atom| package(atom, visit));
            }
        }
        Format::Images => lines().for_each(|line| image(line, visit)),
    }
}

fn package(name: &str, visit: &mut dyn FnMut(Found<'_>)) {
    if !name.is_empty() && name.len() <= 200 {
        visit(Found::Package(name));
    }
}

fn is_comment(line: &str) -> bool {
    line.starts_with('#') || line.starts_with("//") || line.starts_with("<!--")
}

/// What stands in quotes on a line, up to what says which version.
fn strings(line: &str) -> impl Iterator<Item = &str> {
    line.split(['"', '\'']).skip(1).step_by(2).map(|text| {
        let end = text.find(['<', '>', '=', '!', '~', ';', ' ', '[', '^']).unwrap_or(text.len());
        &text[..end]
    })
}

/// `flask>=3`, `Flask[async]==3.0 ; python_version > "3"`
fn requirement(line: &str, alone: bool, visit: &mut dyn FnMut(Found<'_>)) {
    let end = line.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let is_asked = rest.starts_with(['=', '>', '<', '~', '!', '[']) && !rest.starts_with("=>");
    if is_asked || alone && (rest.is_empty() || rest.starts_with([';', '#', '@'])) {
        package(name, visit);
    }
}

/// The sections are found by their names wherever they stand, so that a cut file is read as far as
/// it goes.
fn json(manifest: &Manifest, text: &str, visit: &mut dyn FnMut(Found<'_>)) {
    let text: String = text.lines().take(MOST_LINES).flat_map(|line| [unnumbered(line), "\n"]).collect();
    let text = text.as_str();
    for section in &manifest.sections {
        for (name, value) in members(text, section) {
            package(name, visit);
            let value = value.strip_prefix("npm:").or_else(|| value.strip_prefix("jsr:")).unwrap_or(value);
            match value.rfind('@').filter(|at| *at > 0) {
                Some(at) => package(&value[..at], visit),
                None => package(value, visit),
            }
        }
    }
    for (name, command) in members(text, "scripts") {
        if ["dev", "start", "serve", "develop", "start:dev", "watch"].contains(&name) {
            for part in command.split("&&") {
                let words = part.split_whitespace().filter(|word| !word.contains('=') && *word != "cross-env");
                words.take(1).for_each(|word| visit(Found::Program(word)));
            }
        }
    }
    if let Some(at) = text.find("\"packageManager\"")
        && let Some(manager) = text[at + 16..].split('"').nth(1)
    {
        visit(Found::Manager(manager.split('@').next().unwrap_or(manager)));
    }
}

/// The members of the first object of this name that holds only texts.
fn members<'a>(text: &'a str, section: &str) -> Vec<(&'a str, &'a str)> {
    let key = format!("\"{section}\"");
    let Some(at) = text.find(&key) else { return Vec::new() };
    let Some(inside) = text[at + key.len()..].trim_start().strip_prefix(':') else { return Vec::new() };
    let Some(inside) = inside.trim_start().strip_prefix('{') else { return Vec::new() };
    let inside = &inside[..inside.find('}').unwrap_or(inside.len())];
    let mut texts = inside.split('"').skip(1).step_by(2);
    let mut found = Vec::new();
    while let Some(name) = texts.next() {
        found.push((name, texts.next().unwrap_or_default()));
    }
    found
}

fn toml(manifest: &Manifest, text: &str, visit: &mut dyn FnMut(Found<'_>)) {
    let mut section = String::new();
    let mut in_list = false;
    for line in text.lines().take(MOST_LINES).map(unnumbered).map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()).filter(|_| !in_list) {
            name.trim_matches('[').clone_into(&mut section);
            visit(Found::Section(&section));
            // `[dependencies.axum]`
            let below = |own: &String| Some(section.strip_prefix(own.as_str())?.strip_prefix('.')?.to_owned());
            if let Some(name) = manifest.sections.iter().find_map(below) {
                package(&name, visit);
            }
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split('=').next().unwrap_or_default().trim().trim_matches('"');
        let is_of = |own: &String| own == &section || own.ends_with('.') && section.starts_with(own.as_str());
        if manifest.sections.iter().any(is_of) && line.contains('=') {
            package(key.split('.').next().unwrap_or(key), visit);
        } else if manifest.lists.iter().any(is_of) || in_list {
            let opens = line.contains('=') && line.contains('[') && !line.starts_with(['"', '\'']);
            // Of the project's own table only the list of what it needs.
            let is_wanted = section != "project" || key == "dependencies";
            if in_list || opens && is_wanted {
                strings(if opens { &line[line.find('[').unwrap_or(0)..] } else { line })
                    .for_each(|name| package(name, visit));
                in_list = !line.ends_with(']') && !line.ends_with("],");
            }
        }
    }
}

/// The keys, or the items, one level below a section.
fn yaml(manifest: &Manifest, text: &str, visit: &mut dyn FnMut(Found<'_>)) {
    let mut is_in = false;
    let mut level = None;
    for line in text.lines().take(MOST_LINES).map(unnumbered) {
        let inside = line.trim();
        if inside.is_empty() || inside.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let is_item = inside.starts_with("- ");
        if indent == 0 && !is_item {
            is_in = inside.strip_suffix(':').is_some_and(|name| manifest.sections.iter().any(|own| own == name));
            level = None;
        } else if is_in && (*level.get_or_insert(indent) == indent || is_item) {
            let name = inside.trim_start_matches("- ");
            package(name.split([':', '=', ' ', '<', '>']).next().unwrap_or_default(), visit);
        }
    }
}

/// `FROM --platform=linux/amd64 docker.io/library/node:22-alpine AS build`
fn image(line: &str, visit: &mut dyn FnMut(Found<'_>)) {
    let Some(rest) = line.strip_prefix("FROM ").or_else(|| line.strip_prefix("from ")) else { return };
    let Some(name) = rest.split_whitespace().find(|word| !word.starts_with("--")) else { return };
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    package(name.split([':', '@']).next().unwrap_or(name), visit);
}
