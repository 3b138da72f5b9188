//! How texts are read: their lines with the fences that they stand in, their paragraphs, their
//! headings, and whether words say that something is not to be done.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Text;
use crate::retrieval::markdown::{self, Kind, is_item};

/// A line of a text, and in what fence it stands.
pub(super) struct Line<'a> {
    /// From one.
    pub number: usize,
    pub text: &'a str,
    /// The word behind the marks that open the fence; none outside of fences.
    pub fence: Option<&'a str>,
}

/// The lines of a text, without those that open and close fences.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let (before, body) = parted(text);
    let front = text.lines().take(before).enumerate().map(|(at, text)| Line { number: at + 1, text, fence: None });
    let body = markdown::read(body).into_iter().filter_map(|line| {
        let fence = match line.kind {
            Kind::Opening(_) | Kind::Closing => return None,
            Kind::Code(words) => Some(words.split([' ', '{', ',', ':']).next().unwrap_or_default()),
            Kind::Heading { .. } | Kind::Underline | Kind::Text => None,
        };
        Some(Line { number: before + line.number, text: line.text, fence })
    });
    front.chain(body).collect()
}

/// How many lines come before a text that is read, and that text.
pub(super) fn parted(text: &str) -> (usize, &str) {
    let body = markdown::split(text).1;
    (text[..text.len() - body.len()].matches('\n').count(), body)
}

/// Lines of front matter that a page begins with: they are shown to nobody.
pub(super) fn front(text: &Text) -> usize {
    if text.page.is_some() { parted(&text.text).0 } else { 0 }
}

/// The line of a heading, or the first.
pub(super) fn line_of(text: &str, title: &str) -> usize {
    markdown::headings(text).iter().find(|heading| heading.title == title).map_or(1, |heading| heading.line)
}

/// Whether a line is no continuation of a paragraph above it.
fn begins_block(line: &str) -> bool {
    is_item(line) || line.trim_start().starts_with(['|', '>'])
}

/// A paragraph, an item of a list or a row of a table, as one line.
#[derive(Debug, Default)]
pub(super) struct Prose {
    pub text: String,
    /// Where in the text which line begins.
    begins: Vec<(usize, usize)>,
    /// Whether what it stands under says that none of it is to be done: `Never:`
    is_below_denial: bool,
}

impl Prose {
    /// The line that holds this place.
    pub(super) fn line_at(&self, at: usize) -> usize {
        self.begins.iter().take_while(|(begin, _)| *begin <= at).last().map_or(1, |(_, line)| *line)
    }

    /// Whether it says of what stands here that it is not to be done.
    pub(super) fn denies(&self, start: usize, end: usize) -> bool {
        self.is_below_denial || is_denied_before(&self.text, start) || is_denied_behind(&self.text, end)
    }

    fn forbids_what_follows(&self) -> bool {
        self.is_below_denial || self.text.trim_end().ends_with(':') && forbids(&self.text)
    }

    fn last_line(&self) -> usize {
        self.begins.last().map_or(0, |(_, line)| *line)
    }
}

/// What a text says outside of fences.
pub(super) fn prose(text: &Text) -> Vec<Prose> {
    let front = front(text);
    let titles: BTreeMap<usize, bool> =
        markdown::headings(&text.text).into_iter().map(|heading| (heading.line, forbids(&heading.title))).collect();
    let mut found: Vec<Prose> = Vec::new();
    // Of the heading above, and of the paragraph above that an item of a list belongs to.
    let (mut by_heading, mut by_lead) = (false, false);
    let mut open = false;
    let mut last = 0;
    for line in lines(&text.text) {
        let trimmed = line.text.trim();
        let is_apart = line.fence.is_some() || trimmed.is_empty() || trimmed.starts_with("<!--");
        if line.number <= front || is_apart {
            open = false;
            continue;
        }
        if last + 1 != line.number {
            open = false;
        }
        last = line.number;
        let title = titles.get(&line.number);
        if let Some(denied) = title {
            (by_heading, by_lead) = (*denied, false);
        }
        let is_new = !open || title.is_some() || begins_block(line.text);
        if is_new {
            if is_item(line.text) {
                by_lead = by_lead || found.last().is_some_and(Prose::forbids_what_follows);
            } else {
                by_lead = false;
            }
            let is_below_denial = by_heading || by_lead;
            found.push(Prose { is_below_denial, ..Prose::default() });
        }
        if let Some(prose) = found.last_mut() {
            if !prose.text.is_empty() {
                prose.text.push(' ');
            }
            prose.begins.push((prose.text.len(), line.number));
            prose.text.push_str(trimmed);
        }
        open = title.is_none();
    }
    found
}

/// Whether what stands above a fence says that nothing of it is to be done.
pub(super) fn is_denied_fence(prose: &[Prose], line: usize) -> bool {
    let above = prose.iter().take_while(|prose| prose.last_line() < line).last();
    above.is_some_and(Prose::forbids_what_follows)
}

static DENIAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "not|never|without|instead of|no longer|no need|cannot|rather than|nor|neither|nobody|nothing|avoid|unable|refuse[sd]?|forbid(?:s|den)?|stay away|keep away";
    Regex::new(&format!(r"(?i)\b(?:{words})\b|n['’]t\b")).ok()
});
/// What is said of something behind it: ``running `cat .env` is refused``.
static DENIAL_BEHIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^[^.,;:]{0,60}?\s(?:(?:is|are|gets?|(?:will|would)\s+be)\s+(?:\w+\s+)?(?:not|never|refused|forbidden|denied|blocked)|(?:must|may|can|should|will|does|do)\s+(?:not|never)|cannot|fails|isn['’]t|won['’]t)\b").ok()
});
/// How a sentence begins that forbids what it leads to.
static FORBIDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^[\W\d]*(?:please\s+)?(?:you\s+|the\s+agent\s+|agents\s+)?(?:(?:must|may|should|shall)\s+(?:not|never)|cannot|do\s+not|don['’]t|never|avoid|what\s+not)\b").ok()
});
/// How a clause begins on which the rest of its sentence hangs.
const CONDITIONS: [&str; 13] = [
    "if", "when", "where", "as", "unless", "because", "since", "while", "although", "once", "until", "whenever",
    "before",
];

/// Whether it begins like a sentence that forbids something.
fn forbids(text: &str) -> bool {
    FORBIDS.as_ref().is_some_and(|forbids| forbids.is_match(text))
}

/// The words that say that something is not to be done.
pub(super) fn is_denied(words: &str) -> bool {
    DENIAL.as_ref().is_some_and(|denial| denial.is_match(words))
}

/// The sentence that holds a place, and where it begins.
pub(super) fn sentence(text: &str, at: usize) -> (usize, &str) {
    let is_end = |(at, c): &(usize, char)| {
        let behind = text[at + c.len_utf8()..].chars().next();
        matches!(c, '.' | '!' | '?' | ';') && behind.is_none_or(char::is_whitespace)
    };
    let begin = text[..at].char_indices().rfind(is_end).map_or(0, |(at, c)| at + c.len_utf8());
    let end = text.char_indices().skip_while(|(place, _)| *place < at).find(is_end).map_or(text.len(), |(at, _)| at);
    (begin, &text[begin..end])
}

/// Whether the words before this place say that something is not to be done. In "If you do not know
/// it, read this" they do not: the condition is another clause.
fn is_denied_before(text: &str, at: usize) -> bool {
    let (begin, _) = sentence(text, at);
    let mut before = &text[begin..at];
    if let Some((lead, rest)) = before.rsplit_once(": ") {
        if forbids(lead) {
            return true;
        }
        before = rest;
    }
    let mut clauses: Vec<&str> = before.split([',', '(', ')', '–', '—']).collect();
    let own = clauses.pop().unwrap_or_default();
    // What comes behind these words is said of its own.
    let turn = [" but ", " then ", " so "].iter().filter_map(|word| own.rfind(word)).max();
    if is_denied(turn.map_or(own, |at| &own[at..])) {
        return true;
    }
    // "Never open, print or read it": the last of a list.
    let is_last = turn.is_none() && own.split_whitespace().any(|word| matches!(word, "or" | "nor"));
    let is_condition = |clause: &&str| {
        let first = clause.split_whitespace().next().unwrap_or_default().to_lowercase();
        CONDITIONS.contains(&first.trim_start_matches(|c: char| !c.is_alphanumeric()))
    };
    is_last && clauses.iter().filter(|clause| !is_condition(clause)).any(|clause| is_denied(clause))
}

fn is_denied_behind(text: &str, end: usize) -> bool {
    let behind = text[end..].trim_start_matches(['`', '*', '"', '\'']);
    DENIAL_BEHIND.as_ref().is_some_and(|denial| denial.is_match(behind))
}
