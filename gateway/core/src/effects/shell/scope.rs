//! What a command knows at one place of it: which variables it has set, and in which folders it
//! may be. Given `cd app; x=.env`: it is in the first folder or in `app`, and `x` is `.env`.

use std::collections::BTreeMap;

use crate::effects::Place;

/// The most folders that a command may be in at once before it counts as lost.
const MOST_FOLDERS: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// It is this. A `~` at its beginning was expanded; one that was quoted has `./` before it.
    Known(String),
    /// Each file that this pattern matches, in turn.
    Pattern(String),
    /// A number, which one is not known.
    Number,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Folder {
    /// Where the command began.
    Here,
    At(String),
    Lost,
}

/// What an expanded word may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Literal(String),
    /// A pattern of paths. What was quoted in it stands in brackets: `[*]`.
    Pattern(String),
    /// It is not known, nor (if it is not `one`) how many words it becomes.
    Unknown {
        one: bool,
    },
}

impl Field {
    pub(super) fn literal(&self) -> Option<&str> {
        if let Self::Literal(text) = self { Some(text) } else { None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    variables: BTreeMap<String, Value>,
    folders: Vec<Folder>,
    /// Where it is besides if the last `cd` failed.
    otherwise: Vec<Folder>,
}

impl Scope {
    pub(super) fn new() -> Self {
        Self { variables: BTreeMap::new(), folders: vec![Folder::Here], otherwise: Vec::new() }
    }

    /// That of another program, which is run here and knows no variable of ours.
    pub(super) fn fresh(&self) -> Self {
        Self { variables: BTreeMap::new(), folders: self.folders.clone(), otherwise: self.otherwise.clone() }
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.variables.insert(name.to_owned(), value);
    }

    /// None for a variable that the command has not set.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }

    /// The folder it is in, if there is but one.
    pub(super) fn folder(&self) -> Option<&Folder> {
        if let [only] = self.folders.as_slice() { Some(only) } else { None }
    }

    /// Goes to a folder; it may turn out that it cannot.
    pub(super) fn go(&mut self, to: &Field) {
        let next = match to {
            Field::Literal(path) if path != "-" => self.folders.iter().map(|from| below(from, path)).collect(),
            _ => vec![Folder::Lost],
        };
        self.otherwise.append(&mut std::mem::replace(&mut self.folders, next));
        self.bound();
    }

    /// From here on the last `cd` may have failed.
    pub(super) fn doubt(&mut self) {
        let otherwise = std::mem::take(&mut self.otherwise);
        self.folders.extend(otherwise);
        self.bound();
    }

    fn bound(&mut self) {
        for list in [&mut self.folders, &mut self.otherwise] {
            list.sort();
            list.dedup();
            if list.len() > MOST_FOLDERS {
                *list = vec![Folder::Lost];
            }
        }
    }

    /// What is known where it may have come this way or that one.
    pub(super) fn merge(&mut self, other: Self) {
        for (name, value) in &other.variables {
            let either = either(self.variables.get(name), Some(value));
            self.variables.insert(name.clone(), either);
        }
        for (name, value) in &mut self.variables {
            if !other.variables.contains_key(name) {
                *value = either(Some(value), None);
            }
        }
        self.folders.extend(other.folders);
        self.otherwise.extend(other.otherwise);
        self.doubt();
    }

    /// The places that a word names, one for each folder that this may be in.
    pub(super) fn places(&self, word: &Field, kind: Kind) -> Vec<Place> {
        let place = |folder: &Folder| match (word, folder) {
            (Field::Unknown { .. }, _) => Place::Unknown,
            (Field::Literal(path), Folder::Lost) | (Field::Pattern(path), Folder::Lost) if !is_anchored(path) => {
                Place::Unknown
            }
            (Field::Literal(path), folder) => {
                let path = joined(folder, path);
                if kind == Kind::Tree { Place::Tree(path) } else { Place::Path(path) }
            }
            (Field::Pattern(pattern), folder) => {
                let pattern = match folder {
                    Folder::At(folder) if !is_anchored(pattern) => joined(&Folder::At(escaped(folder)), pattern),
                    _ => pattern.clone(),
                };
                if kind == Kind::Tree { Place::Glob(format!("{pattern}{{,/**}}")) } else { Place::Glob(pattern) }
            }
        };
        let mut places: Vec<Place> = Vec::new();
        for folder in &self.folders {
            let next = place(folder);
            if !places.contains(&next) {
                places.push(next);
            }
        }
        places
    }
}

/// What a variable is that has one value or another; none is that of the environment.
fn either(left: Option<&Value>, right: Option<&Value>) -> Value {
    let is_number = |value: Option<&Value>| match value {
        None | Some(Value::Number) => true,
        Some(Value::Known(text)) => text.bytes().all(|byte| byte.is_ascii_digit()),
        Some(Value::Pattern(_) | Value::Unknown) => false,
    };
    match (left, right) {
        (Some(left), Some(right)) if left == right => left.clone(),
        (Some(Value::Number), other) | (other, Some(Value::Number)) if is_number(other) => Value::Number,
        _ => Value::Unknown,
    }
}

/// Whether one file is meant, or all below a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Tree,
}

fn is_anchored(path: &str) -> bool {
    path.starts_with('/') || path.starts_with('~')
}

fn below(from: &Folder, path: &str) -> Folder {
    match (from, path) {
        (_, path) if is_anchored(path) => Folder::At(path.to_owned()),
        (Folder::Lost, _) => Folder::Lost,
        (from, "." | "./" | "") => from.clone(),
        (from, path) => Folder::At(joined(from, path)),
    }
}

fn joined(folder: &Folder, path: &str) -> String {
    match folder {
        Folder::At(folder) if !is_anchored(path) => match path {
            "." => folder.clone(),
            path => format!("{}/{path}", folder.trim_end_matches('/')),
        },
        _ => path.to_owned(),
    }
}

/// A text as a pattern that matches nothing else.
pub(super) fn escaped(text: &str) -> String {
    text.chars().map(escaped_char).collect()
}

pub(super) fn escaped_char(next: char) -> String {
    match next {
        '*' | '?' | '[' | '{' | '}' => format!("[{next}]"),
        // Within brackets it would be read in two ways.
        '\\' => String::from("?"),
        next => next.to_string(),
    }
}
