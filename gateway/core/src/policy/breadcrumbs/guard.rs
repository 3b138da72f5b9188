//! What a step's `tools` let through. Given a step that looks around, with `tools: ["{Read,Grep}"]`,
//! and a call of `Write`: the model is told that this step has no use for it.
//!
//! Which tools are offered does not change from step to step, for their list is where a prompt
//! begins; calls are judged instead.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Path;
use crate::effects::Effects;
use crate::effects::table::Table;
use crate::policy::lockdown::examples::BadRules;
use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::rule::Rule;
use crate::policy::lockdown::rules::{Facts, RuleSet, Unknown, Verdict};
use crate::policy::lockdown::{self, Refused, effects_of};
use crate::stream::guard::Ruling;
use crate::wire::event::Call;

/// No more of a reply's calls are kept for the log.
const MOST_KEPT: usize = 200;

/// Rules as in `lockdown.allow`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[schemars(with = "Vec<String>")]
pub struct Allowed(RuleSet);

impl TryFrom<Vec<String>> for Allowed {
    type Error = BadRules;

    fn try_from(rules: Vec<String>) -> Result<Self, BadRules> {
        let rules = rules.iter().map(|rule| Rule::parse(rule)).collect::<Result<Vec<_>, _>>()?;
        RuleSet::new(rules, Vec::new(), Unknown::Refuse, |name| Table::shipped().kind(name)).map(Self)
    }
}

impl From<Allowed> for Vec<String> {
    fn from(allowed: Allowed) -> Self {
        allowed.0.allowed().map(ToOwned::to_owned).collect()
    }
}

impl Allowed {
    fn needs_input(&self, call: &Call, table: &Table) -> bool {
        let takes_programs = table.takes_programs(&call.name);
        self.0.needs_arguments(&call.name, call.namespace.as_deref()) || takes_programs && !self.0.is_open()
    }

    fn judge(&self, call: &Call, input: Option<&str>, (folders, table): (&Folders, &Table)) -> Verdict {
        let namespace = call.namespace.as_deref();
        let effects = match input {
            Some(input) => effects_of(table, (&call.name, namespace), input),
            None if self.needs_input(call, table) => Effects::unclear("what it is called with cannot be told"),
            None => Effects::default(),
        };
        let facts = |name, namespace, effects| Facts { name, namespace, kind: table.kind(name), effects, folders };
        let verdict = self.0.judge(facts(&call.name, namespace, &effects));
        let (Verdict::Allow, Some(program)) = (&verdict, &effects.program) else { return verdict };
        if let Some(why) = &program.unclear {
            return self.0.judge_unseen(why);
        }
        let own = (call.name.as_str(), namespace);
        let called =
            program.calls.iter().map(|inner| self.0.judge_called(own, facts(&inner.name, None, &inner.effects)));
        called.into_iter().find(|verdict| *verdict != Verdict::Allow).unwrap_or(verdict)
    }
}

/// Where the run is now: it may go on while a reply is under way.
type At = Box<dyn Fn() -> usize + Send + Sync>;

/// Watches the calls of a run that is led.
pub struct StepGuard {
    path: Arc<Path>,
    at: At,
    folders: Folders,
    /// Whose table says what tools do.
    lockdown: Option<Arc<lockdown::Rules>>,
    refused: Vec<Refused>,
}

impl StepGuard {
    #[must_use]
    pub fn new(path: Arc<Path>, at: At, folders: Folders, lockdown: Option<Arc<lockdown::Rules>>) -> Self {
        Self { path, at, folders, lockdown, refused: Vec::new() }
    }

    fn table(&self) -> &Table {
        self.lockdown.as_ref().map_or(Table::shipped(), |rules| rules.table())
    }

    /// Calls that were refused.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Whether a call's arguments matter, in this step or in one that may come within the reply.
    #[must_use]
    pub fn needs_input(&self, call: &Call) -> bool {
        let steps = self.path.steps().iter().skip((self.at)());
        steps.filter_map(|step| step.tools.as_ref()).any(|allowed| allowed.needs_input(call, self.table()))
    }

    /// What is to be done with a call that this step has no use for.
    pub fn judge(&mut self, call: &Call, input: Option<&str>) -> Option<Ruling> {
        let step = self.path.steps().get((self.at)())?;
        let Verdict::Refuse { why, .. } = step.tools.as_ref()?.judge(call, input, (&self.folders, self.table())) else {
            return None;
        };
        let (tool, id) = (&call.name, &step.id);
        let sentence = format!("[Jetway] The step `{id}` has no use for this call of `{tool}`. {why}");
        if self.refused.len() < MOST_KEPT {
            // A step is in force whatever the mode of the policy's lockdown is.
            let (tool, rule, sentence) = (tool.clone(), format!("step {id}"), sentence.clone());
            self.refused.push(Refused { tool, rule, sentence, noted: false });
        }
        Some(Ruling::Correct(sentence))
    }
}

impl fmt::Debug for StepGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepGuard").field("refused", &self.refused).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rules, Texts};
    use super::*;

    fn guard(tools: &str, at: usize) -> StepGuard {
        let yaml = format!("[{{ id: look, prompt: a.md, tools: {tools} }}, {{ id: write, prompt: b.md }}]");
        let rules: Rules = serde_saphyr::from_str(&yaml).unwrap();
        let texts = ["a", "b"].map(|prose| Texts { prose: prose.into(), schema: None });
        let path = Path::new(rules, texts.to_vec()).unwrap();
        StepGuard::new(Arc::new(path), Box::new(move || at), Folders::default(), None)
    }

    #[track_caller]
    fn check(tools: &str, at: usize, (name, input): (&str, &str), expect: Option<&str>) {
        let mut guard = guard(tools, at);
        let call = Call { name: name.into(), ..Call::default() };
        let needed = guard.needs_input(&call).then_some(input);
        match (guard.judge(&call, needed), expect) {
            (None, None) => {}
            (Some(Ruling::Correct(why)), Some(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_step_lets_through_what_it_has_use_for() {
        let look = "['{Read,Grep}', 'Bash(ls *)']";
        let bash = |line: &str| ("Bash", format!(r#"{{"command":"{line}"}}"#));
        check(look, 0, ("Read", r#"{"file_path":"a"}"#), None);
        check(look, 0, ("Write", "{}"), Some("The step `look` has no use for this call of `Write`."));
        check(look, 0, ("Bash", &bash("ls src").1), None);
        check(look, 0, ("Bash", &bash("rm -r src").1), Some("`look` has no use"));
        check(look, 0, ("Bash", &bash("ls; rm -r src").1), Some("`look` has no use"));
        // The next step does not say.
        check(look, 1, ("Write", "{}"), None);
        check("[]", 0, ("Read", "{}"), Some("`look` has no use"));
    }

    #[test]
    fn a_program_s_calls_are_judged_as_if_they_came_alone() {
        let source = |call: &str| format!("const r = await tools.{call}; text(r.output);");
        let look = "[exec, exec_command]";
        check(look, 0, ("exec", &source("exec_command({cmd: 'ls'})")), None);
        check("[exec]", 0, ("exec", &source("apply_patch('x')")), Some("has no use"));
    }

    #[test]
    fn rules_that_cannot_be_used_are_refused() {
        let wrong = serde_saphyr::from_str::<Rules>("[{ id: a, prompt: a.md, tools: ['Bash('] }]").unwrap_err();
        assert!(wrong.to_string().contains("cannot be used"), "{wrong}");
    }
}
