//! Why a call was refused, in sentences for the model. Given the rule `reads(**/.env*)` and a call
//! that reads `.env`: "It reads `.env`, which `reads(**/.env*)` denies."
//!
//! Of a call they show programs, paths and hosts, cut short, and nothing else: an argument may be
//! a secret.

use crate::effects::{Effect, Place, Word};
use crate::policy::lockdown::address;
use crate::policy::lockdown::rule::Rule;
use crate::policy::lockdown::rules::Verdict;

/// Characters of a call that are shown at most.
const SHOWN: usize = 200;
/// Rules that are shown at most.
const WAYS: usize = 5;

pub(super) fn refused(rule: impl Into<String>, why: String) -> Verdict {
    Verdict::Refuse { rule: rule.into(), why }
}

pub(super) fn unknown_tool() -> String {
    String::from("This kind of tool is not known.")
}

/// The rule says it all.
pub(super) fn unlisted_tool() -> String {
    String::new()
}

pub(super) fn nothing_to_judge() -> String {
    String::from("It does nothing that a rule allows.")
}

pub(super) fn denied_tool(rule: &Rule) -> String {
    rule.reason.clone().unwrap_or_default()
}

pub(super) fn unseen_calls(rule: &Rule) -> String {
    format!("The provider calls these tools where nobody can judge by `{rule}`.{}", reason(rule))
}

pub(super) fn denied(rule: &Rule, effect: &Effect, ways: &[&str]) -> String {
    let (part, hint) = part(effect);
    format!("It {part}, which `{rule}` denies{hint}.{}{}", reason(rule), instead(ways))
}

pub(super) fn uncovered(effect: &Effect, ways: &[&str]) -> String {
    let (part, hint) = part(effect);
    format!("It {part}, which no rule allows{hint}.{}", instead(ways))
}

pub(super) fn unclear(why: &str, rule: &Rule) -> String {
    format!("It cannot be told whether `{rule}` holds for it: {}.{}", short(why.trim_end_matches('.')), reason(rule))
}

pub(super) fn unseen_program(why: &str) -> String {
    format!("The tools that its program calls cannot all be seen: {}.", short(why.trim_end_matches('.')))
}

pub(super) fn called(name: &str, why: &str) -> String {
    format!("Its program calls `{}`. {why}", cut(name)).trim_end().to_owned()
}

fn reason(rule: &Rule) -> String {
    rule.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default()
}

fn instead(ways: &[&str]) -> String {
    if ways.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = ways.iter().take(WAYS).map(|way| format!("`{way}`")).collect();
    format!(" Allowed: {}.", shown.join(", "))
}

/// What the call does, and what would help.
fn part(effect: &Effect) -> (String, &'static str) {
    const PATH: &str = " (write out the path)";
    let place = |verb: &str, place: &Place| match place {
        Place::Path(path) => (format!("{verb} `{}`", cut(path)), ""),
        Place::Glob(pattern) => (format!("{verb} what `{}` matches", cut(pattern)), ""),
        Place::Tree(folder) => (format!("{verb} all in `{}`", cut(folder)), ""),
        Place::Unknown => (format!("{verb} a place that cannot be told"), PATH),
    };
    match effect {
        Effect::Runs(words) => match words.first() {
            Some(Word::Literal(program)) => (format!("runs `{}` with such arguments", cut(program)), ""),
            _ => (String::from("runs a program that cannot be told"), " (write out its name)"),
        },
        Effect::Reads(read) => place("reads", read),
        Effect::Writes(written) => place("writes", written),
        Effect::Fetches(asked) => match asked.as_deref().and_then(address::host) {
            Some(host) => (format!("asks `{}`", cut(&host)), ""),
            None => (String::from("asks an address that cannot be told"), " (write out a plain address)"),
        },
        Effect::Sends => (String::from("sends something away"), ""),
    }
}

/// Short, in one line, and with nothing that ends the quotes.
fn cut(text: &str) -> String {
    short(text).replace('`', "?")
}

/// A sentence of ours, which may have quotes in it. Short, and in one line.
fn short(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    let mut shown: String = text.chars().take(SHOWN).map(plain).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
