//! One rule of a lockdown, as it is written. Given `Bash(npm install *)`: the tool `Bash`, for
//! commands that begin so. Given `reads(**/.env*)`: every tool, where it reads such a file.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use crate::effects::table::Kind;
use crate::effects::{Effect, Effects};
use crate::glob::Glob;
use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::{address, command, place};

/// What a rule for every tool is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Reads,
    Writes,
    Runs,
    Fetches,
    Sends,
}

/// A rule that was read and is known to be sound.
#[derive(Debug, Clone)]
pub struct Rule {
    text: String,
    pub(super) subject: Subject,
    /// A sentence for the model.
    pub(super) reason: Option<String>,
    /// What it must match, and what it must not: commands, paths or addresses as they are written.
    pub(super) matching: Vec<String>,
    pub(super) not_matching: Vec<String>,
}

/// What a rule is about.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// A tool, whatever it is called with.
    Tool(Glob),
    /// A tool, with some arguments.
    Call { tool: Glob, scope: Scope },
    /// What any tool does.
    Effect { act: Act, matcher: Matcher },
}

/// A specifier, in every way that it can be read. Which counts is told by the tool.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    command: Result<Matcher, String>,
    place: Result<Matcher, String>,
    address: Result<Matcher, String>,
}

#[derive(Debug, Clone)]
pub(super) enum Matcher {
    /// Whatever it is, known or not.
    All,
    Command(command::Pattern),
    Place(place::Pattern),
    Address(address::Pattern),
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule {rule:?} cannot be used; from character {at} on: {why}")]
pub struct BadRule {
    pub rule: String,
    /// The first character is 1.
    pub at: usize,
    pub why: String,
}

/// Rules of more characters than this are not read.
const LONGEST: usize = 1000;

impl Rule {
    /// Reads a rule: `Read`, `Bash(npm install *)`, `reads(**/.env*)`, `sends`.
    ///
    /// # Errors
    /// [`BadRule`], which says where in the rule it is wrong.
    pub fn parse(text: &str) -> Result<Self, BadRule> {
        let bad = |at: usize, why: String| BadRule {
            rule: text.chars().take(LONGEST).collect(),
            at: text.get(..at).map_or(0, |before| before.chars().count()) + 1,
            why,
        };
        if text.len() > LONGEST {
            return Err(bad(0, format!("it has more than {LONGEST} characters")));
        }
        let subject = read(text).map_err(|(at, why)| bad(at, why))?;
        Ok(Self { text: text.to_owned(), subject, reason: None, matching: Vec::new(), not_matching: Vec::new() })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a call is one that it is about, as far as names tell.
    pub(super) fn concerns(&self, name: &Name<'_>) -> bool {
        match &self.subject {
            Subject::Tool(tool) | Subject::Call { tool, .. } => name.fits(tool),
            Subject::Effect { .. } => true,
        }
    }

    /// Whether it is about this part of a call, or could be.
    pub(super) fn reaches(&self, effect: &Effect, kind: Kind, folders: &Folders) -> bool {
        match &self.subject {
            Subject::Tool(_) => false,
            Subject::Call { scope, .. } => match scope.of(effect, kind) {
                Some(Ok(matcher)) => matcher.reaches(effect, folders),
                Some(Err(_)) => true,
                None => false,
            },
            Subject::Effect { act, matcher } => *act == Act::of(effect) && matcher.reaches(effect, folders),
        }
    }

    /// Whether a call surely is one that it is about.
    #[must_use]
    pub fn tells(
        &self,
        (name, namespace): (&str, Option<&str>),
        (kind, effects): (Kind, &Effects),
        folders: &Folders,
    ) -> bool {
        self.concerns(&Name::new(name, namespace))
            && (matches!(self.subject, Subject::Tool(_))
                || effects.list.iter().any(|effect| self.covers(effect, kind, folders)))
    }

    /// Whether this part of a call surely is what it is about.
    pub(super) fn covers(&self, effect: &Effect, kind: Kind, folders: &Folders) -> bool {
        match &self.subject {
            Subject::Tool(_) => false,
            Subject::Call { scope, .. } => {
                // What is not known of a tool cannot be allowed by what it seems to do, and one
                // that is there to read is not allowed to write.
                let is_beyond = kind == Kind::Unknown || kind == Kind::Reads && Act::of(effect) == Act::Writes;
                !is_beyond && matches!(scope.of(effect, kind), Some(Ok(matcher)) if matcher.covers(effect, folders))
            }
            Subject::Effect { act, matcher } => *act == Act::of(effect) && matcher.covers(effect, folders),
        }
    }

    /// Why its specifier says nothing about a tool of this kind.
    pub(super) fn misfit(&self, kind: Kind) -> Option<BadRule> {
        let Subject::Call { scope, .. } = &self.subject else { return None };
        let why = scope.read_as(kind)?.as_ref().err()?.clone();
        let at = self.text.find('(').map_or(0, |open| self.text[..open].chars().count() + 2);
        Some(BadRule { rule: self.text.clone(), at, why })
    }
}

/// A tool's own name, and with its group before it.
#[derive(Debug, Clone)]
pub(super) struct Name<'a> {
    own: &'a str,
    full: Option<String>,
}

impl<'a> Name<'a> {
    pub(super) fn new(own: &'a str, group: Option<&str>) -> Self {
        Self { own, full: group.map(|group| format!("{group}.{own}")) }
    }

    pub(super) fn fits(&self, tool: &Glob) -> bool {
        tool.matches(self.own) || self.full.as_deref().is_some_and(|full| tool.matches(full))
    }
}

impl Act {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "reads" => Some(Self::Reads),
            "writes" => Some(Self::Writes),
            "runs" => Some(Self::Runs),
            "fetches" => Some(Self::Fetches),
            "sends" => Some(Self::Sends),
            _ => None,
        }
    }

    pub(super) fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Runs(_) => Self::Runs,
            Effect::Reads(_) => Self::Reads,
            Effect::Writes(_) => Self::Writes,
            Effect::Fetches(_) => Self::Fetches,
            Effect::Sends => Self::Sends,
        }
    }
}

impl Scope {
    fn parse(text: &str) -> Result<Self, String> {
        let scope = Self {
            command: command::Pattern::parse(text).map(Matcher::Command),
            place: place::Pattern::parse(text).map(Matcher::Place),
            address: address::Pattern::parse(text).map(Matcher::Address),
        };
        match (&scope.command, &scope.place, &scope.address) {
            (_, _, Err(why)) if text.starts_with("domain:") => Err(why.clone()),
            (Err(why), Err(_), _) => Err(why.clone()),
            _ => Ok(scope),
        }
    }

    /// As it is read for tools of this kind. None where that is not known.
    fn read_as(&self, kind: Kind) -> Option<&Result<Matcher, String>> {
        match kind {
            Kind::Commands => Some(&self.command),
            Kind::Reads | Kind::Writes => Some(&self.place),
            Kind::Fetches => Some(&self.address),
            Kind::Unknown => None,
        }
    }

    /// As it is read for this part of a call. None where it says nothing about it.
    fn of(&self, effect: &Effect, kind: Kind) -> Option<&Result<Matcher, String>> {
        let read = match Act::of(effect) {
            Act::Runs => (Kind::Commands, &self.command),
            Act::Reads | Act::Writes => (Kind::Reads, &self.place),
            Act::Fetches => (Kind::Fetches, &self.address),
            Act::Sends => return None,
        };
        let kind = if kind == Kind::Writes { Kind::Reads } else { kind };
        (kind == Kind::Unknown || kind == read.0).then_some(read.1)
    }
}

impl Matcher {
    fn reaches(&self, effect: &Effect, folders: &Folders) -> bool {
        match (self, effect) {
            (Self::All, _) => true,
            (Self::Command(pattern), Effect::Runs(words)) => pattern.reaches(words),
            (Self::Place(pattern), Effect::Reads(place) | Effect::Writes(place)) => pattern.reaches(place, folders),
            (Self::Address(pattern), Effect::Fetches(address)) => pattern.reaches(address.as_deref()),
            _ => false,
        }
    }

    fn covers(&self, effect: &Effect, folders: &Folders) -> bool {
        match (self, effect) {
            (Self::All, _) => true,
            (Self::Command(pattern), Effect::Runs(words)) => pattern.covers(words),
            (Self::Place(pattern), Effect::Reads(place)) => pattern.covers(place, folders, false),
            (Self::Place(pattern), Effect::Writes(place)) => pattern.covers(place, folders, true),
            (Self::Address(pattern), Effect::Fetches(address)) => pattern.covers(address.as_deref()),
            _ => false,
        }
    }
}

/// Reads what a rule is about; an error tells from which byte on it is wrong.
fn read(text: &str) -> Result<Subject, (usize, String)> {
    if text.trim() != text || text.is_empty() {
        return Err((0, String::from("a rule is not empty, and has no space before or behind it")));
    }
    let Some(open) = text.find('(') else {
        if let Some(close) = text.find(')') {
            return Err((close, String::from("this `)` has no `(` before it")));
        }
        return match Act::parse(text) {
            Some(act) => Ok(Subject::Effect { act, matcher: Matcher::All }),
            None => tool(text).map(Subject::Tool),
        };
    };
    let Some(specifier) = text[open + 1..].strip_suffix(')') else {
        return Err((open, String::from("this `(` needs a `)` at the end of the rule")));
    };
    let name = &text[..open];
    let inner = |why: String| (open + 1, why);
    match (Act::parse(name), specifier) {
        (Some(Act::Sends), "" | "*") => Ok(Subject::Effect { act: Act::Sends, matcher: Matcher::All }),
        (Some(Act::Sends), _) => Err(inner(String::from("`sends` takes nothing in its parentheses"))),
        (_, "") => Err(inner(format!("nothing stands in the parentheses; for all of it write `{name}`"))),
        (Some(act), "*") => Ok(Subject::Effect { act, matcher: Matcher::All }),
        (None, "*") => tool(name).map(Subject::Tool),
        (Some(act), _) => Ok(Subject::Effect { act, matcher: matcher(act, specifier).map_err(inner)? }),
        (None, _) => Ok(Subject::Call { tool: tool(name)?, scope: Scope::parse(specifier).map_err(inner)? }),
    }
}

fn tool(name: &str) -> Result<Glob, (usize, String)> {
    if let Some(at) = name.find(char::is_whitespace) {
        return Err((
            at,
            String::from("a tool's name has no spaces; a command stands in parentheses, as in `Bash(npm install *)`"),
        ));
    }
    Glob::parse(name).map_err(|error| (0, error.to_string()))
}

fn matcher(act: Act, specifier: &str) -> Result<Matcher, String> {
    match act {
        Act::Reads | Act::Writes => place::Pattern::parse(specifier).map(Matcher::Place),
        Act::Runs => command::Pattern::parse(specifier).map(Matcher::Command),
        Act::Fetches => address::Pattern::parse(specifier).map(Matcher::Address),
        Act::Sends => Ok(Matcher::All),
    }
}

/// A rule with more about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DetailedRule")]
struct Detailed {
    /// The rule itself: `Bash(npm run *)`.
    rule: String,
    /// What it must match: commands, paths or addresses as they are written, or names of tools.
    #[serde(default, rename = "match")]
    matching: Vec<String>,
    /// What it must not match.
    #[serde(default, rename = "not_match")]
    not_matching: Vec<String>,
    /// Why, in a sentence for the model.
    #[serde(default)]
    reason: Option<String>,
}

impl TryFrom<Detailed> for Rule {
    type Error = BadRule;

    fn try_from(Detailed { rule, matching, not_matching, reason }: Detailed) -> Result<Self, BadRule> {
        Ok(Self { matching, not_matching, reason, ..Self::parse(&rule)? })
    }
}

/// Read by hand, so that a mistake is said in words.
impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a rule such as `Bash(npm run *)`, or { rule: …, match: [a list], not_match: [a list], reason: … }",
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rule, E> {
                Rule::parse(text).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
                let detailed = Detailed::deserialize(MapAccessDeserializer::new(map))?;
                Rule::try_from(detailed).map_err(serde::de::Error::custom)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Rule {
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let detailed = generator.subschema_for::<Detailed>();
        schemars::json_schema!({
            "description": "A tool (`Read`, `mcp__github__*`), a tool with a specifier (`Bash(npm install *)`, `Edit(src/**)`, `WebFetch(domain:docs.example.com)`), or what any tool does: `reads(**/.env*)`, `writes(src/**)`, `runs(git push *)`, `fetches(domain:*.example.com)`, `sends`.",
            "anyOf": [{ "type": "string", "minLength": 1 }, detailed]
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
