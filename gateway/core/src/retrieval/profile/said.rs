//! What a person says plainly of the project: "my Django app", "we use Rails". A mere mention is
//! nothing.

use super::table::Table;
use super::{Basis, Evidence, Kind, Profile, shortened};

/// So much of a message is listened to, in bytes.
const MOST: usize = 4_096;
/// The longest name, in words: "ruby on rails".
const LONGEST: usize = 3;
/// So many words may stand between "my" and a name, or a name and "app".
const NEAR: usize = 2;

pub(super) fn hear(profile: &mut Profile, table: &Table, text: &str) {
    let text = text[..text.floor_char_boundary(MOST)].trim();
    // Agents wrap their own notes in tags.
    if text.starts_with('<') && text.ends_with('>') {
        return;
    }
    let lower = text.to_lowercase().replace('’', "'");
    for sentence in lower.split(['\n', '!', '?', ';', '(', ')', ',']).flat_map(|part| part.split(". ")) {
        let words: Vec<&str> = sentence.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect();
        let mut at = 0;
        while at < words.len() {
            let Some((length, kind, name)) = named(table, &words, at) else {
                at += 1;
                continue;
            };
            if is_plain(table, &words, at, length) {
                let what = shortened(&words[at.saturating_sub(3)..(at + length + 2).min(words.len())].join(" "));
                let how = "said by a person".to_owned();
                profile.add(kind, name, Evidence { basis: Basis::Said, weight: 1, at: String::new(), what, how });
            }
            at += length;
        }
    }
}

fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\'', '`', '*', ':', '_']).trim_end_matches(['.', ','])
}

/// The longest name that begins here.
fn named<'t>(table: &'t Table, words: &[&str], at: usize) -> Option<(usize, Kind, &'t str)> {
    (1..=LONGEST.min(words.len() - at)).rev().find_map(|length| {
        let (kind, name) = table.named(&words[at..at + length].join(" "))?;
        Some((length, kind, name))
    })
}

fn is_plain(table: &Table, words: &[&str], at: usize, length: usize) -> bool {
    let said = &table.document.said;
    let ends_with =
        |text: &str, phrase: &str| text.strip_suffix(phrase).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '));
    if words[at.saturating_sub(4)..at].iter().any(|word| said.denials.contains(*word)) {
        return false;
    }
    let after = &words[at + length..(at + length + NEAR + 1).min(words.len())];
    // The owner may stand some words before the name: "my old Django app".
    let is_owned = (0..=NEAR.min(at)).any(|gap| {
        let before = words[at.saturating_sub(NEAR + 3)..at - gap].join(" ");
        said.owners.iter().any(|owner| ends_with(&before, owner))
    });
    let is_thing = after.iter().any(|word| said.things.contains(*word));
    let ahead = words[at.saturating_sub(5)..at].join(" ");
    let is_claimed = said.claims.iter().any(|claim| ends_with(&ahead, claim));
    is_owned && is_thing || is_claimed
}
