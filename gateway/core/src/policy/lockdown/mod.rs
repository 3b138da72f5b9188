//! What tools a model may see and call. Given `allow: [Read, "Bash(npm install *)"]`,
//! `deny: ["reads(**/.env*)"]` and a request that offers `Read`, `Bash` and `WebFetch`: the model
//! sees the first two, and its call `cat .env` is refused whichever tool it comes by.

mod address;
pub mod cases;
mod command;
pub mod examples;
pub mod narrow;
pub mod place;
pub mod replace;
pub mod rule;
pub mod rules;
mod say;
mod taint;
pub mod warden;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::effects::table::{self, Table};
use crate::policy::lockdown::examples::BadRules;
use crate::policy::lockdown::rule::{Kind, Rule};
use crate::policy::lockdown::rules::{RuleSet, Unknown, Verdict};
use crate::redact;
use crate::wire::event::Call;
use crate::wire::json::Json;
use crate::wire::tools::Tool;
use crate::wire::tools::offer::Offer;

pub(in crate::policy) use warden::effects_of;
pub use warden::{Refused, Replaced, Setting, Warden};

/// As written: `lockdown:` in `policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Lockdown")]
pub struct Document {
    /// Tools that the model may see, and calls that it may make: `Read`, `mcp__github__*`,
    /// `Bash(npm install *)`, `writes(src/**)`. An empty list allows none.
    allow: Vec<Rule>,
    /// What it may not, even if `allow` names it: `WebFetch`, `reads(**/.env*)`.
    #[serde(default)]
    deny: Vec<Rule>,
    /// What happens to a call that a rule is about and that cannot be understood.
    #[serde(default)]
    unknown: Unknown,
    /// What becomes of a call that is refused.
    #[serde(default)]
    on_denied: OnDenied,
    /// What to do instead: a sentence for the model and the person, shown behind a refusal.
    #[serde(default)]
    advice: Option<String>,
    /// Whether the rules are in force.
    #[serde(default)]
    mode: Mode,
    /// Tools that the model gets to see and to call only in part.
    #[serde(default)]
    narrow: narrow::Rules,
    /// Tools that the model is offered in place of the agent's own.
    #[serde(default)]
    replace: replace::Rules,
    /// What tools of your own do, beside those that are known.
    #[serde(default)]
    tools: Option<table::Document>,
    /// Secrets in results, and what becomes of them. All of them are replaced where nothing is said.
    #[serde(default)]
    redact: redact::Rules,
    /// Refuses what could leave the machine once a conversation holds secrets and text of strangers.
    #[serde(default)]
    taint: bool,
    /// Files that count as secrets for `taint`, by what reads them: `reads(internal/**)`.
    #[serde(default)]
    private: Vec<Rule>,
}

/// What becomes of a call that is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDenied {
    /// The model is told why and what to do instead, and goes on within the same reply.
    #[default]
    Correct,
    /// A sentence takes the call's place.
    Explain,
    /// The reply ends there, with a sentence.
    Stop,
}

/// Whether rules are in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Enforce,
    /// Nothing changes on the wire; what would have been done is in the run log.
    Shadow,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    set: RuleSet,
    table: Arc<Table>,
    narrow: narrow::Rules,
    pub replace: replace::Rules,
    pub redact: redact::Rules,
    taint: bool,
    private: Vec<Rule>,
    on_denied: OnDenied,
    advice: Option<String>,
    pub mode: Mode,
}

schema_of_document!(Rules, Document);

impl TryFrom<Document> for Rules {
    type Error = BadRules;

    fn try_from(document: Document) -> Result<Self, BadRules> {
        let table = match document.tools {
            Some(own) => Table::shipped().with(own),
            None => Table::shipped().clone(),
        };
        taint::check(&document.private, document.taint)?;
        let set = RuleSet::new(document.allow, document.deny, document.unknown, |name| table.kind(name))?;
        Ok(Self {
            set,
            table: Arc::new(table),
            narrow: document.narrow,
            replace: document.replace,
            redact: document.redact,
            taint: document.taint,
            private: document.private,
            on_denied: document.on_denied,
            advice: document.advice,
            mode: document.mode,
        })
    }
}

impl Rules {
    /// Whether the model may see a tool, and how.
    ///
    /// # Errors
    /// The rule by which it may not.
    pub fn offer(&self, tool: &Tool, json: &Json) -> Result<Offer, String> {
        let kind = tool.name.as_deref().map_or(Kind::Unknown, |name| self.kind(name));
        if let Verdict::Refuse { rule, .. } = self.set.offers(tool, kind) {
            return Err(rule);
        }
        self.narrow.check_pin(tool, json).map_err(|unfit| unfit.rule())?;
        Ok(self.narrow.change(tool).map_or(Offer::Keep, Offer::Change))
    }

    /// Whether a model may see a tool of a request that was sent before, perhaps changed by rules like
    /// these: what is changed can be held against no pin.
    #[must_use]
    pub fn offers_sent(&self, tool: &Tool, json: &Json) -> bool {
        let kind = tool.name.as_deref().map_or(Kind::Unknown, |name| self.kind(name));
        let fits = || self.narrow.change(tool).is_some() || self.narrow.check_pin(tool, json).is_ok();
        self.set.offers(tool, kind) == Verdict::Allow && fits()
    }

    /// Whether a tool of this name is one that these rules speak of by its name, or that is known anyway:
    /// then the name is no text of a caller's.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.table.knows(name) || self.replace.find(name).is_some() || self.set.names(name)
    }

    /// Whether a model may see a tool of this name, as far as its name says.
    #[must_use]
    pub fn offers_name(&self, name: &str) -> bool {
        self.set.offers_named(name, None, self.kind(name)) == Verdict::Allow
    }

    /// The name of a tool that is not what it was pinned to.
    #[must_use]
    pub fn changed(&self, tool: &Tool, json: &Json) -> Option<String> {
        self.narrow.check_pin(tool, json).err()?;
        tool.name.clone()
    }

    /// Rules for a file of cases that has its own.
    ///
    /// # Errors
    /// [`BadRules`] as for a policy.
    pub fn of_cases(given: &cases::Inline) -> Result<Self, BadRules> {
        Self::try_from(Document {
            allow: given.allow.clone(),
            deny: given.deny.clone(),
            unknown: given.unknown,
            on_denied: OnDenied::default(),
            advice: None,
            mode: Mode::default(),
            narrow: narrow::Rules::default(),
            replace: replace::Rules::default(),
            tools: None,
            redact: redact::Rules::default(),
            taint: false,
            private: Vec::new(),
        })
    }

    /// What is decided about a case.
    #[must_use]
    pub fn try_case(&self, case: &cases::Case, folders: &place::Folders) -> Verdict {
        let setting = Setting { folders: folders.clone(), ..Setting::default() };
        let call = Call { name: case.tool.clone(), namespace: case.namespace.clone(), ..Call::default() };
        let effects = self.effects(&case.tool, case.namespace.as_deref(), &case.arguments());
        self.verdict(&setting, &call, &effects)
    }

    /// The rules of `allow` and `deny`, as they are written.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.set.written()
    }

    /// What a model is told with every refusal.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// What the tools of agents do, by this policy.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    fn kind(&self, name: &str) -> Kind {
        self.table.kind(name)
    }
}
