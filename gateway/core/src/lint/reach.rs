//! Passages that nobody will be shown, and airplanes that are too large to be.

use std::collections::BTreeMap;

use super::{Facts, Finding, line_of};
use crate::retrieval::chunk::Chunk;

/// So much of a passage's first words is what somebody might ask.
const ASKED: usize = 200;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (Some(rules), Some(index)) = (facts.context, facts.index) else { return Vec::new() };
    let room = rules.room();
    let mut seen: BTreeMap<&str, &Chunk> = BTreeMap::new();
    let mut found = Vec::new();
    for chunk in index.chunks() {
        let Some(text) = facts.texts.iter().find(|text| text.file.ends_with(&format!("/{}", chunk.page))) else {
            continue;
        };
        let heading = chunk.headings.last().map_or("", String::as_str);
        let mut add = |rule: &'static str, sentence: String| {
            let line = line_of(&text.text, heading);
            found.push(Finding { file: text.file.clone(), line, rule, sentence });
        };
        let size = chunk.text.len() + chunk.path().len();
        if size > room {
            add(
                "unreachable",
                format!(
                    "The section `{heading}` has {size} bytes, and `context.allowance` has room for {room}: it is never shown. Cut it, or raise the allowance."
                ),
            );
            continue;
        }
        if let Some(other) = seen.insert(&chunk.text, chunk) {
            add(
                "unreachable",
                format!(
                    "The section `{heading}` says what `{}` says, word for word; one of them is never shown.",
                    other.path()
                ),
            );
            continue;
        }
        let end = chunk.text.floor_char_boundary(ASKED);
        let asked = format!("{heading} {}", &chunk.text[..end]);
        let best = index.search(&asked, 50).into_iter().find(|hit| hit.chunk == chunk);
        if best.is_none_or(|hit| hit.score < rules.min_score()) {
            add(
                "unreachable",
                format!(
                    "Not even its own words find the section `{heading}` with a score of `min_score`. Give it a heading that says what it is about."
                ),
            );
        }
    }
    let planes = facts.airplanes.iter().filter(|plane| plane.readme.len() > room);
    found.extend(planes.map(|plane| Finding {
        file: format!("airplanes/{}/README.md", plane.name),
        line: 1,
        rule: "small-allowance",
        sentence: format!(
            "It has {} bytes, and `context.allowance` has room for {room}, so it does not come with a task. Cut it, or raise the allowance.",
            plane.readme.len()
        ),
    }));
    found
}
