//! Rules about places. Given the rule `**/.env*` and the place `a/../.env`: it is reached. Given
//! `src/**` and everything that `src/*.ts` matches: it is covered.
//!
//! A denied place is looked for in every way that a file system may read a path; an allowed one
//! must be written as it is. What is not known counts against the call both times.

mod located;
mod meet;
mod shape;
#[cfg(test)]
mod tests;

use crate::effects::Place;
use crate::policy::lockdown::place::located::{Base, Located, Root};
use crate::policy::lockdown::place::meet::{holds, meet};
use crate::policy::lockdown::place::shape::{LONGEST, Segment, Tongue, expand, fold, is_ignored, segment};

/// The folders of whoever runs the agent, as far as the agent tells them. Paths, from the top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders {
    /// The project's folder, which relative paths are told from.
    pub working: Option<String>,
    /// What `~` stands for.
    pub home: Option<String>,
}

/// Which places a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Alternative {
    located: Located,
    /// The same, as a file system may see it that ignores case.
    folded: Located,
    /// Whether it has no folder of its own, and so denies at every depth.
    is_anywhere: bool,
}

/// A place as it may be read: as it is written, and as a file system may take it.
struct Readings {
    exact: Vec<Located>,
    folded: Vec<Located>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains('\\') {
            return Err(format!(
                "folders are written with `/`, and a wildcard that is meant as it stands as `[*]`: {text:?} has a backslash"
            ));
        }
        if text.chars().any(|c| c.is_control() || is_ignored(c)) {
            return Err(format!("{text:?} has a character that cannot be seen"));
        }
        if text.matches('{').count() != text.matches('}').count() {
            return Err(format!("the braces in {text:?} do not come in pairs"));
        }
        let alternatives = expand(text).ok_or_else(|| format!("the braces in {text:?} stand for too many patterns"))?;
        let alternatives = alternatives.iter().map(|text| Alternative::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Whether something in this place could be what the pattern is about.
    pub(super) fn reaches(&self, place: &Place, folders: &Folders) -> bool {
        let Some(readings) = Readings::of(place) else { return true };
        let base = Base::of(folders);
        let folded_base = base.folded();
        self.alternatives.iter().any(|alternative| {
            let hits = |pattern: &Located, place: &Located, base: &Base| {
                if alternative.is_anywhere {
                    reaches_anywhere(&pattern.names, &place.under_top(base), base)
                } else {
                    reaches(pattern, place, base)
                }
            };
            readings.exact.iter().any(|place| hits(&alternative.located, place, &base))
                || readings.folded.iter().any(|place| hits(&alternative.folded, place, &folded_base))
        })
    }

    /// Whether everything in this place surely is what the pattern is about. To write to a
    /// folder itself, and so to put another in its place, is not covered by `folder/**`.
    pub(super) fn covers(&self, place: &Place, folders: &Folders, is_written: bool) -> bool {
        let Some(places) = sure_readings(place, folders) else { return false };
        let base = Base::of(folders);
        let inner = is_written && !matches!(place, Place::Tree(_));
        places.iter().all(|place| {
            let place = place.under_top(&base);
            self.alternatives.iter().any(|alternative| {
                let pattern = alternative.allowing(inner).under_top(&base);
                pattern.root == place.root && pattern.ups == place.ups && holds(&pattern.names, &place.names)
            })
        })
    }
}

impl Alternative {
    fn parse(text: &str) -> Result<Self, String> {
        let mut above = text.split('/').skip_while(|part| matches!(*part, "" | "." | ".." | "~"));
        if above.any(|part| part == "..") {
            return Err(format!("`..` may stand only at the beginning of a path, and does not in {text:?}"));
        }
        for part in text.split('/') {
            segment(part, Tongue::Rule)?;
        }
        let read = Located::read(text, |part| segment(part, Tongue::Rule).ok());
        // The first reading is the one in which a wildcard is a name.
        let located = read.and_then(|read| read.into_iter().next());
        let Some(mut located) = located else { return Err(format!("{text:?} is no path")) };
        let is_folder = text.ends_with('/');
        let is_bare = !text.trim_end_matches('/').contains('/') && located.root == Root::Working;
        let is_deep = matches!(located.names.first(), Some(Segment::Deep { .. })) && located.root == Root::Working;
        if is_folder {
            located = located.and_below();
        }
        let is_anywhere = located.ups == 0 && (is_deep || is_bare && text != "." && text != "..");
        Ok(Self { folded: located.folded(), located, is_anywhere })
    }

    fn allowing(&self, inner: bool) -> Located {
        let mut located = self.located.clone();
        if inner && matches!(located.names.last(), Some(Segment::Deep { .. })) {
            let last = located.names.len() - 1;
            located.names.insert(last, Segment::any());
        }
        located
    }
}

impl Base {
    fn of(folders: &Folders) -> Self {
        let read = |folder: &Option<String>| {
            let text = folder.as_deref()?.replace('\\', "/");
            let located = Located::literal(&text)?;
            (located.root == Root::Top).then_some(located.names)
        };
        Self { working: read(&folders.working), home: read(&folders.home) }
    }

    fn folded(&self) -> Self {
        let fold =
            |names: &Option<Vec<Segment>>| names.as_ref().map(|names| names.iter().map(Segment::folded).collect());
        Self { working: fold(&self.working), home: fold(&self.home) }
    }
}

impl Readings {
    /// None where it cannot be told.
    fn of(place: &Place) -> Option<Self> {
        let mut readings = Self { exact: Vec::new(), folded: Vec::new() };
        match place {
            Place::Path(text) => readings.add_paths(text, false)?,
            Place::Glob(text) => readings.add_globs(text, false)?,
            Place::Tree(text) => {
                readings.add_paths(text, true)?;
                if text.contains(['*', '?', '[', '{']) {
                    readings.add_globs(text, true)?;
                }
            }
            Place::Unknown => return None,
        }
        Some(readings)
    }

    fn add_paths(&mut self, text: &str, below: bool) -> Option<()> {
        for text in spellings(text)? {
            let exact = Located::literal(&text)?;
            // Spaces at the end go before dots are read, for `.. ` is `..` to some.
            let folded: Vec<String> =
                fold(&text).split('/').map(|name| name.trim_end_matches(' ').to_owned()).collect();
            self.add(exact, Located::literal(&folded.join("/"))?.folded(), below);
        }
        Some(())
    }

    fn add_globs(&mut self, text: &str, below: bool) -> Option<()> {
        if has_extended_globs(text) {
            return None;
        }
        let mut texts = vec![text.to_owned()];
        if text.contains('\\') {
            texts.push(text.replace('\\', "/"));
        }
        for text in texts {
            spellings(&text)?;
            for alternative in expand(&text)? {
                for located in Located::read(&alternative, |part| segment(part, Tongue::Shell).ok())? {
                    self.add(located.clone(), located.folded(), below);
                }
            }
        }
        Some(())
    }

    fn add(&mut self, exact: Located, folded: Located, below: bool) {
        let grow = |located: Located| if below { located.and_below() } else { located };
        let (exact, folded) = (grow(exact), grow(folded));
        self.exact.extend(exact.through_proc());
        self.folded.extend(folded.through_proc());
        self.exact.push(exact);
        self.folded.push(folded);
    }
}

/// The texts that a path may be to one reader or another. None for one that is odd.
fn spellings(text: &str) -> Option<Vec<String>> {
    if text.len() > LONGEST || text.chars().any(char::is_control) {
        return None;
    }
    // On a drive, but in whatever folder one is there: `C:.env`.
    let drive = text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    if let Some(rest) = text.get(1..).and_then(|rest| rest.strip_prefix(':')).filter(|rest| drive && !rest.is_empty()) {
        let mut all = spellings(rest)?;
        all.extend([text.to_owned(), text.replace('\\', "/")]);
        return Some(all);
    }
    if text.contains('\\') {
        return Some(vec![text.to_owned(), text.replace('\\', "/"), text.replace('\\', "")]);
    }
    Some(vec![text.to_owned()])
}

/// What shells read in ways of their own: `@(a|b)`, `(a|b)`.
fn has_extended_globs(text: &str) -> bool {
    text.contains(['(', ')', '|', '<', '>'])
}

/// The readings of which all must be allowed; None where it is not sure what they are.
fn sure_readings(place: &Place, folders: &Folders) -> Option<Vec<Located>> {
    let (text, is_glob, below) = match place {
        Place::Path(text) => (text, false, false),
        Place::Glob(text) => (text, true, false),
        Place::Tree(text) => (text, text.contains(['*', '?', '[', '{']), true),
        Place::Unknown => return None,
    };
    let is_odd = |c: char| c.is_control() || is_ignored(c);
    let is_vague = |part: &str| part.len() > 2 && part.trim_end_matches(['.', ' ']).is_empty();
    if text.len() > LONGEST || text.chars().any(is_odd) || text.split(['/', '\\']).any(is_vague) {
        return None;
    }
    if is_glob {
        if text.contains('\\') || has_extended_globs(text) {
            return None;
        }
        let mut found = Vec::new();
        for alternative in expand(text)? {
            let mut read = Located::read(&alternative, |part| segment(part, Tongue::Shell).ok())?;
            let only = read.pop().filter(|_| read.is_empty())?;
            found.push(if below { only.and_below() } else { only });
        }
        return Some(found);
    }
    let is_windows = |text: &str| text.as_bytes().get(1) == Some(&b':');
    let mut texts = vec![text.replace('\\', "/")];
    if !is_windows(text) && !folders.working.as_deref().is_some_and(is_windows) {
        texts.push(text.clone());
    }
    let read = |text: &String| {
        let located = Located::literal(text)?;
        Some(if below { located.and_below() } else { located })
    };
    texts.iter().map(read).collect()
}

/// Whether a pattern without a folder of its own reaches a place: within the project it is told
/// from there, for the project itself may lie in a folder of that name.
fn reaches_anywhere(pattern: &[Segment], place: &Located, base: &Base) -> bool {
    let mut whole = deep();
    whole.extend_from_slice(pattern);
    let whole = and_below(whole);
    meet(&whole, place.below_working(base).unwrap_or(&place.names))
}

/// Whether a pattern reaches a place. Where the one is told from a folder that is not known, and
/// the other from another, that folder could be any.
fn reaches(pattern: &Located, place: &Located, base: &Base) -> bool {
    let meets = |pattern: &[Segment], place: &[Segment]| meet(&and_below(pattern.to_vec()), place);
    let lower = |names: &[Segment]| [deep(), names.to_vec()].concat();
    let near = place.under_top(base);
    if let (Root::Home(_), Root::Working) = (&pattern.root, &near.root) {
        let names = if place.ups == 0 { place.names.clone() } else { lower(&place.names) };
        if meets(&pattern.names, &names) {
            return true;
        }
    }
    let pattern = pattern.under_top(base);
    let (wanted, names) = (&pattern.names, &near.names);
    match (&pattern.root, &near.root) {
        (Root::Top, Root::Top) => meets(wanted, names),
        (Root::Working, Root::Working) | (Root::Home(_), Root::Home(_)) => {
            let (more, less) = (near.ups.saturating_sub(pattern.ups), pattern.ups.saturating_sub(near.ups));
            // `../project/src` is `src`, if that is what the project's folder is called.
            meets(without(wanted, less), without(names, more))
        }
        (Root::Top, Root::Working) => near.ups > 0 && meets(wanted, &lower(names)),
        (Root::Top, Root::Home(_)) => (near.ups > 0 || !pattern.is_of_the_system()) && meets(wanted, &lower(names)),
        (Root::Working | Root::Home(_), Root::Top) | (Root::Working, Root::Home(_)) => meets(&lower(wanted), names),
        (Root::Home(_), Root::Working) => false,
    }
}

fn deep() -> Vec<Segment> {
    vec![Segment::Deep { dots: true }]
}

/// A folder that is denied is denied with all that is in it.
fn and_below(mut names: Vec<Segment>) -> Vec<Segment> {
    names.extend(deep());
    names
}

/// Without its first names; what stands behind a `**` may be all of it.
fn without(names: &[Segment], count: usize) -> &[Segment] {
    let plain = names.iter().take(count).take_while(|name| matches!(name, Segment::Name { .. })).count();
    names.get(plain..).unwrap_or_default()
}
