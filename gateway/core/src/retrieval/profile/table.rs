//! The table of what shows what. Given the path `web/next.config.ts`: the framework `nextjs`, by a
//! file that proves it.

use std::collections::HashMap;
use std::sync::LazyLock;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::Kind;
use super::document::{Document, Import, Manifest, Tag};

/// A tag's place in the table.
pub(super) type Name<'a> = (Kind, &'a str);

/// How much a path shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    File,
    Hint,
}

/// Tags by what shows them, for looking up.
pub(super) struct Table {
    pub document: Document,
    paths: GlobSet,
    by_path: Vec<(Kind, String, By)>,
    manifest_paths: GlobSet,
    by_manifest: Vec<usize>,
    extensions: HashMap<String, Vec<(Kind, String)>>,
    exact: HashMap<(String, String), Vec<(Kind, String)>>,
    prefixes: HashMap<String, Vec<(String, Kind, String)>>,
    runs: HashMap<String, Vec<String>>,
    fences: HashMap<String, (Kind, String)>,
    names: HashMap<String, (Kind, String)>,
}

static SHIPPED: LazyLock<Table> = LazyLock::new(|| {
    // A table that could not be read shows nothing; a test reads it.
    Table::read(include_str!("table.yaml")).unwrap_or_else(|_| Table::new(Document::default(), &mut Vec::new()))
});

impl Table {
    pub(super) fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Reads a table.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let mut wrong = Vec::new();
        let table = Self::new(document, &mut wrong);
        if wrong.is_empty() { Ok(table) } else { Err(wrong.join("; ")) }
    }

    fn new(document: Document, wrong: &mut Vec<String>) -> Self {
        let (mut paths, mut manifest_paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        let mut table = Self {
            paths: GlobSet::empty(),
            by_path: Vec::new(),
            manifest_paths: GlobSet::empty(),
            by_manifest: Vec::new(),
            extensions: HashMap::new(),
            exact: HashMap::new(),
            prefixes: HashMap::new(),
            runs: HashMap::new(),
            fences: HashMap::new(),
            names: HashMap::new(),
            document: Document::default(),
        };
        for (kind, tags) in document.kinds() {
            for (name, tag) in tags {
                for (patterns, by) in [(&tag.files, By::File), (&tag.hints, By::Hint)] {
                    for pattern in patterns {
                        let Some(glob) = glob(pattern, wrong) else { continue };
                        paths.add(glob);
                        table.by_path.push((kind, name.clone(), by));
                    }
                }
                table.look_up(kind, name, tag);
            }
        }
        for (index, manifest) in document.manifests.iter().enumerate() {
            for pattern in &manifest.files {
                let Some(glob) = glob(pattern, wrong) else { continue };
                manifest_paths.add(glob);
                table.by_manifest.push(index);
            }
        }
        table.paths = paths.build().unwrap_or_default();
        table.manifest_paths = manifest_paths.build().unwrap_or_default();
        table.document = document;
        table
    }

    fn look_up(&mut self, kind: Kind, name: &str, tag: &Tag) {
        let this = (kind, name.to_owned());
        for extension in &tag.extensions {
            self.extensions.entry(extension.clone()).or_default().push(this.clone());
        }
        for run in &tag.runs {
            self.runs.entry(run.clone()).or_default().push(name.to_owned());
        }
        for fence in &tag.fences {
            self.fences.insert(fence.clone(), this.clone());
        }
        if kind != Kind::Manager {
            // A name of a framework goes before that of a language, such as `node`.
            for other in tag.names.iter().map(String::as_str).chain([name]) {
                self.names.insert(other.to_lowercase(), this.clone());
            }
        }
        for (ecosystem, packages) in tag.packages() {
            for package in packages {
                match package.strip_suffix('*') {
                    Some(prefix) => {
                        let entry = (normal(ecosystem, prefix), kind, name.to_owned());
                        self.prefixes.entry(ecosystem.to_owned()).or_default().push(entry);
                    }
                    None => {
                        let key = (ecosystem.to_owned(), normal(ecosystem, package));
                        self.exact.entry(key).or_default().push(this.clone());
                    }
                }
            }
        }
    }

    pub(super) fn tag(&self, (kind, name): Name<'_>) -> Option<&Tag> {
        self.document.tags(kind).get(name)
    }

    pub(super) fn tags(&self, kind: Kind) -> impl Iterator<Item = (&str, &Tag)> {
        self.document.tags(kind).iter().map(|(name, tag)| (name.as_str(), tag))
    }

    /// The tags that a path shows, extensions apart.
    pub(super) fn by_path(&self, path: &str) -> Vec<(Name<'_>, By)> {
        let found = self.paths.matches(path).into_iter().filter_map(|index| self.by_path.get(index));
        found.map(|(kind, name, by)| ((*kind, name.as_str()), *by)).collect()
    }

    /// The languages of files with this ending.
    pub(super) fn by_extension(&self, extension: &str) -> impl Iterator<Item = Name<'_>> {
        let found = self.extensions.get(extension).into_iter().flatten();
        found.map(|(kind, name)| (*kind, name.as_str()))
    }

    /// How the manifest at this path is read, if it is one.
    pub(super) fn manifest(&self, path: &str) -> Option<&Manifest> {
        let index = *self.manifest_paths.matches(path).first()?;
        self.document.manifests.get(*self.by_manifest.get(index)?)
    }

    /// How the imports of a language are read.
    pub(super) fn import(&self, language: &str) -> Option<&Import> {
        self.document.imports.iter().find(|import| import.languages.iter().any(|name| name == language))
    }

    /// The tags that a package shows.
    pub(super) fn by_package(&self, ecosystem: &str, package: &str) -> Vec<Name<'_>> {
        let package = normal(ecosystem, package);
        let begun = self.prefixes.get(ecosystem).into_iter().flatten();
        let begun = begun.filter(|(prefix, ..)| package.starts_with(prefix.as_str()));
        let mut found: Vec<Name<'_>> = begun.map(|(_, kind, name)| (*kind, name.as_str())).collect();
        let exact = self.exact.get(&(ecosystem.to_owned(), package)).into_iter().flatten();
        found.extend(exact.map(|(kind, name)| (*kind, name.as_str())));
        found
    }

    /// The frameworks that are started by this program.
    pub(super) fn by_program(&self, program: &str) -> &[String] {
        self.runs.get(program).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a code fence with this info string is in.
    pub(super) fn by_fence(&self, info: &str) -> Option<Name<'_>> {
        self.fences.get(info).map(|(kind, name)| (*kind, name.as_str()))
    }

    /// What goes by a name, among languages and frameworks.
    pub(super) fn named(&self, name: &str) -> Option<Name<'_>> {
        self.names.get(name).map(|(kind, name)| (*kind, name.as_str()))
    }

    /// What goes by a name, of this kind.
    pub(super) fn canonical<'a>(&'a self, kind: Kind, name: &'a str) -> std::borrow::Cow<'a, str> {
        let lower = name.trim().to_lowercase();
        match self.names.get(&lower) {
            Some((found, canonical)) if *found == kind => canonical.as_str().into(),
            _ => lower.into(),
        }
    }

    pub(super) fn is_foreign(&self, path: &str) -> bool {
        folders(path).any(|folder| self.document.foreign.contains(folder))
    }

    pub(super) fn is_aside(&self, path: &str) -> bool {
        folders(path).any(|folder| self.document.aside.contains(folder))
    }

    /// Whether a name is a word that only looks like the name of a file.
    pub(super) fn is_word(&self, name: &str) -> bool {
        self.document.words.contains(&name.to_lowercase())
    }
}

/// A name alone is found in any folder, and so is a path: projects stand in folders of others.
fn glob(pattern: &str, wrong: &mut Vec<String>) -> Option<Glob> {
    let built = GlobBuilder::new(&format!("**/{pattern}")).literal_separator(true).empty_alternates(true).build();
    built.map_err(|error| wrong.push(error.to_string())).ok()
}

/// Spellings that mean one package.
fn normal(ecosystem: &str, package: &str) -> String {
    match ecosystem {
        "pypi" | "crate" => package.to_lowercase().replace('_', "-"),
        _ => package.to_owned(),
    }
}

/// The folders of a path, its last part apart.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit_once('/').map_or("", |(folder, _)| folder).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_comes_with_jetway_can_be_read() {
        Table::read(include_str!("table.yaml")).unwrap();
    }

    #[test]
    fn tags_that_name_others_name_ones_that_exist() {
        let table = Table::shipped();
        for kind in Kind::ALL {
            for (name, tag) in table.tags(kind) {
                let own = tag
                    .implies
                    .iter()
                    .chain(&tag.displaces)
                    .chain(&tag.displaced_by)
                    .chain(&tag.part_of)
                    .chain(&tag.needs);
                for other in own {
                    assert!(table.tag((kind, other)).is_some(), "{name} names {other}");
                }
                for other in tag.languages.iter().chain(&tag.takes).chain(&tag.covers) {
                    assert!(table.tag((Kind::Language, other)).is_some(), "{name} names {other}");
                }
                assert_eq!(kind == Kind::Framework, tag.role.is_some(), "the role of {name}");
            }
        }
    }
}
