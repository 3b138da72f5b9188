//! The examples of a rule must hold before it is used. Given `Bash(npm run *)` with
//! `match: ["npm run build"]` and `not_match: ["npm runx"]`: both hold.

use crate::effects::{Effect, Effects, Place, shell};
use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::rule::{Act, BadRule, Kind, Name, Rule, Subject};
use crate::policy::lockdown::rules::{RuleSet, Unknown};

/// Why rules cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRules {
    #[error(transparent)]
    Rule(#[from] BadRule),
    #[error("the rule `{rule}` should match {example:?} and does not{because}")]
    Misses { rule: String, example: String, because: String },
    #[error("the rule `{rule}` should not match {example:?} and does{because}")]
    Matches { rule: String, example: String, because: String },
}

impl RuleSet {
    /// Puts rules together. `kind` says what a tool of a name does.
    ///
    /// # Errors
    /// [`BadRules`] where a specifier says nothing about its tool, or an example does not hold.
    pub fn new(
        allow: Vec<Rule>,
        deny: Vec<Rule>,
        unknown: Unknown,
        kind: impl Fn(&str) -> Kind,
    ) -> Result<Self, BadRules> {
        let trial = Trial { kind: &kind, read: &shell::read };
        trial.check(&allow, false)?;
        trial.check(&deny, true)?;
        Ok(Self { allow, deny, unknown })
    }
}

/// What examples are tried with.
pub(super) struct Trial<'a> {
    pub(super) kind: &'a dyn Fn(&str) -> Kind,
    /// What a command does.
    pub(super) read: &'a dyn Fn(&str) -> Effects,
}

/// What an example showed.
struct Outcome {
    matches: bool,
    /// Why some of it could not be told.
    unclear: Option<String>,
}

impl Trial<'_> {
    pub(super) fn check(&self, rules: &[Rule], denies: bool) -> Result<(), BadRules> {
        rules.iter().try_for_each(|rule| {
            let kind = self.kind_of(rule);
            match rule.misfit(kind) {
                Some(bad) => Err(BadRules::Rule(bad)),
                None => self.check_examples(rule, kind, denies),
            }
        })
    }

    fn check_examples(&self, rule: &Rule, kind: Kind, denies: bool) -> Result<(), BadRules> {
        let named = |example: &str, outcome: &Outcome| {
            let because = outcome.unclear.as_deref().map(|why| format!(": it cannot be read ({why})"));
            (rule.to_string(), example.to_owned(), because.unwrap_or_default())
        };
        for example in &rule.matching {
            let outcome = self.outcome(rule, kind, denies, example);
            // A call that is not clear is never allowed by a rule that looks into it.
            if !outcome.matches || !denies && outcome.unclear.is_some() {
                let (rule, example, because) = named(example, &outcome);
                return Err(BadRules::Misses { rule, example, because });
            }
        }
        for example in &rule.not_matching {
            let outcome = self.outcome(rule, kind, denies, example);
            if outcome.matches || denies && outcome.unclear.is_some() {
                let (rule, example, because) = named(example, &outcome);
                return Err(BadRules::Matches { rule, example, because });
            }
        }
        Ok(())
    }

    /// What the tool of a rule does, if the rule names one tool.
    fn kind_of(&self, rule: &Rule) -> Kind {
        match &rule.subject {
            Subject::Call { tool, .. } if !tool.as_str().contains(['*', '?', '[', '{', '\\']) => {
                (self.kind)(tool.as_str())
            }
            _ => Kind::Unknown,
        }
    }

    fn outcome(&self, rule: &Rule, kind: Kind, denies: bool, example: &str) -> Outcome {
        let effects = match &rule.subject {
            Subject::Tool(tool) => {
                let (group, name) =
                    example.split_once('.').map_or((None, example), |(group, name)| (Some(group), name));
                return Outcome { matches: Name::new(name, group).fits(tool), unclear: None };
            }
            Subject::Effect { act, .. } => self.effects(*act, example),
            Subject::Call { .. } => match kind {
                Kind::Commands => self.effects(Act::Runs, example),
                Kind::Reads => self.effects(Act::Reads, example),
                Kind::Writes => self.effects(Act::Writes, example),
                Kind::Fetches => self.effects(Act::Fetches, example),
                Kind::Unknown => return self.any_outcome(rule, denies, example),
            },
        };
        outcome_of(rule, kind, denies, &effects)
    }

    /// Of a rule of which it is not known what its tool does: it matches if it does in any way.
    fn any_outcome(&self, rule: &Rule, denies: bool, example: &str) -> Outcome {
        let ways = [(Act::Runs, Kind::Commands), (Act::Reads, Kind::Reads), (Act::Fetches, Kind::Fetches)];
        let fits = |(act, kind): &(Act, Kind)| {
            rule.misfit(*kind).is_none() && outcome_of(rule, *kind, denies, &self.effects(*act, example)).matches
        };
        Outcome { matches: ways.iter().any(fits), unclear: None }
    }

    /// What an example does, of the one sort that a rule is about.
    fn effects(&self, act: Act, example: &str) -> Effects {
        let place = || {
            let is_pattern = example.contains(['*', '?', '[', '{']);
            if is_pattern { Place::Glob(example.to_owned()) } else { Place::Path(example.to_owned()) }
        };
        let one = |effect| Effects { list: vec![effect], ..Effects::default() };
        match act {
            Act::Reads => one(Effect::Reads(place())),
            Act::Writes => one(Effect::Writes(place())),
            Act::Fetches => one(Effect::Fetches(Some(example.to_owned()))),
            Act::Runs | Act::Sends => {
                let mut effects = (self.read)(example);
                effects.list.retain(|effect| Act::of(effect) == act);
                effects
            }
        }
    }
}

fn outcome_of(rule: &Rule, kind: Kind, denies: bool, effects: &Effects) -> Outcome {
    let nowhere = Folders::default();
    let mut list = effects.list.iter();
    let matches = if denies {
        list.any(|effect| rule.reaches(effect, kind, &nowhere))
    } else {
        !effects.list.is_empty() && list.all(|effect| rule.covers(effect, kind, &nowhere))
    };
    Outcome { matches, unclear: effects.unclear.clone() }
}
