//! One call held against one entry of the table. Given `reads: [file_path]` and
//! `{"file_path": ".env"}`: the file `.env` is read.

use std::collections::BTreeMap;

use super::document::{Search, Tool};
use crate::effects::place::{below, hidden_too, is_kind_of_file, is_pattern, matching, readings, within};
use crate::effects::{Effect, Effects, Place, Word, patch, shell};
use crate::wire::json::{Kind, Value, shortened};

/// The most texts that one argument may list.
const MAX_LISTED: usize = 1000;

/// What an entry says of a call; programs are still to be read.
pub(super) struct Judged {
    pub(super) effects: Effects,
    pub(super) programs: Vec<String>,
}

/// Why the arguments do not fit an entry, and how many of them do.
pub(super) struct Mismatch {
    pub(super) fits: usize,
    pub(super) why: String,
}

/// What the call does by this entry.
///
/// # Errors
/// [`Mismatch`] where an argument is missing, of another type, or not one of the entry's.
pub(super) fn judge(
    tool: &Tool,
    arguments: Value<'_>,
    types: &BTreeMap<String, Vec<String>>,
) -> Result<Judged, Mismatch> {
    if tool.harmless {
        return Ok(Judged { effects: Effects::default(), programs: Vec::new() });
    }
    let mut fits = 0;
    for member in arguments.members() {
        let name = member.name();
        if !names(tool).any(|known| bare(known) == name) {
            let why = format!("what its argument `{}` does is not known; leave it out", shortened(&name));
            return Err(Mismatch { fits, why });
        }
        fits += 1;
    }
    Call { arguments, types }.judged(tool).map_err(|why| Mismatch { fits, why })
}

/// Every argument that the entry names.
pub(super) fn names(tool: &Tool) -> impl Iterator<Item = &String> {
    let search = tool.search.iter().flat_map(|search| search.below.iter().chain(&search.matching).chain(&search.kind));
    let lists = [
        &tool.reads,
        &tool.reads_below,
        &tool.reads_matching,
        &tool.writes,
        &tool.edits,
        &tool.runs,
        &tool.within,
        &tool.fetches,
        &tool.patches,
        &tool.programs,
        &tool.typed,
        &tool.other,
    ];
    lists.into_iter().flatten().chain(tool.only.keys()).chain(tool.when.keys()).chain(search)
}

fn bare(name: &str) -> &str {
    name.strip_suffix('?').unwrap_or(name)
}

struct Call<'a> {
    arguments: Value<'a>,
    types: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> Call<'a> {
    fn judged(&self, tool: &Tool) -> Result<Judged, String> {
        if tool.text.is_some() {
            return Err("it takes plain text and no JSON".to_owned());
        }
        for (name, values) in tool.when.iter().chain(&tool.only) {
            self.one_of(name, values)?;
        }
        for name in &tool.other {
            self.present(name)?;
        }
        let mut effects = Effects::default();
        self.places(tool, &mut effects)?;
        if let Some(search) = &tool.search {
            self.search(search, &mut effects.list)?;
        }
        for name in &tool.runs {
            effects.add(self.command(name)?);
        }
        for patch in self.all(&tool.patches)? {
            effects.add(patch::read(&patch));
        }
        for url in self.all(&tool.fetches)? {
            if url.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:")) {
                let place = if url.contains('%') { Place::Unknown } else { Place::Path(url.trim()[5..].to_owned()) };
                effects.list.push(Effect::Reads(place));
            }
            effects.list.push(Effect::Fetches(Some(url)));
        }
        if tool.fetches_unknown {
            effects.list.push(Effect::Fetches(None));
        }
        if tool.sends {
            effects.list.push(Effect::Sends);
        }
        if self.all(&tool.typed)?.iter().any(|text| !text.is_empty()) {
            let why = "it types into a program that runs already; run a command of its own instead";
            effects.add(Effects::unclear(why));
        }
        for folder in self.all(&tool.within)? {
            // What another reader makes of the folder is not followed: it must be plain.
            match readings(&folder)?.as_slice() {
                [_] => effects = within(&folder, effects),
                _ => return Err(format!("the folder `{}` can be read in two ways", shortened(&folder))),
            }
        }
        Ok(Judged { effects, programs: self.all(&tool.programs)? })
    }

    /// The effects of the arguments that are paths.
    fn places(&self, tool: &Tool, effects: &mut Effects) -> Result<(), String> {
        for path in self.paths(&tool.reads)? {
            effects.list.push(Effect::Reads(Place::Path(path)));
        }
        for path in self.paths(&tool.reads_below)? {
            effects.list.push(Effect::Reads(Place::Tree(path)));
        }
        for path in self.paths(&tool.reads_matching)? {
            let place = if is_pattern(&path) { Place::Glob(hidden_too(&path)) } else { Place::Tree(path) };
            effects.list.push(Effect::Reads(place));
        }
        for path in self.paths(&tool.edits)? {
            effects.list.push(Effect::Reads(Place::Path(path.clone())));
            effects.list.push(Effect::Writes(Place::Path(path)));
        }
        for path in self.paths(&tool.writes)? {
            effects.list.push(Effect::Writes(Place::Path(path)));
        }
        Ok(())
    }

    fn search(&self, search: &Search, list: &mut Vec<Effect>) -> Result<(), String> {
        let mut folders = Vec::new();
        for folder in search.below.iter().map(|name| self.texts(name)).collect::<Result<Vec<_>, _>>()?.concat() {
            // An empty folder is the one that the agent stands in.
            folders.extend(if folder.is_empty() { vec![".".to_owned()] } else { readings(&folder)? });
        }
        let mut patterns = self.all(&search.matching)?;
        // A pattern goes before a type: what it matches is looked at whatever its type.
        if patterns.iter().all(|pattern| pattern.trim().is_empty()) {
            patterns.clear();
            for kind in search.kind.iter().map(|name| self.texts(name)).collect::<Result<Vec<_>, _>>()?.concat() {
                patterns.extend(self.types.get(&kind).cloned().unwrap_or_default());
            }
        }
        if folders.is_empty() {
            folders.push(".".to_owned());
        }
        for folder in folders {
            if patterns.is_empty() {
                let is_file = is_kind_of_file(&folder);
                list.push(Effect::Reads(if is_file { Place::Path(folder) } else { Place::Tree(folder) }));
                continue;
            }
            // A file that is named is searched whatever the pattern says.
            if !matches!(folder.as_str(), "." | ".." | "./") && !folder.ends_with('/') {
                list.push(Effect::Reads(Place::Path(folder.clone())));
            }
            let places = patterns.iter().flat_map(|pattern| matching(&folder, pattern));
            list.extend(places.map(Effect::Reads));
        }
        Ok(())
    }

    /// What a command does that is a shell's text or a list of words.
    fn command(&self, name: &str) -> Result<Effects, String> {
        let Some(value) = self.value(name)? else { return Ok(Effects::default()) };
        if value.kind() == Kind::String {
            return Ok(run(&value.text().unwrap_or_default()));
        }
        let words = self.texts(name)?;
        if let [shell, flag, script] = words.as_slice()
            && matches!(shell.rsplit('/').next(), Some("bash" | "sh" | "zsh"))
            && matches!(flag.as_str(), "-c" | "-lc")
            && patch::in_command(script).is_some()
        {
            return Ok(run(script));
        }
        if words.is_empty() {
            return Err(format!("`{}` is an empty list", bare(name)));
        }
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        Ok(run(&quoted.join(" ")))
    }

    fn one_of(&self, name: &str, values: &[String]) -> Result<(), String> {
        let Some(value) = self.value(name)? else { return Ok(()) };
        let text = value.text().unwrap_or_else(|| value.raw().into());
        if values.iter().any(|known| *known == text) {
            return Ok(());
        }
        Err(format!("`{}` must be one of: {}", bare(name), values.join(", ")))
    }

    fn present(&self, name: &str) -> Result<(), String> {
        self.value(name).map(|_| ())
    }

    /// An argument, if it is there; what is null is not.
    fn value(&self, name: &str) -> Result<Option<Value<'a>>, String> {
        match self.arguments.get(bare(name)).filter(|value| !value.is_null()) {
            None if !name.ends_with('?') => Err(format!("its argument `{name}` is missing")),
            value => Ok(value),
        }
    }

    /// The texts of an argument: one, or a list of them.
    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let Some(value) = self.value(name)? else { return Ok(Vec::new()) };
        let wrong = || format!("its argument `{}` is no text", bare(name));
        match value.kind() {
            Kind::String => Ok(vec![value.text().ok_or_else(wrong)?.into_owned()]),
            Kind::Array => {
                let texts: Option<Vec<String>> =
                    value.items().take(MAX_LISTED + 1).map(|item| Some(item.text()?.into_owned())).collect();
                texts.filter(|texts| texts.len() <= MAX_LISTED).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    fn all(&self, names: &[String]) -> Result<Vec<String>, String> {
        Ok(names.iter().map(|name| self.texts(name)).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Every path that some agent makes of these arguments.
    fn paths(&self, names: &[String]) -> Result<Vec<String>, String> {
        let paths = self.all(names)?.iter().map(|path| readings(path)).collect::<Result<Vec<_>, _>>()?.concat();
        Ok(paths.iter().map(|path| below(".", path)).collect())
    }
}

/// What a shell's text does, patches that it applies included.
fn run(command: &str) -> Effects {
    if let Some(mut effects) = patch::in_command(command) {
        effects.list.insert(0, Effect::Runs(vec![Word::Literal("apply_patch".to_owned())]));
        return effects;
    }
    let mut effects = shell::read(command);
    let mut patched = Effects::default();
    for effect in &effects.list {
        let Effect::Runs(words) = effect else { continue };
        match words.as_slice() {
            [Word::Literal(name), rest @ ..] if matches!(name.as_str(), "apply_patch" | "applypatch") => {
                patched.add(match rest {
                    [Word::Literal(text)] => patch::read(text),
                    _ => Effects::unclear("a patch is not written out; pass it as `apply_patch <<'EOF'`"),
                });
            }
            _ => {}
        }
    }
    effects.add(patched);
    effects
}
