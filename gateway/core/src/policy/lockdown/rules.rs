//! All rules of a lockdown, and what they say about a call. Given `allow: [Bash(npm install *)]`
//! and a call that runs `npm install x`: allowed. With `deny: [reads(**/.env*)]` and a call that
//! reads `.env`: refused by that rule, whatever `allow` says.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::effects::Effects;
use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::rule::{Act, Kind, Name, Rule, Subject};
use crate::policy::lockdown::say;
use crate::wire::request::Tool;

/// What is done with a call of which not everything can be told, where a rule looks at more than
/// its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    #[default]
    Refuse,
    Allow,
}

/// Rules whose examples hold.
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
    pub(super) unknown: Unknown,
}

/// What is known of a call.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub name: &'a str,
    /// The group that the tool belongs to, where the dialect has groups.
    pub namespace: Option<&'a str>,
    pub kind: Kind,
    pub effects: &'a Effects,
    pub folders: &'a Folders,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Refuse {
        /// `deny reads(**/.env*)`, `not in allow`.
        rule: String,
        /// What about the call it was, in a sentence for the model. Names programs, paths and
        /// hosts, and no other part of a call.
        why: String,
    },
}

const NOT_ALLOWED: &str = "not in allow";
const UNSEEN: &str = "its program";

impl RuleSet {
    /// Whether a call's arguments matter, so that it must be held until they are there. False
    /// where its name alone settles the verdict.
    #[must_use]
    pub fn needs_arguments(&self, name: &str, namespace: Option<&str>) -> bool {
        let name = Name::new(name, namespace);
        if bare(&self.deny, &name).is_some() {
            return false;
        }
        if bare(&self.allow, &name).is_some() {
            return scoped(&self.deny, &name).next().is_some();
        }
        scoped(&self.allow, &name).next().is_some()
    }

    /// The rules of `allow`, as they are written.
    pub fn allowed(&self) -> impl Iterator<Item = &str> {
        self.allow.iter().map(Rule::as_str)
    }

    /// All rules, as they are written.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.allow.iter().chain(&self.deny).map(Rule::as_str)
    }

    /// Whether a rule is this tool's name and nothing else.
    #[must_use]
    pub fn names(&self, tool: &str) -> bool {
        self.allow.iter().chain(&self.deny).any(|rule| rule.as_str() == tool)
    }

    /// Whether no rule keeps any call from anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let all = |rule: &Rule| matches!(&rule.subject, Subject::Tool(tool) if tool.matches_all_below(""));
        self.deny.is_empty() && self.allow.iter().any(all)
    }

    /// Decides about a call.
    #[must_use]
    pub fn judge(&self, call: Facts<'_>) -> Verdict {
        let name = Name::new(call.name, call.namespace);
        self.denied(&call, &name).or_else(|| self.not_allowed(&call, &name)).unwrap_or(Verdict::Allow)
    }

    /// Decides about a call that an allowed program makes: it is judged as if it came alone. Where
    /// the program is allowed for what it does, and not by its name, that was looked at already.
    #[must_use]
    pub fn judge_called(&self, program: (&str, Option<&str>), call: Facts<'_>) -> Verdict {
        let name = Name::new(call.name, call.namespace);
        let by_name = bare(&self.allow, &Name::new(program.0, program.1)).is_some();
        let not_allowed = || if by_name { self.not_allowed(&call, &name) } else { None };
        self.denied(&call, &name).or_else(not_allowed).unwrap_or(Verdict::Allow)
    }

    /// Decides about a program whose calls cannot all be seen, where any rule could be about one.
    #[must_use]
    pub fn judge_unseen(&self, why: &str) -> Verdict {
        match self.unknown {
            Unknown::Allow => Verdict::Allow,
            Unknown::Refuse => say::refused(UNSEEN, say::unseen_program(why)),
        }
    }

    /// Decides whether the model sees a tool at all. Rules that look at more than the name do not
    /// hide it, for some of its calls may pass.
    #[must_use]
    pub fn offers(&self, tool: &Tool, kind: Kind) -> Verdict {
        let Some(own) = tool.name.as_deref() else {
            return say::refused("no rule can allow a kind of tool that is not known", say::unknown_tool());
        };
        if tool.is_server {
            return self.offers_server(own);
        }
        self.offers_named(own, tool.namespace.as_deref(), kind)
    }

    /// Whether the model may see a tool of this name that the agent runs.
    pub fn offers_named(&self, name: &str, namespace: Option<&str>, kind: Kind) -> Verdict {
        let name = Name::new(name, namespace);
        if let Some(rule) = bare(&self.deny, &name) {
            return denied_tool(rule);
        }
        let may = |rule: &Rule| match &rule.subject {
            Subject::Effect { act, .. } => could_allow(*act, kind),
            _ => rule.concerns(&name),
        };
        if self.allow.iter().any(may) { Verdict::Allow } else { say::refused(NOT_ALLOWED, say::unlisted_tool()) }
    }

    /// A whole server of tools, all of whose names begin with `prefix`. The provider calls them
    /// unseen, so every one must be allowed whatever its arguments, and none may be denied.
    fn offers_server(&self, prefix: &str) -> Verdict {
        let forbids = |rule: &&Rule| match &rule.subject {
            Subject::Tool(tool) => tool.may_match_below(prefix),
            Subject::Call { tool, .. } => self.unknown == Unknown::Refuse && tool.may_match_below(prefix),
            Subject::Effect { .. } => self.unknown == Unknown::Refuse,
        };
        if let Some(rule) = self.deny.iter().find(forbids) {
            return say::refused(format!("deny {rule}"), say::unseen_calls(rule));
        }
        let allows = |rule: &Rule| matches!(&rule.subject, Subject::Tool(tool) if tool.matches_all_below(prefix));
        if self.allow.iter().any(allows) {
            Verdict::Allow
        } else {
            say::refused("not all of this server's tools are in allow", say::unlisted_tool())
        }
    }

    fn denied(&self, call: &Facts<'_>, name: &Name<'_>) -> Option<Verdict> {
        if let Some(rule) = bare(&self.deny, name) {
            return Some(denied_tool(rule));
        }
        let hit = |rule: &&Rule| call.effects.list.iter().any(|effect| rule.reaches(effect, call.kind, call.folders));
        if let Some(rule) = scoped(&self.deny, name).find(hit) {
            let effect = call.effects.list.iter().find(|effect| rule.reaches(effect, call.kind, call.folders))?;
            let why = say::denied(rule, effect, &self.ways(name, effect));
            return Some(say::refused(format!("deny {rule}"), why));
        }
        let unclear = call.effects.unclear.as_deref().filter(|_| self.unknown == Unknown::Refuse)?;
        let rule = scoped(&self.deny, name).next()?;
        Some(say::refused(format!("deny {rule}"), say::unclear(unclear, rule)))
    }

    fn not_allowed(&self, call: &Facts<'_>, name: &Name<'_>) -> Option<Verdict> {
        if bare(&self.allow, name).is_some() {
            return None;
        }
        let rules: Vec<&Rule> = scoped(&self.allow, name).collect();
        let refuse = |why: String| Some(say::refused(NOT_ALLOWED, why));
        let Some(first) = rules.first() else { return refuse(say::unlisted_tool()) };
        let carries = carries(&rules, call);
        let is_carried = |effect| carries && Act::of(effect) != Act::Runs && !call.effects.beside.contains(effect);
        let is_bare =
            |effect| !is_carried(effect) && !rules.iter().any(|rule| rule.covers(effect, call.kind, call.folders));
        if let Some(effect) = call.effects.list.iter().find(|effect| is_bare(effect)) {
            return refuse(say::uncovered(effect, &self.ways(name, effect)));
        }
        match (&call.effects.unclear, self.unknown) {
            (Some(unclear), Unknown::Refuse) => refuse(say::unclear(unclear, first)),
            // A rule about what any tool does says nothing of a call that is not known to do it.
            (unclear, _) if call.effects.list.is_empty() => {
                let is_own = rules.iter().any(|rule| matches!(rule.subject, Subject::Call { .. }));
                if unclear.is_some() && is_own { None } else { refuse(say::nothing_to_judge()) }
            }
            _ => None,
        }
    }

    /// What is allowed in place of this.
    fn ways(&self, name: &Name<'_>, effect: &crate::effects::Effect) -> Vec<&str> {
        let act = Act::of(effect);
        let is_way = |rule: &&Rule| match &rule.subject {
            Subject::Call { .. } => rule.concerns(name),
            Subject::Effect { act: own, .. } => *own == act,
            Subject::Tool(_) => false,
        };
        self.allow.iter().filter(is_way).map(Rule::as_str).collect()
    }
}

/// The first rule that is about this tool whatever it is called with.
fn bare<'a>(rules: &'a [Rule], name: &Name<'_>) -> Option<&'a Rule> {
    rules.iter().find(|rule| matches!(rule.subject, Subject::Tool(_)) && rule.concerns(name))
}

/// Whether rules about this tool name every command that it runs, as in `Bash(npm install *)`. Then
/// what those commands are there to do is allowed with them.
fn carries(rules: &[&Rule], call: &Facts<'_>) -> bool {
    let mut commands = call.effects.list.iter().filter(|effect| Act::of(effect) == Act::Runs).peekable();
    let named = |rule: &&&Rule| matches!(rule.subject, Subject::Call { .. });
    call.kind == Kind::Commands
        && commands.peek().is_some()
        && commands.all(|effect| rules.iter().filter(named).any(|rule| rule.covers(effect, call.kind, call.folders)))
}

/// The rules that look at more than the name, and are about this tool.
fn scoped<'a>(rules: &'a [Rule], name: &'a Name<'_>) -> impl Iterator<Item = &'a Rule> {
    rules.iter().filter(|rule| !matches!(rule.subject, Subject::Tool(_)) && rule.concerns(name))
}

fn denied_tool(rule: &Rule) -> Verdict {
    say::refused(format!("deny {rule}"), say::denied_tool(rule))
}

/// Whether a tool of this kind could be allowed by a rule about what tools do: each needs one for
/// what it is there for.
fn could_allow(act: Act, kind: Kind) -> bool {
    match kind {
        Kind::Commands => act == Act::Runs,
        Kind::Reads => act == Act::Reads,
        Kind::Writes => act == Act::Writes,
        Kind::Fetches => act == Act::Fetches,
        Kind::Unknown => false,
    }
}
