//! What a patch changes. Given `*** Begin Patch`, `*** Update File: src/a.rs`, …: the file
//! `src/a.rs` is read and written.
//!
//! Every line that a reader of patches could take for the head of a file counts as one, wherever
//! it stands: a path too many refuses a patch, a path too few lets one through.

use super::place::{below, readings, within};
use super::{Effect, Effects, Place};

/// The largest patch that is read, in bytes.
const MAX_PATCH: usize = 1 << 20;
/// The most files that one patch may name.
const MAX_FILES: usize = 1000;

const HOW: &str = "write it as `*** Begin Patch`, `*** Update File: path`, …, `*** End Patch`";

/// Reads a patch, in the grammar of `apply_patch` or as a unified diff.
#[must_use]
pub fn read(patch: &str) -> Effects {
    if patch.len() > MAX_PATCH {
        return Effects::unclear(format!("the patch is larger than {MAX_PATCH} bytes; part it"));
    }
    let patch = unwrapped(patch.trim());
    let first = patch.lines().next().unwrap_or_default().trim();
    let read = if first == "*** Begin Patch" {
        blocks(patch)
    } else if ["diff --git ", "--- ", "Index: "].iter().any(|head| first.starts_with(head)) {
        diff(patch)
    } else {
        Err(format!("the patch is of no kind that is read; {HOW}"))
    };
    match read {
        Ok(list) if list.is_empty() => Effects::unclear(format!("the patch names no file; {HOW}")),
        Ok(list) if list.len() > MAX_FILES => {
            Effects::unclear(format!("the patch is for more than {MAX_FILES} files; part it"))
        }
        Ok(list) => Effects { list, ..Effects::default() },
        Err(why) => Effects::unclear(why),
    }
}

/// Reads `apply_patch <<'EOF'`, a patch, `EOF`, which may stand behind `cd folder &&`. None for
/// every other command.
#[must_use]
pub fn in_command(command: &str) -> Option<Effects> {
    let (first, rest) = command.trim().split_once('\n')?;
    let (folder, first) = match first.strip_prefix("cd ") {
        Some(moved) => moved.split_once("&&").map(|(folder, then)| (Some(folder.trim()), then.trim()))?,
        None => (None, first),
    };
    if folder.is_some_and(|folder| folder.is_empty() || !folder.chars().all(is_plain)) {
        return None;
    }
    let mark = first.strip_prefix("apply_patch").or_else(|| first.strip_prefix("applypatch"))?;
    let mark = mark.trim().strip_prefix("<<")?.trim();
    // Without quotes the shell fills in what the patch says, so it must have nothing to fill in.
    let quoted = [['\'', '\''], ['"', '"']].iter().find_map(|[a, b]| mark.strip_prefix(*a)?.strip_suffix(*b));
    let word = quoted.unwrap_or(mark);
    if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let (patch, behind) = rest.split_once(&format!("\n{word}")).filter(|(_, behind)| behind.trim().is_empty())?;
    let ended_before = patch.lines().any(|line| line == word);
    if ended_before || !behind.is_empty() || (quoted.is_none() && patch.contains(['$', '`', '\\'])) {
        return None;
    }
    let effects = read(patch);
    Some(match folder {
        Some(folder) => within(folder, effects),
        None => effects,
    })
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '/' | '.' | '_' | '-')
}

/// A patch without the `<<EOF` and `EOF` that models put around it.
fn unwrapped(patch: &str) -> &str {
    let Some((first, rest)) = patch.split_once('\n') else { return patch };
    let Some(mark) = first.trim().strip_prefix("<<") else { return patch };
    let mark = mark.trim_matches(['\'', '"']);
    rest.strip_suffix(mark).map_or(patch, str::trim)
}

fn blocks(patch: &str) -> Result<Vec<Effect>, String> {
    if patch.lines().next_back().map(str::trim) != Some("*** End Patch") {
        return Err(format!("the patch does not end in `*** End Patch`; {HOW}"));
    }
    let mut list = Vec::new();
    for line in patch.lines() {
        let bare = line.trim();
        let Some(head) = bare.strip_prefix("*** ") else {
            // A head that is spelled a little differently could still be one to another reader.
            if line.starts_with("***") {
                return Err(format!("the patch has a line that is not known, `{}`; {HOW}", short(bare)));
            }
            continue;
        };
        match head.split_once(": ") {
            Some(("Add File" | "Delete File" | "Move to", path)) => change(path, false, &mut list)?,
            Some(("Update File", path)) => change(path, true, &mut list)?,
            _ if matches!(head, "Begin Patch" | "End Patch" | "End of File") => {}
            _ if line.starts_with([' ', '+', '-']) => {}
            _ => return Err(format!("the patch has a line that is not known, `{}`; {HOW}", short(bare))),
        }
    }
    Ok(list)
}

fn diff(patch: &str) -> Result<Vec<Effect>, String> {
    let git = patch.starts_with("diff --git ");
    let mut list = Vec::new();
    for line in patch.lines() {
        if let Some(both) = line.strip_prefix("diff --git ") {
            let parted = both.split_once(" b/").and_then(|(a, b)| Some((a.strip_prefix("a/")?, b)));
            let Some((a, b)) = parted else {
                return Err(format!("the patch has a head that is not understood, `{}`", short(line)));
            };
            change(a, true, &mut list)?;
            change(b, true, &mut list)?;
            continue;
        }
        let heads = ["--- ", "+++ ", "Index: ", "rename from ", "rename to ", "copy from ", "copy to "];
        let Some(path) = heads.iter().find_map(|head| line.strip_prefix(head)) else { continue };
        let path = path.split('\t').next().unwrap_or(path).trim_end();
        if path == "/dev/null" {
            continue;
        }
        if path.starts_with('"') {
            return Err("the patch has a quoted path; write paths without quotes".to_owned());
        }
        let bare = path.strip_prefix("a/").or_else(|| path.strip_prefix("b/"));
        change(bare.unwrap_or(path), true, &mut list)?;
        // Only git is sure to take the first folder away.
        if bare.is_some() && !git {
            change(path, true, &mut list)?;
        }
    }
    Ok(list)
}

/// Adds what is done to one file; of an update something may be shown.
fn change(path: &str, shown: bool, list: &mut Vec<Effect>) -> Result<(), String> {
    for path in readings(path)? {
        let path = Place::Path(below(".", &path));
        let reads = shown.then(|| Effect::Reads(path.clone()));
        for effect in reads.into_iter().chain([Effect::Writes(path)]) {
            if !list.contains(&effect) {
                list.push(effect);
            }
        }
    }
    if list.len() > 2 * MAX_FILES {
        return Err(format!("the patch is for more than {MAX_FILES} files; part it"));
    }
    Ok(())
}

fn short(line: &str) -> String {
    line.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
