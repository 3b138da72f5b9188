//! The program `find`. Given `find src -name '*.rs' -exec cat {} +`: `cat` reads what is below
//! `src` and is called so. Given `find . -delete`: all below this folder is written.

use crate::effects::place::is_for_code;

use super::run::Run;
use super::scope::{Field, Kind, escaped};
use super::walk::Walk;

/// Tests and actions that take a value which is no path.
const WITH_VALUE: [&str; 28] = [
    "-name",
    "-iname",
    "-path",
    "-ipath",
    "-wholename",
    "-regex",
    "-iregex",
    "-regextype",
    "-type",
    "-xtype",
    "-maxdepth",
    "-mindepth",
    "-mtime",
    "-mmin",
    "-ctime",
    "-cmin",
    "-atime",
    "-amin",
    "-size",
    "-perm",
    "-user",
    "-group",
    "-uid",
    "-gid",
    "-links",
    "-inum",
    "-printf",
    "-D",
];

impl Walk {
    pub(super) fn find(&mut self, run: &Run<'_>) {
        let starts = starts(run.words);
        if starts.0.iter().any(|start| matches!(start, Field::Unknown { .. })) {
            self.doubt("a word that is not known may make `find` run programs");
        }
        let mut words = &run.words[run.words.len().min(starts.1)..];
        let found = if starts.0.is_empty() { vec![Field::Literal(String::from("."))] } else { starts.0 };
        let mut name = None;
        while let Some((first, rest)) = words.split_first() {
            words = rest;
            let Some(word) = first.literal() else {
                self.doubt("a word that is not known may make `find` run programs");
                continue;
            };
            match word {
                "-exec" | "-execdir" | "-ok" | "-okdir" => words = self.executed(rest, &found, name.as_ref(), run),
                "-delete" => {
                    let matched = found.iter().flat_map(|start| matched(start, name.as_ref()));
                    matched.for_each(|path| self.writes(&path, Kind::File));
                }
                "-fprint" | "-fprint0" | "-fls" | "-fprintf" => {
                    rest.iter().take(1).for_each(|file| self.writes(file, Kind::File));
                    words = rest.get(if word == "-fprintf" { 2 } else { 1 }..).unwrap_or_default();
                }
                "-files0-from" | "-newer" | "-anewer" | "-cnewer" | "-samefile" => {
                    if word == "-files0-from" {
                        rest.iter().take(1).for_each(|file| self.reads(file, Kind::File));
                    }
                    words = rest.get(1..).unwrap_or_default();
                }
                "-name" => {
                    // Only where it is the one test of a name does it say what is found.
                    name = if name.is_none() { rest.first().cloned() } else { Some(Field::Unknown { one: true }) };
                    words = rest.get(1..).unwrap_or_default();
                }
                "-o" | "-or" | "!" | "-not" | "," => name = Some(Field::Unknown { one: true }),
                _ if WITH_VALUE.contains(&word) => words = rest.get(1..).unwrap_or_default(),
                _ => {}
            }
        }
    }

    /// The command behind `-exec`, which is run on what was found. Returns what follows it.
    fn executed<'a>(
        &mut self,
        words: &'a [Field],
        found: &[Field],
        name: Option<&Field>,
        run: &Run<'_>,
    ) -> &'a [Field] {
        let ends = |word: &Field| word.literal() == Some(";");
        let plus = |at: usize| words[at].literal() == Some("+") && at > 0 && words[at - 1].literal() == Some("{}");
        let end = (0..words.len()).find(|at| ends(&words[*at]) || plus(*at));
        let Some(end) = end else {
            self.doubt("the command that `find` runs has no end");
            return &[];
        };
        for path in found.iter().flat_map(|start| matched(start, name)) {
            let replace = |word: &Field| match word.literal() {
                Some("{}") => path.clone(),
                Some(text) if text.contains("{}") => Field::Unknown { one: true },
                _ => word.clone(),
            };
            let inner: Vec<Field> = words[..end].iter().map(replace).collect();
            self.run(&run.of(&inner));
        }
        &words[end + 1..]
    }

    /// The program `ps`, which shows environments where it is told to by a letter without a dash.
    pub(super) fn ps(&mut self, run: &Run<'_>) {
        let shows = |word: &Field| match word.literal() {
            // On a Mac it is the letter E.
            Some(word) if word.starts_with('-') => word.contains("environ") || word.contains('E'),
            Some(word) => word.contains('e'),
            None => true,
        };
        if run.words.iter().any(shows) {
            self.reads_environment();
        }
    }
}

/// The folders in which it begins, and how many words come before its tests.
fn starts(words: &[Field]) -> (Vec<Field>, usize) {
    let is_option =
        |word: &Field| word.literal().is_some_and(|word| matches!(word, "-H" | "-L" | "-P") || word.starts_with("-O"));
    let options = words.iter().take_while(|word| is_option(word)).count();
    let is_test =
        |word: &Field| word.literal().is_some_and(|word| word.starts_with('-') || matches!(word, "(" | "!" | ","));
    let starts: Vec<Field> = words[options..].iter().take_while(|word| !is_test(word)).cloned().collect();
    let behind = options + starts.len();
    (starts, behind)
}

/// What may be found below a folder, as patterns. For `find`, unlike for the shell, `*` matches a
/// leading dot too.
fn matched(start: &Field, name: Option<&Field>) -> Vec<Field> {
    let folder = match start {
        Field::Literal(folder) => escaped(folder.trim_end_matches('/')),
        Field::Pattern(pattern) => pattern.trim_end_matches('/').to_owned(),
        Field::Unknown { .. } => return vec![Field::Unknown { one: true }],
    };
    let name = name.and_then(Field::literal).filter(|name| !name.contains(['/', '\\']) && !name.starts_with('['));
    let name = name.unwrap_or("*");
    let hidden = name.strip_prefix(['*', '?']).filter(|_| !is_for_code(name)).map(|rest| match name.starts_with('*') {
        true => format!(".*{rest}"),
        false => format!(".{rest}"),
    });
    let names: Vec<String> = std::iter::once(name.replace(['{', '}'], "?")).chain(hidden).collect();
    // Of code no more is looked for in folders that begin with a dot than the shell would find.
    let between: &[&str] = if is_for_code(name) { &["**"] } else { &["**", "**/.*/**"] };
    let paths = between.iter().flat_map(|between| names.iter().map(move |name| (between, name)));
    paths.map(|(between, name)| Field::Pattern(format!("{folder}/{between}/{name}"))).collect()
}
