//! From what is told to what was seen: which file a result is the content of, and which names are
//! in it.

use std::borrow::Cow;

use super::content::{How, Scene};
use super::message::{answered, beginning, root, shown, tells, without_skipped};
use super::table::Table;
use super::told::{self, Call, Piece};
use super::{Profile, listing, said};
use crate::effects::table::Table as Tools;
use crate::effects::{Effect, Place, Word};
use crate::wire::json::{Json, Value};
use crate::wire::request::Request;

/// The longest arguments that are looked at, in bytes.
const MOST_ARGUMENTS: usize = 256 << 10;
/// So many files of one call are looked at.
const MOST_FILES: usize = 16;
/// A message that says that a file is not there is short.
const SHORT: usize = 400;
const SHORT_LINES: usize = 3;

pub(super) fn grow(profile: &mut Profile, request: &Request, from: usize) {
    let told = told::read(request, from);
    let table = Table::shipped();
    // The folder first: by it the paths of everything else are told from those of other projects.
    for piece in &told.pieces {
        if let (Piece::System(text) | Piece::User(text), None) = (piece, &profile.root) {
            profile.root = root(table, text);
        }
    }
    for piece in &told.pieces {
        match piece {
            Piece::System(text) => {
                let mut scene = Scene { profile, table, by: "agent".to_owned() };
                tells(&mut scene, &without_skipped(table, beginning(text)));
            }
            Piece::User(text) => {
                let text = without_skipped(table, beginning(text));
                let mut scene = Scene { profile, table, by: "user".to_owned() };
                tells(&mut scene, &text);
                shown(&mut scene, &text);
                answered(&mut scene, &text);
                said::hear(profile, table, &text);
            }
            Piece::Result { call, text, failed } => {
                if let Some(call) = told.calls.get(*call) {
                    let mut scene = Scene { profile, table, by: call.name.to_string() };
                    result(&mut scene, call, &without_skipped(table, beginning(text)), *failed);
                }
            }
        }
    }
}

/// What a call did, as far as it matters here.
#[derive(Debug, Default)]
struct Deed {
    reads: Vec<String>,
    writes: Vec<String>,
    lists: bool,
    /// Where bare names of the listing stand.
    base: String,
    /// The result is nothing but the content of what was read.
    alone: bool,
}

fn result(scene: &mut Scene<'_>, call: &Call<'_>, text: &str, failed: bool) {
    let table = scene.table;
    let short = call.name.rsplit("__").next().unwrap_or(&call.name);
    if table.document.tools.never.contains(short) || call.input.len() > MOST_ARGUMENTS {
        return;
    }
    let arguments = Json::read(call.input.clone().into_owned().into()).ok();
    let Some(deed) = deed(table, call, short, arguments.as_ref()) else { return };
    let is_there = |path: &str| !is_missing(text, path, deed.reads.len() + deed.writes.len() == 1 && !deed.lists);
    for path in deed.reads.iter().filter(|path| !failed && is_there(path)) {
        scene.name(path, How::Read);
    }
    // What failed in part still shows the rest.
    let has_prose = deed.reads.iter().any(|path| is_prose(path));
    for path in deed.reads.iter().filter(|path| is_there(path)) {
        if deed.alone || !has_prose {
            scene.content(path, text, deed.alone, How::Read);
        }
    }
    if deed.lists {
        listing::each(text, &deed.base, &mut |path, code| {
            scene.name(path, How::Listed);
            if let Some(code) = code {
                scene.code(path, code, How::Listed);
            }
        });
    }
    if !failed {
        let written = written(arguments.as_ref(), &call.input);
        for path in deed.writes.iter().filter(|path| is_there(path)) {
            scene.name(path, How::Written);
            scene.content(path, &written, deed.writes.len() == 1, How::Written);
        }
    }
}

/// None where the result tells nothing of the project.
fn deed(table: &Table, call: &Call<'_>, short: &str, arguments: Option<&Json>) -> Option<Deed> {
    let document = &table.document;
    let effects = Tools::shipped().effects(&call.name, call.namespace.as_deref(), &call.input);
    let mut deed = Deed::default();
    let (mut programs, mut is_strange) = (0, false);
    for effect in &effects.list {
        match effect {
            Effect::Reads(Place::Path(path)) => push(&mut deed.reads, path),
            Effect::Writes(Place::Path(path)) => push(&mut deed.writes, path),
            Effect::Runs(words) => {
                let Some(Word::Literal(program)) = words.first() else { continue };
                programs += 1;
                let name = program.rsplit('/').next().unwrap_or(program);
                if document.commands.elsewhere.contains(name) {
                    return None;
                }
                if document.commands.listings.contains(name) {
                    deed.lists = true;
                    deed.base = listed_below(name, words, &deed.base);
                } else if name == "cd" {
                    deed.base = argument(words, 1).unwrap_or_default().to_owned();
                } else if !document.commands.readers.contains(name) && !document.commands.silent.contains(name) {
                    is_strange = true;
                }
            }
            Effect::Fetches(_) | Effect::Sends => is_strange = true,
            _ => {}
        }
    }
    if programs == 0 {
        let is_listing = document.tools.listings.contains(short);
        deed.lists = is_listing || document.tools.searches.contains(short);
        let paths = arguments.map(|json| paths(table, json)).unwrap_or_default();
        if is_listing {
            deed.base = paths.first().cloned().unwrap_or_default();
            deed.reads.clear();
        } else if effects.list.is_empty() && document.tools.readers.contains(short) {
            paths.iter().for_each(|path| push(&mut deed.reads, path));
        }
    } else if let Some(folder) = arguments.and_then(working_folder).filter(|_| !deed.base.starts_with('/')) {
        deed.base = format!("{}/{}", folder.trim_end_matches('/'), deed.base);
    }
    deed.alone = deed.reads.len() == 1 && !deed.lists && !is_strange;
    Some(deed)
}

fn push(list: &mut Vec<String>, path: &str) {
    if list.len() < MOST_FILES && !list.iter().any(|known| known == path) {
        list.push(path.to_owned());
    }
}

fn argument(words: &[Word], at: usize) -> Option<&str> {
    match words.get(at)? {
        Word::Literal(text) => Some(text),
        Word::Unknown => None,
    }
}

/// Where the names stand that such a command prints without their folder.
fn listed_below(program: &str, words: &[Word], folder: &str) -> String {
    if !["ls", "tree", "dir", "exa", "eza"].contains(&program) {
        return folder.to_owned();
    }
    let mut named = words.iter().skip(1).filter_map(|word| match word {
        Word::Literal(text) if !text.starts_with('-') => Some(text.trim_end_matches('/')),
        _ => None,
    });
    match (named.next(), named.next()) {
        (Some("."), None) | (None, _) | (Some(_), Some(_)) => folder.to_owned(),
        (Some(only), None) if folder.is_empty() || only.starts_with('/') => only.to_owned(),
        (Some(only), None) => format!("{folder}/{only}"),
    }
}

fn paths(table: &Table, arguments: &Json) -> Vec<String> {
    let named = table.document.tools.paths.iter().filter_map(|name| arguments.root().get(name)?.text());
    named.map(Cow::into_owned).collect()
}

fn working_folder(arguments: &Json) -> Option<String> {
    let folder = ["workdir", "working_directory", "cwd", "dir_path", "directory"];
    folder.iter().find_map(|name| arguments.root().get(name)?.text()).map(Cow::into_owned)
}

/// What a call writes: the members that hold it, or the lines that a patch adds.
fn written(arguments: Option<&Json>, input: &str) -> String {
    const MEMBERS: &[&str] = &[
        "content",
        "file_text",
        "new_string",
        "newString",
        "new_str",
        "newText",
        "code_edit",
        "code",
        "insert_text",
        "new_source",
    ];
    let mut text = String::new();
    let mut take = |value: Value<'_>| {
        for found in MEMBERS.iter().filter_map(|name| value.get(name)?.text()) {
            text.push_str(beginning(&found));
            text.push('\n');
        }
    };
    let root = arguments.map(Json::root);
    if let Some(root) = root {
        take(root);
        root.get("edits").into_iter().flat_map(Value::items).for_each(take);
    }
    let patch = root.and_then(|root| {
        ["input", "patchText", "patch", "command", "cmd"].iter().find_map(|name| root.get(name)?.text())
    });
    let patch = patch.unwrap_or(Cow::Borrowed(input));
    if text.is_empty() {
        text.push_str(document(&patch).unwrap_or_default());
    }
    if text.is_empty() && patch.contains("*** Begin Patch") {
        for line in beginning(&patch).lines().filter_map(|line| line.strip_prefix('+')) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// What a shell command takes from its own text: `cat > a.py <<'EOF'`.
fn document(command: &str) -> Option<&str> {
    let (_, rest) = command.split_once("<<")?;
    let (line, rest) = rest.split_once('\n')?;
    let word = line.trim_start_matches('-').split_whitespace().next()?.trim_matches(['\'', '"']);
    let end = rest.find(&format!("\n{word}")).unwrap_or(rest.len());
    (!word.is_empty()).then(|| beginning(&rest[..end]))
}

/// Whether a result says that a file is not there. `only` if it is about no other.
pub(super) fn is_missing(text: &str, path: &str, only: bool) -> bool {
    const SIGNS: &[&str] = &[
        "no such file",
        "does not exist",
        "not found",
        "enoent",
        "cannot find",
        "cannot access",
        "could not read",
        "doesn't exist",
    ];
    let says = |text: &str| {
        let text = text.to_lowercase();
        SIGNS.iter().any(|sign| text.contains(sign))
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    // Code may hold such words too, but has more lines.
    (only && text.len() <= SHORT && text.lines().count() <= SHORT_LINES && says(text))
        || text.lines().any(|line| line.len() <= SHORT && line.contains(name) && says(line))
}

fn is_prose(path: &str) -> bool {
    let lower = path.to_lowercase();
    [".md", ".mdx", ".rst", ".txt", ".adoc"].iter().any(|ending| lower.ends_with(ending))
        && !lower.contains("requirements")
}
