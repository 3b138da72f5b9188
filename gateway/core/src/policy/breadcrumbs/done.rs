//! What completes a step. Given `all: [{ call: "writes(**/.events-plan.json)" }, complete_step]`, a
//! call that wrote that file, and then a call of `complete_step`: the step is done.

use std::collections::BTreeSet;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::COMPLETE_STEP;
use crate::effects::table::Table;
use crate::policy::context::airplanes::SHOW_AIRPLANE;
use crate::policy::context::on_demand::SEARCH_DOCS;
use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::rule::{BadRule, Rule};
use crate::wire::results::Fresh;

/// Whether a tool is one of ours, which no agent ever runs.
#[must_use]
pub fn is_ours(tool: &str) -> bool {
    [COMPLETE_STEP, SEARCH_DOCS, SHOW_AIRPLANE].contains(&tool)
}

/// As written, and as meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// The model says so, by the tool of this name.
    #[default]
    CompleteStep,
    /// A call was made and did not fail: a rule as in `lockdown`, such as `Write(**/plan.json)`,
    /// `writes(src/**)` or `Bash(npm test *)`.
    Call(CallRule),
    /// A result says this: a regular expression, such as `\d+ passed`.
    Result(Pattern),
    /// All of these.
    All(Vec<Self>),
    /// Any of these.
    Any(Vec<Self>),
}

/// A rule about a call.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CallRule(Box<Rule>);

impl TryFrom<String> for CallRule {
    type Error = BadRule;

    fn try_from(text: String) -> Result<Self, BadRule> {
        Rule::parse(&text).map(Box::new).map(Self)
    }
}

impl From<CallRule> for String {
    fn from(rule: CallRule) -> Self {
        rule.0.as_str().to_owned()
    }
}

/// A regular expression.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: String| format!("`result` takes a regular expression, and {text:?} is none: {why}");
        match Regex::new(&text) {
            // It would be there in every result.
            Ok(regex) if regex.is_match("") => Err(wrong(String::from("it matches where nothing is said"))),
            Ok(regex) => Ok(Self(regex)),
            Err(error) => Err(wrong(error.to_string().lines().last().unwrap_or_default().trim().to_owned())),
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

/// What was seen of a call.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub result: &'a Fresh,
    /// The tool that the model called, where the agent got the call in other words.
    pub called: Option<&'a str>,
    pub folders: &'a Folders,
    /// What tools do.
    pub table: &'a Table,
}

impl Seen<'_> {
    fn is_told_by(&self, rule: &Rule) -> bool {
        let Fresh { name, namespace, input, failed, .. } = self.result;
        if *failed {
            return false;
        }
        let namespace = namespace.as_deref();
        let effects = self.table.effects(name, namespace, input);
        let tells = |name: &str, namespace, effects| {
            rule.tells((name, namespace), (self.table.kind(name), effects), self.folders)
        };
        let own = [Some(name.as_str()), self.called].into_iter().flatten();
        own.into_iter().any(|name| tells(name, namespace, &effects))
            // A program's calls count as if they came alone.
            || effects.program.iter().flat_map(|program| &program.calls).any(|called| tells(&called.name, None, &called.effects))
    }
}

impl Done {
    /// The conditions that are no groups, in the order in which they are written; by their place in
    /// it they are known.
    #[must_use]
    pub fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::leaves).collect(),
            leaf => vec![leaf],
        }
    }

    /// Whether the model has to say something for it.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        self.leaves().iter().any(|leaf| matches!(leaf, Self::CompleteStep))
    }

    /// Which conditions a result meets.
    #[must_use]
    pub fn met_by(&self, seen: Seen<'_>) -> BTreeSet<usize> {
        let meets = |leaf: &Self| match leaf {
            Self::Call(rule) => seen.is_told_by(&rule.0),
            Self::Result(pattern) => seen.result.texts.iter().any(|text| pattern.0.is_match(text)),
            _ => false,
        };
        self.leaves().into_iter().enumerate().filter(|(_, leaf)| meets(leaf)).map(|(at, _)| at).collect()
    }

    /// The conditions that the model meets by saying so.
    #[must_use]
    pub fn said(&self) -> BTreeSet<usize> {
        let leaves = self.leaves().into_iter().enumerate();
        leaves.filter(|(_, leaf)| matches!(leaf, Self::CompleteStep)).map(|(at, _)| at).collect()
    }

    /// Whether it is done when these conditions are met.
    #[must_use]
    pub fn holds(&self, met: &BTreeSet<usize>) -> bool {
        self.missing(met, &mut 0).is_none()
    }

    /// What is missing, in words for the model; none when nothing is.
    #[must_use]
    pub fn wants(&self, met: &BTreeSet<usize>) -> Option<String> {
        self.missing(met, &mut 0)
    }

    fn missing(&self, met: &BTreeSet<usize>, at: &mut usize) -> Option<String> {
        let leaf = |text: String, at: &mut usize| {
            *at += 1;
            (!met.contains(&(*at - 1))).then_some(text)
        };
        match self {
            Self::CompleteStep => leaf(String::from("that you call `complete_step`"), at),
            Self::Call(rule) => leaf(format!("a call that does `{}` and does not fail", rule.0.as_str()), at),
            Self::Result(pattern) => leaf(format!("a result that matches `{}`", pattern.0.as_str()), at),
            Self::All(parts) => {
                let missing: Vec<String> = parts.iter().filter_map(|part| part.missing(met, at)).collect();
                (!missing.is_empty()).then(|| missing.join("; and "))
            }
            Self::Any(parts) => {
                let missing: Vec<Option<String>> = parts.iter().map(|part| part.missing(met, at)).collect();
                let all: Option<Vec<String>> = missing.into_iter().collect();
                all.map(|all| all.join("; or "))
            }
        }
    }

    /// Why it can never be, if so.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        match self {
            Self::All(parts) | Self::Any(parts) if parts.is_empty() => {
                Some("a group of `done` has nothing in it, so nothing could complete the step")
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::flaw),
            Self::Call(rule) if is_ours(rule.0.as_str()) => Some(
                "`call` is about tools of the agent's, and this one is Jetway's own; for the model's word write `complete_step` alone",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(yaml: &str) -> Done {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn result(name: &str, input: &str, failed: bool, text: &str) -> Fresh {
        Fresh {
            call: "c".into(),
            name: name.into(),
            namespace: None,
            input: input.into(),
            failed,
            texts: vec![text.into()],
        }
    }

    #[track_caller]
    fn meets(yaml: &str, result: &Fresh, expect: &[usize]) {
        let seen =
            Seen { result, called: Some("set_env_values"), folders: &Folders::default(), table: Table::shipped() };
        let met: Vec<usize> = done(yaml).met_by(seen).into_iter().collect();
        assert_eq!(met, expect, "{yaml}");
    }

    #[test]
    fn a_result_meets_what_its_call_did_and_what_it_says() {
        let write = |failed| result("Write", r#"{"file_path":"a/.events-plan.json","content":"{}"}"#, failed, "ok");
        let plan = "{ call: 'writes(**/.events-plan.json)' }";
        meets(plan, &write(false), &[0]);
        meets(plan, &write(true), &[]);
        meets("{ call: 'Write(**/*.json)' }", &write(false), &[0]);
        meets("{ call: 'Write(**/*.md)' }", &write(false), &[]);
        meets("{ call: Edit }", &write(false), &[]);
        meets("{ call: set_env_values }", &write(false), &[0]);
        meets(&format!("{{ any: [complete_step, {plan}, {{ result: '^ok$' }}] }}"), &write(false), &[1, 2]);
        // By any agent's tools.
        let shell = result("exec_command", r#"{"cmd":"echo {} > .events-plan.json"}"#, false, "");
        meets(plan, &shell, &[0]);
        let source = r#"const r = await tools.exec_command({cmd: "echo {} > .events-plan.json"}); text(r.output);"#;
        meets(plan, &result("exec", source, false, ""), &[0]);
        meets("{ result: '\\d+ passed' }", &result("Bash", "{}", false, "all 12 passed"), &[0]);
        meets("{ result: '\\d+ passed' }", &result("Bash", "{}", false, "none passed"), &[]);
    }

    #[test]
    fn groups_hold_when_enough_of_them_is_met() {
        let check = |yaml: &str, met: &[usize], expect: Option<&str>| {
            let met: BTreeSet<usize> = met.iter().copied().collect();
            let wants = done(yaml).wants(&met);
            assert_eq!(wants.as_deref(), expect, "{yaml}");
            assert_eq!(done(yaml).holds(&met), expect.is_none());
        };
        let tool = "that you call `complete_step`";
        let call = "a call that does `Edit` and does not fail";
        check("complete_step", &[], Some(tool));
        check("complete_step", &[0], None);
        check("{ all: [complete_step, { call: Edit }] }", &[0], Some(call));
        check("{ all: [complete_step, { call: Edit }] }", &[], Some(&format!("{tool}; and {call}")));
        check("{ any: [complete_step, { call: Edit }] }", &[], Some(&format!("{tool}; or {call}")));
        check("{ any: [complete_step, { call: Edit }] }", &[1], None);
        let nested = "{ all: [{ any: [{ call: Edit }, { result: x }] }, complete_step] }";
        check(nested, &[1, 2], None);
        check(nested, &[1], Some(tool));
    }

    #[test]
    fn what_could_never_be_told_apart_is_refused() {
        let wrong = |yaml: &str| serde_saphyr::from_str::<Done>(yaml).unwrap_err().to_string();
        assert!(wrong("{ result: '(' }").contains("regular expression"));
        assert!(wrong("{ result: '.*' }").contains("where nothing is said"));
        assert!(wrong("{ call: 'Write(' }").contains("cannot be used"));
        assert!(wrong("{ calls: Write }").contains("calls"));
        assert!(done("{ all: [{ any: [] }] }").flaw().is_some());
    }
}
