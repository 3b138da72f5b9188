//! A path after everything that can be told from its text alone. Given `./a//b/../.env`: the
//! names `a` and `.env`, below the working folder.

use std::fmt;

use crate::policy::lockdown::place::shape::{Piece, Segment};

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// In the working folder.
    Working,
    Top,
    /// In the home of this person; of whoever runs the agent where the name is empty.
    Home(String),
}

/// A path, or the shape of some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) root: Root,
    /// How many folders above the root it begins.
    pub(super) ups: usize,
    pub(super) names: Vec<Segment>,
}

/// The two folders that paths are told from, as far as they are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Base {
    pub(super) working: Option<Vec<Segment>>,
    pub(super) home: Option<Vec<Segment>>,
}

/// More alternatives than this are not followed.
const MOST: usize = 64;

impl Located {
    /// Reads a path; `read` reads one of its segments. More than one where a segment could be
    /// `.` or `..`, none where there would be too many, or where it cannot be told what `..` is above.
    pub(super) fn read(text: &str, read: impl Fn(&str) -> Option<Segment>) -> Option<Vec<Self>> {
        let (root, rest) = split_root(text)?;
        let mut found = vec![Self { root, ups: 0, names: Vec::new() }];
        for part in rest.split('/') {
            match part {
                "" | "." => {}
                ".." => found = found.into_iter().map(Self::parent).collect::<Option<_>>()?,
                part => {
                    let segment = read(part)?;
                    let mut more = Vec::new();
                    for located in &found {
                        if segment.is_wild_dot() && segment.could_be(".") {
                            more.push(located.clone());
                        }
                        if segment.is_wild_dot() && segment.could_be("..") {
                            more.push(located.clone().parent()?);
                        }
                    }
                    found.iter_mut().for_each(|located| located.names.push(segment.clone()));
                    found.append(&mut more);
                    if found.len() > MOST {
                        return None;
                    }
                }
            }
        }
        Some(found)
    }

    /// Reads the path of one thing, wildcards and all, as it stands.
    pub(super) fn literal(text: &str) -> Option<Self> {
        Self::read(text, |part| Some(Segment::literal(part)))?.pop()
    }

    fn parent(mut self) -> Option<Self> {
        // What is above a link is above what it leads to.
        if self.is_link_to_open_files() {
            return None;
        }
        match self.names.pop() {
            Some(Segment::Deep { .. }) => return None,
            Some(Segment::Name { .. }) => {}
            None if self.root == Root::Top => {}
            None => self.ups += 1,
        }
        Some(self)
    }

    /// With everything below it.
    pub(super) fn and_below(mut self) -> Self {
        let deep = Segment::Deep { dots: true };
        if self.names.last() != Some(&deep) {
            self.names.push(deep);
        }
        self
    }

    pub(super) fn folded(&self) -> Self {
        let root = match &self.root {
            Root::Home(person) => Root::Home(person.to_lowercase()),
            root => root.clone(),
        };
        Self { root, ups: self.ups, names: self.names.iter().map(Segment::folded).collect() }
    }

    /// From the top, where the folder that it is told from is known.
    pub(super) fn under_top(&self, base: &Base) -> Self {
        let folder = match &self.root {
            Root::Working => base.working.as_ref(),
            Root::Home(person) if person.is_empty() => base.home.as_ref(),
            _ => None,
        };
        let Some(folder) = folder else { return self.clone() };
        let kept = folder.len().saturating_sub(self.ups);
        let names = folder.iter().take(kept).chain(&self.names).cloned().collect();
        Self { root: Root::Top, ups: 0, names }
    }

    /// What is left below the working folder, where it is known to be in there.
    pub(super) fn below_working(&self, base: &Base) -> Option<&[Segment]> {
        match (&self.root, &base.working) {
            (Root::Working, _) if self.ups == 0 => Some(&self.names),
            (Root::Top, Some(folder)) => self.names.strip_prefix(folder.as_slice()),
            _ => None,
        }
    }

    /// Whether it begins with a folder in which nobody has a home.
    pub(super) fn is_of_the_system(&self) -> bool {
        const SYSTEM: [&str; 10] = ["bin", "boot", "dev", "etc", "lib", "proc", "run", "sbin", "sys", "usr"];
        let first = self.names.first().and_then(Segment::text);
        self.root == Root::Top && first.is_some_and(|first| SYSTEM.contains(&first.as_str()))
    }

    /// Whether it begins with a link to what a process has open: `/dev/fd`, `/dev/stdin`.
    fn is_link_to_open_files(&self) -> bool {
        let text = |at: usize| self.names.get(at).and_then(Segment::text);
        let links = ["fd", "stdin", "stdout", "stderr"];
        self.root == Root::Top
            && text(0).is_some_and(|first| first == "dev")
            && text(1).is_some_and(|second| links.contains(&second.as_str()))
    }

    /// The way through `/proc` that leads back to where it began: `/proc/self/cwd/.env`; and that
    /// from `/dev/fd` into it.
    pub(super) fn through_proc(&self) -> Option<Self> {
        let text = |at: usize| self.names.get(at).and_then(Segment::text);
        if self.is_link_to_open_files() && self.names.len() > 3 {
            let way = ["proc", "self", "fd"].map(Segment::literal);
            let names = way.into_iter().chain(self.names.get(2..)?.iter().cloned()).collect();
            return Some(Self { root: Root::Top, ups: 0, names });
        }
        if self.root != Root::Top || text(0)? != "proc" {
            return None;
        }
        let root = match text(2)?.as_str() {
            "cwd" => Root::Working,
            "root" => Root::Top,
            _ => return None,
        };
        Some(Self { root, ups: 0, names: self.names.get(3..)?.to_vec() })
    }
}

impl Segment {
    /// Whether a shell may find `.` and `..` by it; a rule's pattern is never about those.
    fn is_wild_dot(&self) -> bool {
        let Self::Name { pieces, dots: false } = self else { return false };
        self.text().is_none() && pieces.first() == Some(&Piece::Is('.'))
    }
}

/// Splits off where a path begins. None for `~-` and its like, which only the shell knows.
fn split_root(text: &str) -> Option<(Root, &str)> {
    let text = text.strip_prefix("file://").map_or(text, |rest| rest.strip_prefix("localhost").unwrap_or(rest));
    if let Some(rest) = text.strip_prefix('~') {
        let (person, rest) = rest.split_once('/').unwrap_or((rest, ""));
        return match person {
            "+" => Some((Root::Working, rest)),
            person if person.starts_with(['+', '-']) => None,
            person => Some((Root::Home(person.to_owned()), rest)),
        };
    }
    let bytes = text.as_bytes();
    let is_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':');
    let is_drive = is_drive && matches!(bytes.get(2), None | Some(b'/'));
    Some((if is_drive || text.starts_with('/') { Root::Top } else { Root::Working }, text))
}

impl fmt::Display for Located {
    /// Only for paths of one thing: a wildcard is shown as `*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> =
            self.names.iter().map(|name| name.text().unwrap_or_else(|| String::from("*"))).collect();
        let first = names.first().map_or("", String::as_str);
        match &self.root {
            Root::Top => f.write_str("/")?,
            Root::Home(person) => write!(f, "~{person}/")?,
            // Its first name must not be read as a beginning of another kind.
            Root::Working if first.starts_with('~') || first.contains(':') => f.write_str("./")?,
            Root::Working => {}
        }
        f.write_str(&"../".repeat(self.ups))?;
        f.write_str(&names.join("/"))
    }
}
