//! The table of tools: from a call to what it does. Given the call `Grep` with
//! `{"pattern": "KEY", "path": "app", "glob": ".env*"}`: it reads every file below `app` that
//! matches `.env*`.

mod call;
mod document;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use bytes::Bytes;

pub use document::{Document, Search, Text, Tool};

use super::{Effects, code, patch};
use crate::wire::json::{Json, Kind as JsonKind, Value, shortened};
use call::{Judged, Mismatch};

/// The largest call whose arguments are read, in bytes.
const MAX_ARGUMENTS: usize = 4 << 20;

static SHIPPED: LazyLock<Table> = LazyLock::new(|| {
    // A table that could not be read knows no tool, so that every call is unclear; a test reads it.
    let document = serde_saphyr::from_str(include_str!("tools.yaml")).unwrap_or_default();
    Table::default().with(document)
});

/// What the specifier of a rule, as in `Bash(npm install)`, is held against for a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Commands,
    Reads,
    Writes,
    Fetches,
    /// The tool is not in the table, or does nothing that a specifier could be about.
    Unknown,
}

/// What the tools of agents do.
#[derive(Debug, Clone, Default)]
pub struct Table {
    tools: HashMap<String, Vec<Tool>>,
    types: BTreeMap<String, Vec<String>>,
}

impl Table {
    /// The table of well-known agents that comes with Jetway.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// This table, with tools added; a tool that is in both is what `own` says.
    #[must_use]
    pub fn with(&self, own: Document) -> Self {
        let mut table = self.clone();
        table.types.extend(own.types);
        for name in own.tools.iter().flat_map(|tool| &tool.names) {
            table.tools.remove(name);
        }
        for tool in own.tools {
            for name in &tool.names {
                table.tools.entry(name.clone()).or_default().push(Tool { names: Vec::new(), ..tool.clone() });
            }
        }
        table
    }

    /// Whether the table says what a tool does. A tool in a namespace goes by both names, with two
    /// underscores between them.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.tools.contains_key(name)
    }

    /// The names of all tools in it, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// What the specifier of a rule is held against for this tool.
    #[must_use]
    pub fn kind(&self, name: &str) -> Kind {
        let entries = self.tools.get(name).map(Vec::as_slice).unwrap_or_default();
        let any = |test: fn(&Tool) -> bool| entries.iter().any(test);
        if any(|tool| !tool.runs.is_empty() || !tool.programs.is_empty() || tool.text == Some(Text::Javascript)) {
            Kind::Commands
        } else if any(|t| !(t.writes.is_empty() && t.edits.is_empty() && t.patches.is_empty()) || t.text.is_some()) {
            Kind::Writes
        } else if any(|tool| {
            !(tool.reads.is_empty() && tool.reads_below.is_empty() && tool.reads_matching.is_empty())
                || tool.search.is_some()
        }) {
            Kind::Reads
        } else if any(|tool| !tool.fetches.is_empty() || tool.fetches_unknown) {
            Kind::Fetches
        } else {
            Kind::Unknown
        }
    }

    /// Whether a tool of this name takes a program that calls other tools.
    #[must_use]
    pub fn takes_programs(&self, name: &str) -> bool {
        let takes = |tool: &Tool| !tool.programs.is_empty() || tool.text == Some(Text::Javascript);
        self.tools.get(name).is_some_and(|entries| entries.iter().any(takes))
    }

    /// What a call does. `arguments` is the text as it came: a JSON object, or what a custom tool
    /// takes.
    #[must_use]
    pub fn effects(&self, name: &str, namespace: Option<&str>, arguments: &str) -> Effects {
        let full = match namespace.map(|space| space.trim_end_matches('_')) {
            None | Some("" | "functions") => name.to_owned(),
            Some(space) => format!("{space}__{name}"),
        };
        self.call(&full, arguments, true)
    }

    /// The same for a call of a program, which may hold no program of its own.
    fn call(&self, name: &str, arguments: &str, outermost: bool) -> Effects {
        let Some(entries) = self.tools.get(name) else {
            return Effects::unclear(format!(
                "what `{}` does is not known; say it in a table of tools, or allow the tool by its name",
                shortened(name)
            ));
        };
        if let Some(why) = entries.iter().find_map(|tool| tool.unclear.as_deref()) {
            return Effects::unclear(format!("what `{name}` does cannot be told: {why}"));
        }
        if arguments.len() > MAX_ARGUMENTS {
            return Effects::unclear(format!("the arguments of `{name}` are larger than {MAX_ARGUMENTS} bytes"));
        }
        let empty = arguments.trim().is_empty();
        match Json::read(Bytes::copy_from_slice(if empty { b"{}" } else { arguments.as_bytes() })) {
            Ok(json) if json.root().kind() == JsonKind::Object => self.object(name, entries, json.root(), outermost),
            read => match entries.iter().find_map(|tool| tool.text) {
                Some(text) => self.text(text, arguments, outermost),
                None => Effects::unclear(match read {
                    Ok(_) => format!("the arguments of `{name}` are no JSON object"),
                    Err(why) => format!("the arguments of `{name}` cannot be read: {why}"),
                }),
            },
        }
    }

    fn text(&self, text: Text, source: &str, outermost: bool) -> Effects {
        match text {
            Text::Patch => patch::read(source),
            Text::Javascript if outermost => code::read(source, &|name, arguments| self.call(name, arguments, false)),
            Text::Javascript => Effects::unclear("a program calls a tool that takes a program; call it by itself"),
        }
    }

    /// The effects by every entry that the arguments fit.
    fn object(&self, name: &str, entries: &[Tool], arguments: Value<'_>, outermost: bool) -> Effects {
        let mut effects: Option<Effects> = None;
        let mut closest: Option<Mismatch> = None;
        for tool in entries {
            match call::judge(tool, arguments, &self.types) {
                Ok(Judged { effects: mut found, programs }) => {
                    let effects = effects.get_or_insert_default();
                    found.list.retain(|effect| !effects.list.contains(effect));
                    effects.add(found);
                    for program in programs {
                        effects.add(self.text(Text::Javascript, &program, outermost));
                    }
                }
                Err(mismatch) => {
                    closest = Some(match closest.take() {
                        Some(other) if other.fits >= mismatch.fits => other,
                        _ => mismatch,
                    });
                }
            }
        }
        effects.unwrap_or_else(|| {
            let why = closest.map_or_else(String::new, |mismatch| mismatch.why);
            Effects::unclear(format!("the call of `{name}` is not understood: {why}"))
        })
    }
}

#[cfg(test)]
mod tests;
