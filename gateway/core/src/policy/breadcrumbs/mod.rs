//! Steps that an agent is led through. Given two of them: with its task it is told the first; when
//! that is done it is told the second, behind the result that completed the first or in the answer
//! to `complete_step`. What comes later is in no request before.

mod done;
mod evidence;
mod guard;
mod path;
mod step;
mod tool;

pub use done::{Done, Seen, is_ours};
pub use evidence::BadSchema;
pub use guard::{Allowed, StepGuard};
pub use path::{Change, How, Laid, Left, Opened, Progress};
pub use step::{Allowance, MaxTurns, Spent, Step, Stuck};
pub use tool::{COMPLETE_STEP, complete_tool, said};

use minijinja::{Environment, UndefinedBehavior, context};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::retrieval::profile::Profile;
use crate::wire::effort::Effort;

/// The most steps of a path.
const MOST_STEPS: usize = 50;
/// Steps of work that filling in a template may take.
const MOST_WORK: u64 = 20_000;
/// A step's prose is read anew on every turn.
const MOST_BYTES: usize = 16_000;

/// As meant: steps with ids of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>")]
pub struct Rules(Vec<Step>);

impl JsonSchema for Rules {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Breadcrumbs".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<Step>::json_schema(generator)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("`breadcrumbs` lists no step; leave it out to lead nobody")]
    Empty,
    #[error("there are {0} steps; at most {MOST_STEPS} are taken")]
    TooMany(usize),
    #[error("`id` takes 1 to 40 lower-case letters, digits and `-`; {0:?} is none")]
    Id(String),
    #[error("two steps are called {0:?}")]
    Twice(String),
    #[error("the step {0:?} wants `evidence`, which comes with `complete_step`; its `done` never asks for that")]
    Unasked(String),
    #[error("the step {id:?}: {why}")]
    Done { id: String, why: &'static str },
    #[error("the step {0:?} has the effort `default`, which is none; leave `effort` out to keep to the agent's own")]
    NoEffort(String),
    #[error("the step {0:?} has an empty `model`; name one, or leave it out to keep to the agent's own")]
    NoModel(String),
}

impl TryFrom<Vec<Step>> for Rules {
    type Error = Problem;

    fn try_from(steps: Vec<Step>) -> Result<Self, Problem> {
        if steps.is_empty() {
            return Err(Problem::Empty);
        }
        if steps.len() > MOST_STEPS {
            return Err(Problem::TooMany(steps.len()));
        }
        for (at, step) in steps.iter().enumerate() {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if !(1..=40).contains(&step.id.len()) || !step.id.chars().all(is_plain) {
                return Err(Problem::Id(step.id.clone()));
            }
            if steps[..at].iter().any(|other| other.id == step.id) {
                return Err(Problem::Twice(step.id.clone()));
            }
            if step.evidence.is_some() && !step.done.is_asked_for() {
                return Err(Problem::Unasked(step.id.clone()));
            }
            if let Some(why) = step.done.flaw() {
                return Err(Problem::Done { id: step.id.clone(), why });
            }
            if step.effort == Some(Effort::Default) {
                return Err(Problem::NoEffort(step.id.clone()));
            }
            if step.model.as_deref() == Some("") {
                return Err(Problem::NoModel(step.id.clone()));
            }
        }
        Ok(Self(steps))
    }
}

impl Rules {
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// Why a step's prose cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProse {
    #[error("it says nothing; write what the agent is to do in this step")]
    Empty,
    #[error("it has {0} bytes; a step has at most {MOST_BYTES}. Move what has to be looked up into `context.docs`")]
    Large(usize),
    #[error("line {line}: {why}; it may use {{{{ frameworks }}}}, {{{{ languages }}}} and {{{{ managers }}}}")]
    Template { line: usize, why: String },
}

/// The files of a step, read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Texts {
    pub prose: String,
    /// The shape of its evidence.
    #[serde(default)]
    pub schema: Option<String>,
}

/// Why a file of a step cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    #[error(transparent)]
    Prose(#[from] BadProse),
    #[error(transparent)]
    Schema(#[from] BadSchema),
}

/// A path as a run keeps it: the steps with their files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Path {
    rules: Rules,
    texts: Vec<Texts>,
}

impl Path {
    /// `texts`: the files of each step.
    ///
    /// # Errors
    /// Which step's file is wrong, and how.
    pub fn new(rules: Rules, texts: Vec<Texts>) -> Result<Self, (usize, BadText)> {
        for (at, text) in texts.iter().enumerate() {
            check_prose(&text.prose).map_err(|why| (at, why.into()))?;
            if let Some(schema) = &text.schema {
                evidence::check_schema(schema).map_err(|why| (at, why.into()))?;
            }
        }
        Ok(Self { rules, texts })
    }

    /// Holds what the model shows for a step against the shape that is asked for.
    ///
    /// # Errors
    /// What is wrong and where, in words for the model.
    pub fn check_evidence(&self, at: usize, evidence: Option<&str>) -> Result<(), String> {
        self.schema(at).map_or(Ok(()), |schema| evidence::check(schema, evidence))
    }

    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.rules.steps()
    }

    /// The schema of a step's evidence.
    #[must_use]
    pub fn schema(&self, at: usize) -> Option<&str> {
        self.texts.get(at)?.schema.as_deref()
    }

    /// The text by which a step is told, or that there is none left. `more` goes behind its prose.
    #[must_use]
    pub fn tell(&self, at: usize, profile: &Profile, more: &str) -> String {
        let count = self.steps().len();
        let (Some(step), Some(texts)) = (self.steps().get(at), self.texts.get(at)) else {
            return String::from(
                "<jetway_step>\nAll steps are done. Tell the person in a few sentences what you did, and stop.\n</jetway_step>\n",
            );
        };
        // A template that was read once is filled, whatever the project is.
        let prose = fill(&texts.prose, profile).unwrap_or_else(|_| texts.prose.clone());
        let next = if at + 1 == count { "It is the last one" } else { "The next one comes when it is done" };
        let shape = texts
            .schema
            .as_ref()
            .map(|schema| format!(" Its `evidence` is JSON that this schema describes:\n{}", schema.trim()));
        let how = if step.done.is_asked_for() {
            format!("{next}. When it is done, call `{COMPLETE_STEP}`.{}", shape.unwrap_or_default())
        } else {
            format!("{next}.")
        };
        let (id, number) = (&step.id, at + 1);
        format!(
            "<jetway_step id=\"{id}\" number=\"{number}\" of=\"{count}\">\n{}\n\nThis is step {number} of {count}. {how}\n</jetway_step>\n{more}",
            prose.trim()
        )
    }

    /// The text by which the model is told that a path ends early.
    #[must_use]
    pub fn tell_end(&self, progress: &Progress) -> String {
        let id = progress.ended.and_then(|at| self.steps().get(at)).map(|step| step.id.as_str()).unwrap_or_default();
        let why = if progress.is_used_up { "has used up what it may use" } else { "has taken too long" };
        format!(
            "<jetway_step>\nThe step `{id}` {why}. Stop here: change nothing more, and tell the person how far you came and what is left.\n</jetway_step>\n"
        )
    }

    /// The text by which the model is reminded of a step.
    #[must_use]
    pub fn remind(&self, progress: &Progress) -> String {
        let Some(step) = self.steps().get(progress.at) else { return String::new() };
        let wants = step.done.wants(&progress.met).unwrap_or_default();
        let much = if progress.is_used_up { " and used up what it may use" } else { "" };
        format!(
            "<jetway_step id=\"{}\">\nThis step has taken {} turns by now{much}. It is done by {wants}. If something stands in your way, say so in a sentence and do the rest.\n</jetway_step>\n",
            step.id, progress.turns
        )
    }
}

fn check_prose(text: &str) -> Result<(), BadProse> {
    match text.trim().len() {
        0 => Err(BadProse::Empty),
        large if large > MOST_BYTES => Err(BadProse::Large(large)),
        _ => samples().iter().try_for_each(|profile| fill(text, profile).map(|_| ())),
    }
}

/// Projects of which all, nothing and one thing each is known, so that every branch is tried.
fn samples() -> Vec<Profile> {
    let some = || vec![String::from("some")];
    let known = |languages: bool, frameworks: bool, managers: bool| {
        let of = |is_known: bool| if is_known { some() } else { Vec::new() };
        let mut profile = Profile::of_languages(&of(languages));
        profile.frameworks = of(frameworks);
        profile.managers = of(managers);
        profile
    };
    let kinds =
        [(false, false, false), (true, false, false), (false, true, false), (false, false, true), (true, true, true)];
    kinds.into_iter().map(|(languages, frameworks, managers)| known(languages, frameworks, managers)).collect()
}

/// Fills in what is known of the project.
fn fill(prose: &str, profile: &Profile) -> Result<String, BadProse> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(MOST_WORK));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let bad = |error: &minijinja::Error| BadProse::Template {
        line: error.line().unwrap_or(1),
        why: error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
    };
    let context = context! {
        languages => &profile.languages, frameworks => &profile.frameworks, managers => &profile.managers,
    };
    environment.render_str(prose, context).map_err(|error| bad(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(yaml: &str) -> Result<Rules, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    fn texts(prose: &str) -> Texts {
        Texts { prose: prose.to_owned(), schema: None }
    }

    fn path(prose: &[&str]) -> Path {
        let rules = rules("[{ id: look, prompt: a.md }, { id: write, prompt: b.md, done: { call: Edit } }]").unwrap();
        Path::new(rules, prose.iter().map(|prose| texts(prose)).collect()).unwrap()
    }

    #[test]
    fn a_path_that_could_not_be_walked_is_refused() {
        let check = |yaml: &str, why: &str| {
            let error = rules(yaml).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        check("[]", "lists no step");
        check("[{ id: Look, prompt: a.md }]", "lower-case letters");
        check("[{ id: a, prompt: a.md }, { id: a, prompt: b.md }]", "two steps are called \"a\"");
        check("[{ id: a, prompt: ../a.md }]", "inside the policy's folder");
        check("[{ id: a, prompt: a.md, done: { any: [] } }]", "nothing could complete");
        check("[{ id: a, prompt: a.md, max_turns: 0 }]", "between 1 and 1000");
        check("[{ id: a, promt: a.md }]", "promt");
        check("[{ id: a, prompt: a.md, evidence: a.json, done: { call: Edit } }]", "never asks for that");
        check("[{ id: a, prompt: a.md, effort: default }]", "the effort `default`, which is none");
        check("[{ id: a, prompt: a.md, effort: lots }]", "unknown variant `lots`");
        check("[{ id: a, prompt: a.md, model: '' }]", "an empty `model`");
    }

    #[test]
    fn a_step_is_told_with_its_place_and_what_is_known_of_the_project() {
        let path = path(&[
            "Look around{% if frameworks %} in this {{ frameworks|join(\" and \") }} app{% endif %}.",
            "Write.",
        ]);
        let profile = Profile::of_words("Add it to my Django app.");
        let told = path.tell(0, &profile, "<page>\n");
        assert!(
            told.starts_with("<jetway_step id=\"look\" number=\"1\" of=\"2\">\nLook around in this django app.\n"),
            "{told}"
        );
        assert!(told.contains("call `complete_step`") && told.ends_with("</jetway_step>\n<page>\n"), "{told}");
        assert!(path.tell(0, &Profile::default(), "").contains("Look around.\n"));
        let last = path.tell(1, &profile, "");
        assert!(last.contains("It is the last one.") && !last.contains("complete_step"), "{last}");
        assert!(path.tell(2, &profile, "").contains("All steps are done"));
        assert!(path.remind(&Progress { at: 1, turns: 9, ..Progress::default() }).contains("9 turns"));
        let ended = Progress { at: 2, ended: Some(1), ..Progress::default() };
        assert!(path.tell_end(&ended).contains("`write` has taken too long"));
        let used_up = Progress { is_used_up: true, ..ended };
        assert!(path.tell_end(&used_up).contains("`write` has used up what it may use"));
        let reminder = path.remind(&Progress { at: 1, ended: None, ..used_up });
        assert!(reminder.contains("0 turns by now and used up what it may use"), "{reminder}");
    }

    #[test]
    fn prose_that_cannot_be_filled_in_is_refused_with_its_line() {
        let wrong = |prose: &str| {
            let rules = rules("[{ id: a, prompt: a.md }]").unwrap();
            Path::new(rules, vec![texts(prose)]).unwrap_err().1.to_string()
        };
        assert!(wrong(" \n").contains("says nothing"));
        assert!(wrong(&"x".repeat(16_001)).contains("16001 bytes"));
        let unknown = wrong("Fine.\nUse {{ framework }}.");
        assert!(unknown.starts_with("line 2: ") && unknown.contains("{{ frameworks }}"), "{unknown}");
        assert!(wrong("{% if %}").starts_with("line 1: "));
        assert!(wrong("{% if frameworks %}{{ framework }}{% endif %}").starts_with("line 1: "));
        assert!(wrong("{% if languages %}{{ frameworks[0] }}{% endif %}").starts_with("line 1: "));
        assert!(wrong("{% for a in range(100000) %}{% endfor %}").starts_with("line 1: "));
    }

    #[test]
    fn a_shape_of_evidence_is_told_with_the_step_and_held_against_it() {
        let rules = rules("[{ id: a, prompt: a.md, evidence: a.json }]").unwrap();
        let schema = String::from(r#"{"type":"array"}"#);
        let path = Path::new(rules, vec![Texts { prose: "Plan.".into(), schema: Some(schema.clone()) }]).unwrap();
        assert!(path.tell(0, &Profile::default(), "").contains(&schema));
        assert!(path.check_evidence(0, Some("{}")).unwrap_err().contains("all of it"));
        assert_eq!(path.check_evidence(0, Some("[]")), Ok(()));
        assert_eq!(path.check_evidence(1, None), Ok(()));
    }

    #[test]
    fn a_run_keeps_its_path_as_it_was() {
        let path = path(&["Look.", "Write."]);
        let kept = serde_json::to_string(&path).unwrap();
        let again: Path = serde_json::from_str(&kept).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), kept);
        assert_eq!(again.tell(0, &Profile::default(), ""), path.tell(0, &Profile::default(), ""));
    }
}
