//! From a path, and what stands in the file there, to evidence.

use super::manifest::{self, Found};
use super::table::{By, Name, Table};
use super::{Basis, Evidence, Kind, Profile, imports, shortened};

/// Where something came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Read,
    Listed,
    Written,
    Shown,
}

/// A profile that is added to, and the tool that tells.
pub(super) struct Scene<'p> {
    pub profile: &'p mut Profile,
    pub table: &'static Table,
    pub by: String,
}

impl Scene<'_> {
    /// A file of this name is there.
    pub(super) fn name(&mut self, path: &str, how: How) {
        let Some(at) = self.place(path) else { return };
        let name = file_name(&at);
        if name.is_empty() || self.table.is_word(name) {
            return;
        }
        let basis = self.basis(&at, how);
        if self.table.manifest(&at).is_some() && basis != Basis::Aside {
            self.profile.part(folder(&at));
        }
        let weights = &self.table.document.weights;
        for (tag, by) in self.table.by_path(&at) {
            let weight = if by == By::File { weights.file } else { weights.hint };
            self.add(tag, &at, "its name", (basis, weight, how));
        }
        if path.ends_with('/') {
            return;
        }
        // What configures a tool is written in the tool's language.
        let basis = if is_configuration(name) { Basis::Aside.min(basis) } else { basis };
        for tag in self.languages(name) {
            let what = format!(".{} file", ending(name).unwrap_or_default());
            self.add(tag, &at, &what, (basis, weights.extension, how));
        }
    }

    /// This stands in a file; with other things, if not `alone`.
    pub(super) fn content(&mut self, path: &str, text: &str, alone: bool, how: How) {
        let Some(at) = self.place(path) else { return };
        let basis = self.basis(&at, how);
        if let Some(manifest) = self.table.manifest(&at) {
            let weights = &self.table.document.weights;
            let is_image = manifest.ecosystem == "image";
            let weight = if is_image { weights.image } else { weights.dependency };
            manifest::each(manifest, text, alone, &mut |found| {
                let (tags, what): (Vec<Name<'static>>, String) = match found {
                    Found::Package(name) => {
                        let what = if is_image { format!("image {name}") } else { format!("dependency {name}") };
                        (self.table.by_package(&manifest.ecosystem, name), what)
                    }
                    Found::Section(name) => {
                        let has = Kind::ALL.into_iter().flat_map(|kind| {
                            let tags = self.table.tags(kind).filter(|(_, tag)| tag.has_section(name));
                            tags.map(move |(tag, _)| (kind, tag))
                        });
                        (has.collect(), format!("section {name}"))
                    }
                    Found::Program(name) => {
                        let tags = self.table.by_program(name).iter().map(|tag| (Kind::Framework, tag.as_str()));
                        (tags.collect(), format!("script {name}"))
                    }
                    Found::Manager(name) => {
                        let tags = self.table.tags(Kind::Manager).filter(|(tag, _)| *tag == name);
                        (tags.map(|(tag, _)| (Kind::Manager, tag)).collect(), format!("manager {name}"))
                    }
                };
                for tag in tags {
                    self.add(tag, &at, &what, (basis, weight, how));
                }
            });
        }
        self.code(&at, text, how);
    }

    /// This code stands in a file.
    pub(super) fn code(&mut self, path: &str, code: &str, how: How) {
        let Some(at) = self.place(path) else { return };
        let name = file_name(&at);
        let basis = if is_configuration(name) { Basis::Aside } else { self.basis(&at, how) };
        let weight = self.table.document.weights.import;
        let Some(import) = self.languages(name).into_iter().find_map(|(_, language)| self.table.import(language))
        else {
            return;
        };
        imports::each(import.syntax, code, &mut |package| {
            for tag in self.table.by_package(&import.ecosystem, package) {
                self.add(tag, &at, &format!("import {package}"), (basis, weight, how));
            }
        });
    }

    fn add(&mut self, (kind, tag): Name<'_>, at: &str, what: &str, (basis, weight, how): (Basis, u32, How)) {
        let word = match how {
            How::Read => "read by",
            How::Listed => "listed by",
            How::Written => "written by",
            How::Shown => "shown by",
        };
        let how = shortened(&format!("{word} {}", self.by));
        self.profile.add(kind, tag, Evidence { basis, weight, at: shortened(at), what: shortened(what), how });
    }

    fn languages(&self, name: &str) -> Vec<Name<'static>> {
        ending(name).map(|ending| self.table.by_extension(ending).collect()).unwrap_or_default()
    }

    fn basis(&self, at: &str, how: How) -> Basis {
        if self.table.is_aside(at) {
            Basis::Aside
        } else if how == How::Written {
            Basis::Written
        } else {
            Basis::Seen
        }
    }

    /// A path as it stands in the project. None for what is not the project's.
    fn place(&self, path: &str) -> Option<String> {
        let path = path.trim().replace('\\', "/");
        let path = path.strip_prefix("file://").unwrap_or(&path);
        let path = path.strip_prefix("/private/").map_or(path, |_| &path["/private".len()..]);
        let mut at = path.trim_end_matches('/');
        while let Some(rest) = at.strip_prefix("./") {
            at = rest;
        }
        let is_absolute = at.starts_with('/') || at.starts_with('~') || at.get(1..2) == Some(":");
        if let (true, Some(root)) = (is_absolute, &self.profile.root) {
            match at.strip_prefix(root.as_str()) {
                Some("") => return None,
                Some(rest) if rest.starts_with('/') => at = &rest[1..],
                // What lies in a folder around the agent's may well be the same project's.
                _ if root.starts_with(&format!("{}/", folder(at))) => {}
                _ => return None,
            }
        }
        let is_outside = at.starts_with('~')
            || self
                .table
                .document
                .outside
                .iter()
                .any(|root| at.strip_prefix(root.as_str()).is_some_and(|r| r.starts_with('/')));
        (!at.is_empty() && at.len() <= 1024 && !is_outside && !self.table.is_foreign(at)).then(|| at.to_owned())
    }
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn ending(name: &str) -> Option<&str> {
    name.rsplit_once('.').filter(|(before, _)| !before.is_empty()).map(|(_, ending)| ending)
}

fn is_configuration(name: &str) -> bool {
    name.starts_with('.') || name.contains(".config.") || name.contains(".min.") || name.contains(".conf.")
}
