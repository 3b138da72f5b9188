//! The table as it is written in `table.yaml`.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::Kind;

/// As written in `table.yaml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub weights: Weights,
    pub foreign: HashSet<String>,
    pub aside: HashSet<String>,
    pub outside: Vec<String>,
    pub words: HashSet<String>,
    pub tools: Tools,
    pub commands: Commands,
    pub tells: Tells,
    pub manifests: Vec<Manifest>,
    pub imports: Vec<Import>,
    pub languages: BTreeMap<String, Tag>,
    frameworks: BTreeMap<String, Tag>,
    managers: BTreeMap<String, Tag>,
    pub said: Said,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weights {
    pub dependency: u32,
    pub file: u32,
    pub import: u32,
    pub hint: u32,
    pub image: u32,
    pub extension: u32,
    pub proof: u32,
    pub enough: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tools {
    pub listings: HashSet<String>,
    pub searches: HashSet<String>,
    pub readers: HashSet<String>,
    pub never: HashSet<String>,
    pub paths: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Commands {
    pub listings: HashSet<String>,
    pub readers: HashSet<String>,
    pub silent: HashSet<String>,
    pub elsewhere: HashSet<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tells {
    pub tags: Vec<String>,
    pub heads: Vec<String>,
    pub roots: Vec<String>,
    pub skipped: Vec<String>,
}

/// How a manifest is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Json,
    Toml,
    Yaml,
    /// A requirement a line.
    Lines,
    /// The first words of lines.
    Words,
    /// What stands in quotes.
    Quoted,
    /// What stands between tags.
    Texts,
    /// `{:name, …}`
    Atoms,
    /// `FROM name`
    Images,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub files: Vec<String>,
    pub format: Format,
    pub ecosystem: String,
    #[serde(default)]
    pub sections: Vec<String>,
    #[serde(default)]
    pub lists: Vec<String>,
}

/// How imports are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Syntax {
    Javascript,
    Python,
    Require,
    Quoted,
    Rust,
    Dotted,
    Package,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    pub languages: Vec<String>,
    pub syntax: Syntax,
    pub ecosystem: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tag {
    pub names: Vec<String>,
    pub fences: Vec<String>,
    pub extensions: Vec<String>,
    pub files: Vec<String>,
    pub hints: Vec<String>,
    pub runs: Vec<String>,
    pub sections: Vec<String>,
    npm: Vec<String>,
    pypi: Vec<String>,
    gem: Vec<String>,
    #[serde(rename = "crate")]
    crates: Vec<String>,
    go: Vec<String>,
    maven: Vec<String>,
    composer: Vec<String>,
    php: Vec<String>,
    nuget: Vec<String>,
    #[serde(rename = "pub")]
    dart: Vec<String>,
    hex: Vec<String>,
    elixir: Vec<String>,
    swift: Vec<String>,
    pod: Vec<String>,
    image: Vec<String>,
    pub takes: Vec<String>,
    pub covers: Option<String>,
    pub languages: Vec<String>,
    pub implies: Vec<String>,
    pub displaces: Vec<String>,
    pub displaced_by: Vec<String>,
    pub part_of: Vec<String>,
    pub needs: Option<String>,
    pub role: Option<String>,
    /// It is in every project, so it tells languages apart only where there is no other.
    pub markup: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub owners: Vec<String>,
    pub things: HashSet<String>,
    pub claims: Vec<String>,
    pub denials: HashSet<String>,
}

impl Document {
    pub(super) fn kinds(&self) -> [(Kind, &BTreeMap<String, Tag>); 3] {
        Kind::ALL.map(|kind| (kind, self.tags(kind)))
    }

    pub(super) fn tags(&self, kind: Kind) -> &BTreeMap<String, Tag> {
        match kind {
            Kind::Language => &self.languages,
            Kind::Framework => &self.frameworks,
            Kind::Manager => &self.managers,
        }
    }
}

impl Tag {
    pub(super) fn packages(&self) -> [(&'static str, &Vec<String>); 15] {
        [
            ("npm", &self.npm),
            ("pypi", &self.pypi),
            ("gem", &self.gem),
            ("crate", &self.crates),
            ("go", &self.go),
            ("maven", &self.maven),
            ("composer", &self.composer),
            ("php", &self.php),
            ("nuget", &self.nuget),
            ("pub", &self.dart),
            ("hex", &self.hex),
            ("elixir", &self.elixir),
            ("swift", &self.swift),
            ("pod", &self.pod),
            ("image", &self.image),
        ]
    }

    /// Whether a table of a TOML manifest proves it.
    pub(super) fn has_section(&self, section: &str) -> bool {
        let holds =
            |own: &String| section.strip_prefix(own.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('.'));
        self.sections.iter().any(holds)
    }
}
