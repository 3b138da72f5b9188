//! Code that uses what another section says is gone. Given ``"`oldCall` was renamed to `call`"`` and a
//! fence with `oldCall()`: that fence.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Finding;
use super::disagree::{Part, has_word};
use super::prose::Prose;

/// ``"`oldCall` was renamed to"``, ``"`old.call()` is deprecated"``
static GONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"`(@?[A-Za-z_][\w./@-]{3,})(\(\))?`\s+(?:(?:was|has been)\s+(?:deprecated|removed|renamed|gone)\b|(?:is|are)\s+(?:deprecated|removed|renamed|gone)\b(?:\s+(from))?)",
    )
    .ok()
});
/// What stands before the name of something of which only a part is gone, or an older one of that name:
/// ``"the option `a` in `name`"``, ``"`a`'s `name`"``, ``"the old `name`"``.
static PARTLY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let others = r"(?:`[^`]*`(?:,|,?\s+(?:and|or))\s+)*";
    Regex::new(&format!(
        r"(?i)(?:\b(?:by|for|from|in|inside|into|of|on|to|via|within|with)(?:\s+(?:the|a|an))?|['’]s|\b(?:former|legacy|old|older|original|previous))\s+{others}$"
    ))
    .ok()
});
/// What may stand before a name all the same: ``"support for `name` was removed"``.
static WHOLLY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)\b(?:support\s+for|use\s+of|usage\s+of)(?:\s+the)?\s+$").ok());

/// What a section says is gone, each with where it begins in its prose.
fn said(prose: &Prose) -> Vec<(usize, &str)> {
    let matches = |pattern: &LazyLock<Option<Regex>>, text: &str| {
        LazyLock::force(pattern).as_ref().is_some_and(|pattern| pattern.is_match(text))
    };
    let found = GONE.iter().flat_map(|gone| gone.captures_iter(&prose.text)).filter_map(|captures| {
        let name = captures.get(1)?;
        let before = &prose.text[..name.start() - 1];
        let is_partly = matches(&PARTLY, before) && !matches(&WHOLLY, before);
        // What is removed from a bundle is used in the code that it is made of.
        let is_process = captures.get(3).is_some();
        // `route` is a word of every program.
        let is_word = captures.get(2).is_none() && name.as_str().chars().all(|c| c.is_ascii_lowercase());
        (!is_partly && !is_process && !is_word).then_some((name.start(), name.as_str()))
    });
    found.collect()
}

/// Each name that a section says is gone and another one uses, where it is used first.
pub(super) fn gone(parts: &[Part]) -> Vec<Finding> {
    let mut found: BTreeMap<(&str, usize, &str), Finding> = BTreeMap::new();
    for part in parts {
        for (at, name) in part
            .prose
            .iter()
            .flat_map(|prose| said(prose).into_iter().map(|(at, name)| (part.first_line + prose.line_at(at) - 1, name)))
        {
            let others = parts.iter().filter(|other| !other.is(part) && !other.is_other_version);
            let mut uses = others.filter(|other| other.audience.meets(&part.audience)).filter_map(|other| {
                let lines = other.code.iter().flat_map(|(first, code)| (*first..).zip(code.lines()));
                let (line, _) = lines.into_iter().find(|(_, line)| has_word(line, name))?;
                Some((other.file.as_str(), line))
            });
            let Some((file, line)) = uses.next() else { continue };
            let further = match uses.count() {
                0 => String::new(),
                1 => String::from(", as another section does"),
                count => format!(", as {count} other sections do"),
            };
            let sentence = format!("Its code uses `{name}`{further}, and {}:{at} says that it is gone.", part.file);
            let finding = Finding { file: file.to_owned(), line, rule: "disagreement", sentence };
            found.entry((file, line, name)).or_insert(finding);
        }
    }
    found.into_values().collect()
}
