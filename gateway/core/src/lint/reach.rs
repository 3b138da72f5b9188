//! Passages that nobody will be shown, and airplanes that are too large to be.

use std::collections::{BTreeMap, HashMap};
use std::ptr;

use jiff::Timestamp;

use super::audience::Audience;
use super::prose::line_of;
use super::steps::line_of_step;
use super::{Facts, Finding, Text};
use crate::glob::Glob;
use crate::policy::context::airplanes::{for_step, unasked};
use crate::policy::context::{self, Rules};
use crate::retrieval::airplane::Airplane;
use crate::retrieval::chunk::Chunk;
use crate::retrieval::markdown::is_page;
use crate::retrieval::matter::front_matter_problem;
use crate::retrieval::profile::{Kind, Tags, known};
use crate::retrieval::search::Index;
use crate::retrieval::source::Kind as Source;
use crate::tokens;

/// So much of a passage's first words is what somebody might ask.
const ASKED: usize = 200;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = tags(facts);
    let Some(rules) = facts.context else { return found };
    found.extend(sources(facts, rules));
    found.extend(facts.index.into_iter().flat_map(|index| sections(facts, rules, index)));
    found.extend(facts.airplanes.iter().flat_map(|plane| allowance(facts, rules, plane)));
    found
}

fn sections(facts: &Facts<'_>, rules: &Rules, index: &Index) -> Vec<Finding> {
    let room = rules.room();
    // Of two with one name the first.
    let texts: HashMap<&str, &Text> =
        facts.texts.iter().rev().filter_map(|text| Some((text.page.as_deref()?, text))).collect();
    let mut same: BTreeMap<&str, Vec<&Chunk>> = BTreeMap::new();
    for chunk in index.chunks() {
        same.entry(&chunk.text).or_default().push(chunk);
    }
    let mut found = Vec::new();
    for chunk in index.chunks() {
        let Some(text) = texts.get(chunk.page.as_str()) else { continue };
        let heading = chunk.headings.last().map_or("", String::as_str);
        let mut add = |sentence: String| {
            let line = line_of(&text.text, heading);
            found.push(Finding { file: text.file.clone(), line, rule: "unreachable", sentence });
        };
        // While its page is fresh.
        let size = context::size(&index.hit(chunk), Timestamp::UNIX_EPOCH);
        if size > room {
            add(format!(
                "The section `{heading}` takes {size} tokens as it is shown, and `context.allowance` has room for {room}: it is never shown. Cut it, or raise the allowance."
            ));
            continue;
        }
        let same = same.get(chunk.text.as_str()).map(Vec::as_slice).unwrap_or_default();
        if let [first, second, others @ ..] = same
            && !ptr::eq(*first, chunk)
        {
            // All are told at once.
            if ptr::eq(*second, chunk) {
                let further = if others.is_empty() { String::new() } else { format!(", as {} more do", others.len()) };
                add(format!(
                    "{} says what {} says, word for word{further}; only one of them is ever shown.",
                    name(chunk, "The"),
                    name(first, "the")
                ));
            }
            continue;
        }
        let end = chunk.text.floor_char_boundary(ASKED);
        let asked = format!("{} {}", chunk.path(), &chunk.text[..end]);
        let best = index.search(&asked, 50).into_iter().find(|hit| hit.chunk == chunk);
        if best.is_none_or(|hit| hit.score < rules.min_score()) {
            add(format!(
                "Not even its own words find the section `{heading}` with a score of `min_score`. Give it a heading that says what it is about."
            ));
        }
    }
    found
}

fn name(chunk: &Chunk, the: &str) -> String {
    match chunk.headings.as_slice() {
        [] => format!("{the} beginning of `{}`", chunk.page),
        _ => format!("{the} section `{}` of `{}`", chunk.path(), chunk.page),
    }
}

/// Tags of sources and of airplanes of which no project can ever be, such as `djnago`. What pages
/// say themselves is told of their front matter.
fn tags(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |file: String, line: usize, name: &str| {
        let sentence = format!(
            "The tag `{name}` is one that no project is known by, so that nobody is shown this for it. Is it misspelt?"
        );
        found.push(Finding { file, line, rule: "unreachable", sentence });
    };
    let pages = facts.texts.iter().filter(|text| text.page.is_some() && front_matter_problem(&text.text).is_none());
    for name in pages.filter_map(|text| text.tags.as_ref()).flat_map(unknown) {
        add(String::from("policy.yaml"), line_with(facts.policy, name), name);
    }
    for (at, plane) in facts.airplanes.iter().enumerate() {
        for name in unknown(&plane.tags) {
            let line = facts.manifests.get(at).map_or(1, |text| line_with(text, name));
            add(format!("airplanes/{}/airplane.yaml", plane.name), line, name);
        }
    }
    found
}

/// Sources that no page comes from.
fn sources(facts: &Facts<'_>, rules: &Rules) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |name: &str, sentence: String| {
        let line = line_of_value(facts.policy, name);
        found.push(Finding { file: String::from("policy.yaml"), line, rule: "unreachable", sentence });
    };
    for source in rules.sources() {
        match &source.kind {
            Source::Folder(name) if !facts.files.is_empty() => {
                let folder = name.trim_start_matches("./").trim_end_matches('/');
                let below = |file: &String| {
                    folder == "." || file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
                };
                if !facts.files.iter().any(|file| below(file) && is_page(file)) {
                    add(
                        name,
                        format!(
                            "There is no page in the folder `{name}`: pages are files that end with `.md`, `.mdx` or `.markdown`."
                        ),
                    );
                }
            }
            Source::Sitemap { only, .. } if !only.is_empty() => {
                // A pattern is held against the whole URL.
                let can_match = |pattern: &str| {
                    let literal = pattern.split(['*', '?', '[', '{']).next().unwrap_or_default();
                    ["https://", "http://"]
                        .iter()
                        .any(|scheme| literal.starts_with(scheme) || scheme.starts_with(literal))
                };
                let is_vain =
                    |pattern: &str| facts.vain.iter().any(|(name, vain)| *name == source.name && vain == pattern);
                for pattern in only.iter().map(Glob::as_str) {
                    let why = if !can_match(pattern) {
                        "patterns are held against whole URLs. Begin it with `**` or `https://`."
                    } else if is_vain(pattern) {
                        "as it was last fetched, it lists none that fits. Look which it lists, or take the pattern out."
                    } else {
                        continue;
                    };
                    add(pattern, format!("`{pattern}` matches no page of the sitemap: {why}"));
                }
            }
            _ => {}
        }
    }
    found
}

/// Tags that are none, or of the other kind.
fn unknown(tags: &Tags) -> impl Iterator<Item = &str> {
    let of = |names, kind| std::iter::repeat(kind).zip::<&Vec<String>>(names);
    let all = of(&tags.languages, Kind::Language).chain(of(&tags.frameworks, Kind::Framework));
    all.filter(|(kind, name)| known(name) != Some(*kind)).map(|(_, name)| name.as_str())
}

/// The first line that has this as a whole value, or the first.
fn line_of_value(text: &str, value: &str) -> usize {
    let is_edge = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || ",[]{}\"'".contains(c));
    let is_it = |line: &str| {
        line.match_indices(value)
            .any(|(at, _)| is_edge(line[..at].chars().next_back()) && is_edge(line[at + value.len()..].chars().next()))
    };
    text.lines().position(is_it).map_or(1, |at| at + 1)
}

/// The first line that has this word, or the first.
pub(super) fn line_with(text: &str, name: &str) -> usize {
    let name = name.to_lowercase();
    let is_it = |line: &str| line.to_lowercase().split(|c: char| ",[](){}:\"' \t".contains(c)).any(|word| word == name);
    text.lines().position(is_it).map_or(1, |at| at + 1)
}

/// What of an airplane does not come, since there is no room for it.
fn allowance(facts: &Facts<'_>, rules: &Rules, plane: &Airplane) -> Vec<Finding> {
    let room = rules.allowance();
    let audience = Audience::of(plane.tags.clone());
    let Some(project) = audience.project() else { return Vec::new() };
    let planes = std::slice::from_ref(plane);
    let mut found = Vec::new();
    // What the first step shows stands in the same message, and comes first.
    let first = facts.path.and_then(|path| path.steps().first());
    let beside = first.map_or(0, |step| tokens::estimate(&for_step(planes, project, (&step.id, room)).text));
    let overview = unasked(planes, project, rules.on_demand).map_or(0, |answer| tokens::estimate(&answer.text));
    let left = room - beside.min(room);
    if overview > left {
        found.push(Finding {
            file: format!("airplanes/{}/README.md", plane.name),
            line: 1,
            rule: "small-allowance",
            sentence: format!(
                "It takes {overview} tokens as it is shown, and `context.allowance` has room for {left} beside what the first step shows, so it does not come with a task. Cut it, or raise the allowance."
            ),
        });
    }
    for step in facts.path.into_iter().flat_map(|path| path.steps()) {
        let all = for_step(planes, project, (&step.id, usize::MAX));
        let come = for_step(planes, project, (&step.id, room));
        let is_left = |source: &&String| come.shown.iter().all(|shown| shown.source != **source);
        let prefix = format!("airplanes/{}/", plane.name);
        let left: Vec<String> = all
            .shown
            .iter()
            .map(|shown| &shown.source)
            .filter(is_left)
            .map(|source| format!("`{}`", source.trim_start_matches(&prefix)))
            .collect();
        if left.is_empty() {
            continue;
        }
        found.push(Finding {
            file: String::from("policy.yaml"),
            line: line_of_step(facts.policy, &step.id),
            rule: "small-allowance",
            sentence: format!(
                "The step `{}` shows {} tokens of the airplane `{}`, and `context.allowance` has room for {room}, so that {} {} left out. Hide what is not needed between airplane:hide and airplane:show, or raise the allowance.",
                step.id,
                tokens::estimate(&all.text),
                plane.name,
                left.join(", "),
                if left.len() == 1 { "is" } else { "are" }
            ),
        });
    }
    found
}
