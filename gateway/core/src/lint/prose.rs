//! How texts are read: their lines with the fences that they stand in, their paragraphs, their
//! headings, and whether words say that something is not to be done.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Text;
use crate::effects::table::Table;
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
    markdown::headings(text)
        .iter()
        .find(|heading| markdown::unlinked(&heading.title) == title)
        .map_or(1, |heading| heading.line)
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

    /// Whether a verb that begins here is said to the agent. "Read this" is, and "you have to read
    /// this"; "ask the person to read this", "the server will read this" and "before you read this"
    /// are not.
    pub(super) fn asks(&self, at: usize) -> bool {
        let (begin, said) = sentence(&self.text, at);
        let before = &self.text[begin..at];
        let is_quoted = before.matches(['"', '“', '”']).count() % 2 == 1;
        let is_question = self.text[begin + said.len()..].starts_with('?');
        !is_quoted && !is_question && is_told(before)
    }

    /// Whether what stands here is part of a condition.
    pub(super) fn is_condition(&self, at: usize) -> bool {
        let (begin, _) = sentence(&self.text, at);
        let clause = self.text[begin..at].rsplit([',', ':']).next().unwrap_or_default();
        is_condition(clause)
    }

    /// Whether its clause says before this place what somebody else is to do, or what was once done.
    pub(super) fn is_of_others(&self, at: usize) -> bool {
        let (begin, _) = sentence(&self.text, at);
        let clause = self.text[begin..at].rsplit([',', ':']).next().unwrap_or_default();
        OTHERS.as_ref().is_some_and(|others| others.is_match(clause))
    }

    fn forbids_what_follows(&self) -> bool {
        self.is_below_denial || self.lead().is_some_and(|lead| forbids(lead) || is_denied(lead))
    }

    /// What it says last of what follows it: "these are refused" of "Remember, these are refused:".
    fn lead(&self) -> Option<&str> {
        let lead = self.text.trim_end_matches(|c: char| c.is_whitespace() || "*_".contains(c)).strip_suffix(':')?;
        let clause = lead.rsplit(['.', ';', ',', ':']).next().unwrap_or_default();
        // "What to do if you cannot" is about what to do.
        let words = clause.split_whitespace().skip(1).find(|word| CONDITIONS.contains(word));
        words.map_or(Some(clause), |word| clause.split_once(&format!(" {word} ")).map(|(lead, _)| lead))
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
    above(prose, line).is_some_and(Prose::forbids_what_follows)
}

/// What stands above this line.
pub(super) fn above(prose: &[Prose], line: usize) -> Option<&Prose> {
    prose.iter().take_while(|prose| prose.last_line() < line).last()
}

static DENIAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "not|never|without|instead of|in place of|unlike|replace[sd]|no longer|no need|cannot|rather than|nor|neither|nobody|nothing|avoid|unable|refuse[sd]?|forbid(?:s|den)?|stay away|keep away|no";
    Regex::new(&format!(r"(?i)\b(?:{words})\b|n['’]t\b|[❌✗✘🚫]")).ok()
});
/// What is said of something behind it: ``running `cat .env` is refused``.
static DENIAL_BEHIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^[^.,;:]{0,60}?\s(?:(?:is|are|gets?|(?:will|would)\s+be)\s+(?:\w+\s+)?(?:not|never|refused|forbidden|denied|blocked|disabled|unavailable|missing|gone|removed|(?:(?:switched|turned)\s+)?off)|(?:must|may|can|should|will|does|do)\s+(?:not|never)|cannot|fails|isn['’]t|won['’]t|\|\s*(?:refused|forbidden|denied|blocked|not|never|no))\b").ok()
});
/// ``ask the person to ``, ``we used to ``
static OTHERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let who = r"(?:(?:the|your)\s+)?(?:person|people|users?|customers?|developers?|owner|team|them)";
    Regex::new(&format!(
        r"(?i)\b(?:(?:ask|tell|remind|advise|invite)\s+{who}\s+to|let\s+{who}|(?:we|they|you|people|agents)\s+used\s+to)\b"
    ))
    .ok()
});
/// How a sentence begins that forbids what it leads to.
static FORBIDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^[\W\d]*(?:please\s+)?(?:you\s+|the\s+agent\s+|agents\s+)?(?:(?:must|may|should|shall)\s+(?:not|never)|cannot|do\s+not|don['’]t|never|avoid|what\s+not)\b|^\W*(?:[❌✗✘🚫]|(?:wrong|bad|incorrect)\W*$)").ok()
});
/// How a clause begins on which the rest of its sentence hangs.
const CONDITIONS: [&str; 13] = [
    "if", "when", "where", "as", "unless", "because", "since", "while", "although", "once", "until", "whenever",
    "before",
];

/// What may stand between the one who does something and the verb, or before a verb alone.
const BETWEEN: [&str; 38] = [
    "to", "must", "should", "shall", "can", "could", "may", "might", "will", "would", "need", "have", "want", "please",
    "always", "also", "first", "next", "now", "then", "last", "lastly", "just", "simply", "only", "finally", "still",
    "again", "be", "make", "sure", "remember", "and", "or", "but", "so", "step", "directly",
];
/// Those of them with which a verb may belong to somebody else: "the loader will find and read it".
const MODAL: [&str; 10] = ["to", "must", "should", "shall", "can", "could", "may", "might", "will", "would"];

/// Whether a verb behind these words of a sentence is said to the agent.
fn is_told(before: &str) -> bool {
    let clause = before.rsplit([',', ':', '(', '–', '—', '|']).next().unwrap_or_default();
    let words = clause.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase());
    let words: Vec<String> = words.filter(|word| !word.is_empty() && !word.chars().all(char::is_numeric)).collect();
    if is_condition(clause) {
        return false;
    }
    let Some(at) = words.iter().rposition(|word| !BETWEEN.contains(&word.as_str())) else { return true };
    let behind = &words[at + 1..];
    match words[at].as_str() {
        "you" => !at.checked_sub(1).is_some_and(|before| CONDITIONS.contains(&words[before].as_str())),
        "agent" | "agents" => true,
        // By means of a tool: "use the tool to read it".
        name if behind == ["to"] && (["tool", "shell"].contains(&name) || Table::shipped().knows(name)) => true,
        // "Find and read it": whoever is to find it.
        _ if behind.iter().any(|word| ["and", "or", "but", "so", "then"].contains(&word.as_str())) => {
            let modal = words[..at].iter().rposition(|word| MODAL.contains(&word.as_str()));
            modal.is_none_or(|modal| is_told(&words[..modal].join(" ")))
        }
        _ => false,
    }
}

/// Whether it begins like a sentence that forbids something.
fn forbids(text: &str) -> bool {
    FORBIDS.as_ref().is_some_and(|forbids| forbids.is_match(text))
}

/// The words that say that something is not to be done.
fn is_denied(words: &str) -> bool {
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
        // "Never do this: read it", but not "do not guess: read it".
        let is_bare = FORBIDS.as_ref().and_then(|all| all.find(lead)).is_some_and(|found| found.end() == lead.len());
        if forbids(lead) && (is_bare || points_ahead(lead)) {
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
    // "Do not, if you can, open it": what stands between is said beside it.
    let is_begun = clauses.iter().any(|clause| {
        let last = clause.split_whitespace().next_back().unwrap_or_default();
        is_denied(last) && !is_condition(clause)
    });
    is_begun || is_last && clauses.iter().filter(|clause| !is_condition(clause)).any(|clause| is_denied(clause))
}

/// Whether it ends with a word for what follows it.
fn points_ahead(lead: &str) -> bool {
    let last = lead.rsplit(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
    last.is_some_and(|last| {
        ["this", "these", "that", "following", "things", "so"].contains(&last.to_lowercase().as_str())
    })
}

fn is_condition(clause: &str) -> bool {
    let first = clause.split_whitespace().find_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        (!word.is_empty()).then(|| word.to_lowercase())
    });
    first.is_some_and(|first| CONDITIONS.contains(&first.as_str()))
}

fn is_denied_behind(text: &str, end: usize) -> bool {
    let behind = text[end..].trim_start_matches(['`', '*', '"', '\'']);
    // In "use it if that is not enough" it is something else that is not.
    let end = CONDITIONS.iter().filter_map(|word| behind.find(&format!(" {word} "))).min().unwrap_or(behind.len());
    let behind = &behind[..end];
    DENIAL_BEHIND.as_ref().is_some_and(|denial| denial.is_match(behind))
}
