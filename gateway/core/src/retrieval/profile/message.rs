//! What stands in messages beside results: what agents tell of the project by themselves, and files
//! that are shown in a text.

use std::borrow::Cow;

use super::content::{How, Scene};
use super::listing;
use super::look::is_missing;
use super::table::Table;

/// So much of a text is looked at, in bytes.
const MOST_TEXT: usize = 64 << 10;
/// So many lines behind a heading are a listing.
const MOST_LISTED: usize = 400;

/// The beginning of a text, as far as it is looked at.
pub(super) fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_TEXT)]
}

/// A text without the blocks that say nothing of the project.
pub(super) fn without_skipped<'a>(table: &Table, text: &'a str) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for tag in &table.document.tells.skipped {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        if !text.contains(&open) {
            continue;
        }
        let mut kept = String::with_capacity(text.len());
        let mut rest = &*text;
        while let Some(at) = rest.find(&open) {
            kept.push_str(&rest[..at]);
            // A block that is not closed takes the rest with it.
            rest = rest[at..].find(&close).map_or("", |end| &rest[at + end + close.len()..]);
        }
        kept.push_str(rest);
        text = Cow::Owned(kept);
    }
    text
}

pub(super) fn root(table: &Table, text: &str) -> Option<String> {
    let text = beginning(text);
    let behind =
        table.document.tells.roots.iter().find_map(|mark| Some(&text[text.find(mark.as_str())? + mark.len()..]))?;
    let end = behind.find(['\n', '<', ')']).unwrap_or(behind.len());
    let folder = behind[..end].trim().trim_matches(['`', '"', '\'']).trim_end_matches('.').replace('\\', "/");
    let folder = folder.strip_prefix("/private/").map_or(folder.as_str(), |_| &folder["/private".len()..]);
    let folder = folder.trim_end_matches('/');
    let is_absolute = folder.starts_with('/') || folder.get(1..2) == Some(":");
    (is_absolute && folder.len() > 1 && folder.len() <= 512).then(|| folder.to_owned())
}

/// The names in the blocks in which agents tell of the project by themselves.
pub(super) fn tells(scene: &mut Scene<'_>, text: &str) {
    let table = scene.table;
    for tag in &table.document.tells.tags {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let mut rest = text;
        while let Some(at) = rest.find(&open) {
            let inside = &rest[at + open.len()..];
            let end = inside.find(&close).unwrap_or(inside.len());
            let is_tag = inside.starts_with(['>', ' ', '\n']);
            if let Some(start) = inside[..end].find('>').filter(|_| is_tag) {
                list(scene, &inside[start + 1..end]);
            }
            rest = &inside[end..];
        }
    }
    for head in &table.document.tells.heads {
        if let Some(at) = text.find(head.as_str()) {
            let rest = &text[at + head.len()..];
            // The rest of the heading's own line is none of the listing.
            list(
                scene,
                &behind(if head.ends_with('\n') { rest } else { rest.split_once('\n').map_or("", |(_, rest)| rest) }),
            );
        }
    }
}

fn list(scene: &mut Scene<'_>, text: &str) {
    listing::each(text, "", &mut |path, _| scene.name(path, How::Shown));
}

/// The listing behind a heading: it ends at an empty line, once it has begun.
fn behind(text: &str) -> String {
    let mut found = String::new();
    let mut has_begun = false;
    for line in text.lines().take(MOST_LISTED) {
        if line.trim().is_empty() && has_begun {
            break;
        }
        has_begun |= !line.contains(' ') && line.contains('.') || line.contains(['├', '└']);
        found.push_str(line);
        found.push('\n');
    }
    found
}

/// Files that stand in a message: a line with the path, and a fence with the content.
pub(super) fn shown(scene: &mut Scene<'_>, text: &str) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let path = line.trim().trim_matches(['`', '*', ':']);
        let opens = lines.peek().is_some_and(|next| next.starts_with("```"));
        if !opens || path.is_empty() || path.contains(char::is_whitespace) || !path.contains('.') {
            continue;
        }
        lines.next();
        let mut content = String::new();
        for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
            content.push_str(line);
            content.push('\n');
        }
        scene.name(path, How::Shown);
        scene.content(path, &content, true, How::Shown);
    }
}

/// Results that stand in a message, as of agents that call tools by text:
/// `[read_file for 'app.py'] Result:`.
pub(super) fn answered(scene: &mut Scene<'_>, text: &str) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("] Result:\n") {
        let head = before.rsplit('\n').next().unwrap_or(before);
        let end = behind.find("\n[").unwrap_or(behind.len());
        if let Some((tool, path)) = head.strip_prefix('[').and_then(|head| head.split_once(" for '")) {
            let path = path.split('\'').next().unwrap_or(path);
            scene.by = tool.to_owned();
            if scene.table.document.tools.listings.contains(tool) {
                listing::each(&behind[..end], path, &mut |path, _| scene.name(path, How::Listed));
            } else if scene.table.document.tools.readers.contains(tool) && !is_missing(&behind[..end], path, true) {
                scene.name(path, How::Read);
                scene.content(path, &behind[..end], true, How::Read);
            }
        }
        rest = &behind[end..];
    }
}
