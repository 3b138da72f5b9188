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
    for effect in effects.list.iter_mut().chain(&mut effects.beside) {
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
    let is_deep = |piece: &str| piece.starts_with("**/") || piece.starts_with(DEEP);
    for piece in pieces(pattern) {
        // What is left out says nothing about what is looked at.
        if piece.starts_with('!') {
            return vec![Place::Tree(folder.to_owned())];
        }
        let folder = literal(folder);
        let piece = &hidden_too(piece.trim_start_matches('/'));
        if piece.contains('/') && !is_deep(piece) {
            places.push(Place::Glob(below(&folder, piece)));
        }
        let anywhere = if is_deep(piece) { piece.to_owned() } else { format!("**/{piece}") };
        places.push(Place::Glob(below(&folder, &anywhere)));
        // A pattern that matches a folder lets everything below it in.
        if !piece.ends_with("**") && !names_a_kind(piece) {
            places.push(Place::Glob(below(&folder, &format!("{}/**", anywhere.trim_end_matches('/')))));
        }
    }
    if places.is_empty() { vec![Place::Tree(folder.to_owned())] } else { places }
}

/// Any number of folders, also such as begin with a dot.
const DEEP: &str = "{**,**/.*/**}";

/// Endings of files that hold code or prose. No secrets are kept in `.env.ts`.
const CODE: [&str; 53] = [
    "ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "vue", "svelte", "astro", "py", "pyi", "rb", "erb", "go",
    "rs", "java", "kt", "kts", "swift", "php", "c", "h", "cc", "hh", "cpp", "hpp", "cxx", "cs", "m", "mm", "scala",
    "dart", "ex", "exs", "erl", "hs", "lua", "pl", "css", "scss", "sass", "less", "html", "htm", "ejs", "md", "mdx",
    "rst", "graphql", "proto", "pyc",
];

/// Endings of other files; folders rarely have them.
const DATA: [&str; 28] = [
    "json",
    "jsonc",
    "lock",
    "yaml",
    "yml",
    "toml",
    "xml",
    "txt",
    "log",
    "csv",
    "tsv",
    "sql",
    "sh",
    "bash",
    "svg",
    "png",
    "jpg",
    "gif",
    "ini",
    "cfg",
    "conf",
    "properties",
    "gradle",
    "map",
    "tgz",
    "zip",
    "gz",
    "snap",
];

/// Whether a path is of a file and not of a folder, as far as its ending tells.
pub(super) fn is_kind_of_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    ending.is_some_and(|ending| CODE.contains(&ending) || DATA.contains(&ending))
}

/// Whether all that a pattern of names matches has the ending of code: `*.ts`, `*.{ts,tsx}`.
pub(super) fn is_for_code(pattern: &str) -> bool {
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    let Some((_, ending)) = name.rsplit_once('.') else { return false };
    let list = ending.strip_prefix('{').and_then(|list| list.strip_suffix('}')).unwrap_or(ending);
    list.split(',').all(|ending| CODE.contains(&ending) || matches!(ending, "[ch]" | "[chH]" | "[ch]pp" | "[ch]xx"))
}

/// A pattern that matches names with a dot before them too, as searches and libraries take it; a
/// shell would not. One that is for a name or for code alone stays as it is.
pub(super) fn hidden_too(pattern: &str) -> String {
    let (folders, name) = pattern.rsplit_once('/').map_or((None, pattern), |(folders, name)| (Some(folders), name));
    let is_even = |text: &str| text.matches('{').count() == text.matches('}').count();
    if !is_even(name) {
        // A slash within braces parts nothing.
        return format!("{{{pattern},{DEEP}/.*}}");
    }
    if !name.starts_with(['*', '?', '[', '{']) || is_for_code(name) {
        return pattern.to_owned();
    }
    let name = match name.chars().next() {
        _ if name == "**" => format!("{DEEP}/{{*,.*}}"),
        Some('?') => format!("{{?,.}}{}", &name[1..]),
        Some('[') => name.split_once(']').map_or(name.to_owned(), |(set, rest)| format!("{{{set}],.}}{rest}")),
        _ => format!("{{,.}}{name}"),
    };
    let each = |folder: &str| if folder == "**" { DEEP.to_owned() } else { folder.to_owned() };
    let folders = folders.map(|folders| folders.split('/').map(each).collect::<Vec<_>>().join("/"));
    folders.map_or(name.clone(), |folders| format!("{folders}/{name}"))
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
