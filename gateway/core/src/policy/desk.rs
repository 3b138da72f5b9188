//! Tools that Jetway itself answers, beside those that the agent has. Given `search_docs` and the
//! call `{"query": "capture an error"}`: the model reads the passages that fit, and goes on within
//! the same reply.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::breadcrumbs::StepGuard;
use crate::policy::lockdown::{Refused, Warden};
use crate::stream::guard::{Judge, Ruling};
use crate::wire::event::Call;
use crate::wire::json::{Json, Kind};
use crate::wire::tools::offer::NewTool;
use crate::wire::turn::Called;

/// What a model was shown: where it is from, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub source: String,
    pub text: String,
    /// The version of the page that it is of, where that has one.
    pub page: Option<String>,
    pub by: By,
}

/// What brought it before the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The task of its conversation.
    Task,
    /// A step of its run's path.
    Step,
    /// The model itself, which asked for it.
    Search,
    /// It stands in every conversation.
    Standing,
    /// Records of older versions of Jetway do not say.
    #[default]
    Unknown,
}

impl By {
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// What a call is answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// What of it is shown from documents, for the log.
    pub shown: Vec<Shown>,
}

impl Answer {
    /// The same, brought by this.
    #[must_use]
    pub fn by(mut self, by: By) -> Self {
        self.shown.iter_mut().for_each(|shown| shown.by = by);
        self
    }
}

/// Answers a call by its arguments, which are a JSON object; or says why not, in a sentence for
/// the model.
pub type Clerk = Box<dyn Fn(&Json) -> Result<Answer, String> + Send + Sync>;

/// A tool of ours, and who answers it.
pub struct DeskTool {
    pub tool: NewTool,
    pub clerk: Clerk,
}

/// The tools of ours that a request offers.
#[derive(Default)]
pub struct Desk {
    tools: Vec<DeskTool>,
    served: Vec<String>,
    shown: Vec<Shown>,
}

/// No more of a reply's calls are kept for the log.
const MOST_KEPT: usize = 200;

impl Desk {
    #[must_use]
    pub fn new(tools: Vec<DeskTool>) -> Self {
        Self { tools, ..Self::default() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The names of the tools that were called, in the order of the calls.
    #[must_use]
    pub fn served(&self) -> &[String] {
        &self.served
    }

    /// What the model was shown in answers.
    #[must_use]
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// What is offered.
    pub fn offered(&self) -> impl Iterator<Item = &NewTool> {
        self.tools.iter().map(|own| &own.tool)
    }

    fn has(&self, call: &Call) -> bool {
        call.namespace.is_none() && self.tools.iter().any(|own| own.tool.name() == call.name)
    }

    fn answer(&mut self, call: &Call, input: Option<&str>) -> Option<Ruling> {
        let own = self.tools.iter_mut().find(|own| own.tool.name() == call.name)?;
        if self.served.len() < MOST_KEPT {
            self.served.push(call.name.clone());
        }
        let unread =
            |why: &str| Err(format!("The arguments of `{}` cannot be read: {why}. Send one JSON object.", call.name));
        let answer = match input.map(|input| Json::read(input.to_owned().into())) {
            Some(Ok(json)) if json.root().kind() == Kind::Object => (own.clerk)(&json),
            Some(Ok(_)) => unread("they are no object"),
            Some(Err(why)) => unread(&why.to_string()),
            None => unread("they came in pieces that do not fit together"),
        };
        Some(match answer {
            Ok(answer) => {
                let room = MOST_KEPT.saturating_sub(self.shown.len());
                self.shown.extend(answer.shown.into_iter().take(room));
                Ruling::Answer(answer.text)
            }
            Err(why) => Ruling::Correct(format!("[Jetway] {why}")),
        })
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.tools.iter().map(|own| own.tool.name());
        f.debug_struct("Desk").field("tools", &names.collect::<Vec<_>>()).field("served", &self.served).finish()
    }
}

/// All that calls of a reply are judged by: ours are answered, the agent's are watched.
#[derive(Debug, Default)]
pub struct Judges {
    pub desk: Desk,
    /// None where no lockdown is.
    pub warden: Option<Warden>,
    /// None where nobody is led.
    pub step: Option<StepGuard>,
    kept_back: Vec<Called>,
}

impl Judges {
    #[must_use]
    pub fn new(desk: Desk, warden: Option<Warden>, step: Option<StepGuard>) -> Self {
        Self { desk, warden, step, kept_back: Vec::new() }
    }

    /// Calls that were refused, by a rule or by a step.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        let by_step = self.step.iter().flat_map(StepGuard::refused);
        self.warden.iter().flat_map(Warden::refused).chain(by_step)
    }

    /// The calls that the agent did not get: refused where rules are in force, or answered by us.
    #[must_use]
    pub fn kept_back(&self) -> &[Called] {
        &self.kept_back
    }

    fn ruling(&mut self, call: &Call, input: Option<&str>) -> Ruling {
        if self.desk.has(call)
            && let Some(ruling) = self.desk.answer(call, input)
        {
            return ruling;
        }
        if let Some(ruling) = self.step.as_mut().and_then(|step| step.judge(call, input)) {
            return ruling;
        }
        self.warden.as_mut().map_or(Ruling::Pass, |warden| warden.judge(call, input))
    }
}

impl Judge for Judges {
    fn needs_input(&self, call: &Call) -> bool {
        self.desk.has(call)
            || self.step.as_ref().is_some_and(|step| step.needs_input(call))
            || self.warden.as_ref().is_some_and(|warden| warden.needs_input(call))
    }

    fn judge(&mut self, call: &Call, input: Option<&str>) -> Ruling {
        let ruling = self.ruling(call, input);
        if !matches!(ruling, Ruling::Pass | Ruling::Become(_)) && self.kept_back.len() < MOST_KEPT {
            self.kept_back.push(Called { name: call.name.clone(), id: call.id.clone() });
        }
        ruling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> Desk {
        let tool = NewTool::new("search_docs", "Searches.", r#"{"type":"object"}"#).unwrap();
        let clerk = |json: &Json| {
            let query = json.root().get("query").and_then(|query| query.text().map(|query| query.into_owned()));
            let query = query.ok_or_else(|| String::from("`query` is missing."))?;
            Ok(Answer { text: format!("found {query}"), shown: Vec::new() })
        };
        Desk::new(vec![DeskTool { tool, clerk: Box::new(clerk) }])
    }

    #[track_caller]
    fn check(name: &str, input: &str, expect: Ruling) {
        let mut judges = Judges::new(desk(), None, None);
        let call = Call { name: name.to_owned(), ..Call::default() };
        let input = judges.needs_input(&call).then_some(input);
        assert_eq!(judges.judge(&call, input), expect);
    }

    #[test]
    fn calls_of_ours_are_answered_and_others_pass() {
        check("search_docs", r#"{"query":"errors"}"#, Ruling::Answer(String::from("found errors")));
        check("search_docs", "{}", Ruling::Correct(String::from("[Jetway] `query` is missing.")));
        check("Read", "{}", Ruling::Pass);
        let mut judges = Judges::new(desk(), None, None);
        let call = Call { name: String::from("search_docs"), ..Call::default() };
        for input in [Some("{\"query\":1,\"query\":2}"), Some("[]"), Some("{\"que"), None] {
            let Ruling::Correct(why) = judges.judge(&call, input) else { panic!("{input:?} was answered") };
            assert!(why.contains("cannot be read"), "{why}");
        }
        assert_eq!(judges.desk.served().len(), 4);
    }
}
