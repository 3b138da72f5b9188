//! A row is a text. What is a secret in it stands in `«kind:NAME|secret»`, or in `«kind|secret»`
//! where no name is known. A row without them is to stay as it is. `~` is left out: it keeps keys
//! that are made up from looking like keys to those who search this repository for some.

use std::sync::LazyLock;

use super::{Action, Kind, Redactor, Rules};

mod code;
mod env;
mod formats;
mod properties;
mod rules;

pub(super) fn redactor(yaml: &str) -> Redactor {
    let rules: Rules = if yaml.is_empty() { Rules::default() } else { serde_saphyr::from_str(yaml).unwrap() };
    Redactor::new(rules, &[7; 32]).unwrap()
}

/// One that replaces everything.
pub(super) static ALL: LazyLock<Redactor> = LazyLock::new(|| redactor(""));

/// The text of a row, and the text without its secrets; `?` stands for a digest.
fn read(row: &str) -> (String, String) {
    let (mut given, mut expect) = (String::new(), String::new());
    let row = row.replace('~', "");
    for (at, part) in row.split(['«', '»']).enumerate() {
        if at % 2 == 0 {
            given.push_str(part);
            expect.push_str(part);
        } else {
            let (kind, secret) = part.split_once('|').unwrap();
            given.push_str(secret);
            let name = if kind.contains(':') { "" } else { ":?" };
            expect.push_str(&format!("[redacted:{kind}{name}]"));
        }
    }
    (given, expect)
}

/// Digests become `?`.
fn without_digests(text: &str) -> String {
    let digest = regex::Regex::new(r"(\[redacted:[a-z-]+[:.](?:[A-Za-z0-9_-]+\.)?)[0-9a-f]{6}\]").unwrap();
    digest.replace_all(text, "${1}?]").into_owned()
}

#[track_caller]
pub(super) fn check(rows: &[&str]) {
    let mut wrong = String::new();
    for row in rows {
        let (given, expect) = read(row);
        let redacted = ALL.redact(&given);
        let found = without_digests(redacted.text.as_deref().unwrap_or(&given));
        let again = ALL.redact(redacted.text.as_deref().unwrap_or(&given)).text;
        if found != expect || redacted.text.is_some() != row.contains('«') || again.is_some() {
            wrong.push_str(&format!("given   {given:?}\nexpect  {expect:?}\nfound   {found:?}\nagain   {again:?}\n\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[track_caller]
pub(super) fn check_unchanged(rows: &[&str]) {
    assert!(rows.iter().all(|row| !row.contains('«')));
    check(rows);
}
