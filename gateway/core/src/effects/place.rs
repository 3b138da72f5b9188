//! Where a path of an argument leads. Given `@.env`: the files `@.env` and `.env`, for one agent
//! takes the `@` away and another does not.

use super::{Effect, Effects, Place};

/// The longest path that is looked at, in bytes.
const MAX_PATH: usize = 4096;

/// What stands in for a space in some paths, and is taken for one by some agents.
const SPACES: [char; 7] = ['\u{a0}', '\u{2002}', '\u{2003}', '\u{2009}', '\u{202f}', '\u{205f}', '\u{3000}'];

/// Every path that some agent makes of this text: spaces around it, quotes, backslashes, a leading
/// `@` and `file://` are kept by some and taken away by others. The first is the text as it is.
///
/// # Errors
/// A sentence, where the text is no path: empty, too long, or with control characters in it.
pub(super) fn readings(text: &str) -> Result<Vec<String>, String> {
    if text.trim().is_empty() {
        return Err("a path is empty; name the file".to_owned());
    }
    if text.len() > MAX_PATH {
        return Err(format!("a path is longer than {MAX_PATH} bytes; shorten it"));
    }
    if text.chars().any(char::is_control) {
        return Err("a path has control characters in it; write it without them".to_owned());
    }
    if text.contains("file:") && text.contains('%') {
        return Err("a path is an address with `%` in it; write it as a plain path".to_owned());
    }
    let mut all = vec![text.to_owned()];
    // Each way is tried on what the ways before it made, so that they are found in any order.
    for _ in 0..2 {
        for way in WAYS {
            for made in all.iter().map(|path| way(path)).collect::<Vec<_>>() {
                if !made.is_empty() && !all.contains(&made) {
                    all.push(made);
                }
            }
        }
    }
    Ok(all)
}

const WAYS: [fn(&str) -> String; 6] = [
    |path| path.trim().to_owned(),
    |path| path.trim_matches(['"', '\'', '`']).to_owned(),
    |path| path.strip_prefix('@').unwrap_or(path).to_owned(),
    |path| path.strip_prefix("file://").unwrap_or(path).to_owned(),
    |path| path.replace('\\', ""),
    |path| path.replace(SPACES, " ").replace('\\', "/"),
];

/// A path below a folder; as it is, if it begins at a root of its own.
pub(super) fn below(folder: &str, path: &str) -> String {
    let bytes = path.as_bytes();
    let drive = bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic);
    if drive || path.starts_with(['/', '~', '\\']) || matches!(folder, "" | ".") {
        return path.to_owned();
    }
    format!("{}/{path}", folder.trim_end_matches('/'))
}

/// The same effects, with relative paths put below a folder.
pub(super) fn within(folder: &str, mut effects: Effects) -> Effects {
    for effect in &mut effects.list {
        if let Effect::Reads(place) | Effect::Writes(place) = effect {
            *place = match &*place {
                Place::Path(path) => Place::Path(below(folder, path)),
                Place::Tree(path) => Place::Tree(below(folder, path)),
                Place::Glob(pattern) => Place::Glob(below(&literal(folder), pattern)),
                Place::Unknown => Place::Unknown,
            };
        }
    }
    effects
}

/// A pattern that matches this text alone.
pub(super) fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '*' | '?' | '[' | ']' | '{' | '}' => pattern.extend(['[', character, ']']),
            other => pattern.push(other),
        }
    }
    pattern
}

/// Whether a text has characters that make it a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '!'])
}

/// The places that a search below `folder` looks into when it is held to files of this pattern, as
/// `rg --glob` reads it: without a slash a pattern is for names, at any depth.
pub(super) fn matching(folder: &str, pattern: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for piece in pieces(pattern) {
        // What is left out says nothing about what is looked at.
        if piece.starts_with('!') {
            return vec![Place::Tree(folder.to_owned())];
        }
        let folder = literal(folder);
        let piece = piece.trim_start_matches('/');
        if piece.contains('/') && !piece.starts_with("**/") {
            places.push(Place::Glob(below(&folder, piece)));
        }
        let anywhere = if piece.starts_with("**/") { piece.to_owned() } else { format!("**/{piece}") };
        places.push(Place::Glob(below(&folder, &anywhere)));
        // A pattern that matches a folder lets everything below it in.
        if !piece.ends_with("**") && !names_a_kind(piece) {
            places.push(Place::Glob(below(&folder, &format!("{}/**", anywhere.trim_end_matches('/')))));
        }
    }
    if places.is_empty() { vec![Place::Tree(folder.to_owned())] } else { places }
}

/// Whether a pattern is for names with an ending, as files have them and folders rarely do.
fn names_a_kind(pattern: &str) -> bool {
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    name.rfind('.').is_some_and(|at| at > 0)
}

/// One agent takes a list of patterns, parted by commas or spaces.
fn pieces(pattern: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    pattern
        .split(move |character: char| {
            match character {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            character.is_whitespace() || (character == ',' && depth == 0)
        })
        .filter(|piece| !piece.is_empty())
        .collect()
}
