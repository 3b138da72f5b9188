//! Which calls of a run a policy would refuse. A run's requests repeat what went before: of each only
//! what is new is judged, by what was known when the model made it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::breadcrumbs::{COMPLETE_STEP, Path, StepGuard, is_ours};
use crate::policy::lockdown::replace::AgentTools;
use crate::policy::lockdown::{Mode, Rules, Setting, Warden};
use crate::stream::guard::Judge;
use crate::wire::event::Call;
use crate::wire::history::{self, Told};
use crate::wire::json::Json;
use crate::wire::patch::Patch;
use crate::wire::request::{Request, Tool};
use crate::wire::tools::offer::{NewTool, Offer};

/// No more of what a call was made with is kept.
const LONGEST: usize = 300;

/// What would become of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Allowed,
    /// The agent would be given a call of this tool instead.
    Replaced(String),
    /// By this rule.
    Refused(String),
}

/// A call, and what would become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub tool: String,
    /// What it was made with, shortened.
    pub input: String,
    pub fate: Fate,
}

/// What would become of the tools of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// Those of the agent's that its model would not see.
    pub hidden: Vec<String>,
    /// By how many bytes the request would be longer.
    pub growth: i64,
}

/// What was read of a conversation by now.
#[derive(Debug, Default)]
struct Conversation {
    calls: usize,
    /// By what the calls of its next turn are judged.
    setting: Option<Setting>,
    /// The step that its run was at when its last exchange ended.
    step: Option<String>,
}

/// Where a run was when a request was made of it.
#[derive(Debug, Clone, Default)]
pub struct Led {
    /// The steps that it was at or came to in the exchange, in their order.
    pub steps: Vec<String>,
    /// How many of the model's turns at the end of the request as it was sent are of this exchange: those
    /// that the agent was not told.
    pub inner_turns: usize,
}

impl Led {
    /// Where those turns begin.
    fn begin(&self, request: &Request) -> Option<usize> {
        let turns = history::turns(request);
        let first = turns.len().checked_sub(self.inner_turns).filter(|_| self.inner_turns > 0)?;
        turns.get(first).map(|turn| turn.span.start)
    }
}

/// Reads the requests of one run in their order.
#[derive(Debug)]
pub struct Reader {
    rules: Option<Arc<Rules>>,
    path: Option<Arc<Path>>,
    policy: String,
    conversations: HashMap<Vec<String>, Conversation>,
}

impl Reader {
    /// A reader that judges by these rules; by none it allows all.
    #[must_use]
    pub fn new(rules: Option<Arc<Rules>>, policy: &str) -> Self {
        Self { rules, path: None, policy: policy.to_owned(), conversations: HashMap::new() }
    }

    /// Judges by the steps of this path too.
    #[must_use]
    pub fn led(self, path: Option<Arc<Path>>) -> Self {
        Self { path, ..self }
    }

    /// The calls that a request tells and none before it did. `has_secrets`: secrets were found in the
    /// results that it tells.
    pub fn read(&mut self, request: &Request, has_secrets: bool, led: Led) -> Vec<Judged> {
        let all = history::calls(request);
        let known = self.conversations.entry(request.opening.clone()).or_default();
        let rules = self.rules.as_ref();
        let own = || rules.map(|rules| Setting::of(rules, &self.policy, request, has_secrets)).unwrap_or_default();
        // Where the request that the calls answer was not read, this one stands for it.
        let setting = known.setting.take().unwrap_or_else(own);
        let inner = led.begin(request);
        let is_inner = |call: &Told| inner.is_some_and(|inner| call.place(&request.json) >= inner);
        let completes = |call: &&Told| call.name == COMPLETE_STEP && is_inner(call);
        // A step that no call completes was done before the model was asked.
        let mut place = led.steps.len().saturating_sub(1 + all.iter().filter(completes).count());
        let mut calls = 0;
        let mut judged = Vec::new();
        for call in &all {
            if completes(&call) {
                place = (place + 1).min(led.steps.len().saturating_sub(1));
            }
            if is_ours(&call.name) {
                continue;
            }
            calls += 1;
            if calls <= known.calls {
                continue;
            }
            // Those that the agent ran are of the exchange before, whose reply ended with them.
            let step = if is_inner(call) { led.steps.get(place) } else { known.step.as_ref() };
            let input = call.input(&request.json);
            let told = (call, &*input);
            let path = self.path.as_ref().zip(step.map(String::as_str));
            let by_step = path.and_then(|at| judge_step(at, rules, &setting, told));
            let fate = by_step.unwrap_or_else(|| judge(rules, &setting, told));
            judged.push(Judged { tool: call.name.clone(), input: input.chars().take(LONGEST).collect(), fate });
        }
        *known = Conversation { calls, setting: Some(own()), step: led.steps.last().cloned() };
        judged
    }

    /// The calls of the reply to the last request that was read of a conversation, which no request tells.
    /// `said` is the reply as [`crate::wire::turn::Turn::told`] gives it.
    pub fn read_reply(&mut self, request: &Request, said: &str) -> Vec<Judged> {
        let mut patch = Patch::default();
        history::append(request.dialect, &request.json, said, &mut patch);
        let told = patch.apply(&request.json).ok().and_then(|bytes| Json::read(bytes).ok());
        let told = told.and_then(|json| Request::read(request.dialect, json).ok());
        // It is of the same conversation, whatever stands in its opening.
        let told = told.map(|told| Request { opening: request.opening.clone(), ..told });
        told.map(|told| self.read(&told, false, Led::default())).unwrap_or_default()
    }

    /// What would become of the tools of a request as it was sent. `offered`: tools of Jetway's own that
    /// would be offered with it.
    #[must_use]
    pub fn tools(&self, request: &Request, offered: &[NewTool]) -> Tools {
        let tools = request.tools();
        let is_named = |name: &str| tools.iter().any(|tool| tool.name.as_deref() == Some(name));
        let added: Vec<NewTool> = offered.iter().filter(|own| !is_named(own.name())).cloned().collect();
        let is_replaced = |rules: &Rules, name: &str| {
            rules.replace.hides(name).is_some() && !rules.replace.offered(&AgentTools::of(request)).is_empty()
        };
        let keeps = |tool: &Tool| match (tool.name.as_deref(), &self.rules) {
            (Some(name), _) if is_ours(name) => offered.iter().any(|own| own.name() == name),
            (_, None) => true,
            (Some(name), Some(rules)) if rules.replace.find(name).is_some() => true,
            (Some(name), Some(rules)) => !is_replaced(rules, name) && rules.offers_sent(tool, &request.json),
            (None, Some(rules)) => rules.offers_sent(tool, &request.json),
        };
        // Looking on changes nothing of the agent's.
        let is_shadow = self.rules.as_ref().is_some_and(|rules| rules.mode == Mode::Shadow);
        let stays = |tool: &Tool| is_shadow && !tool.name.as_deref().is_some_and(is_ours) || keeps(tool);
        let mut patch = Patch::default();
        request.reshelve(&|tool| if stays(tool) { Offer::Keep } else { Offer::Drop }, &added, &mut patch);
        let hidden = tools.iter().filter(|tool| !keeps(tool)).filter_map(|tool| tool.name.clone());
        Tools { hidden: hidden.filter(|name| !is_ours(name)).collect(), growth: patch.growth() }
    }

    /// Whether a model would see a tool of this name, as far as its name says.
    #[must_use]
    pub fn would_offer(&self, tool: &str) -> bool {
        let offers = |rules: &Arc<Rules>| rules.offers_name(tool) && rules.replace.hides(tool).is_none();
        self.rules.as_ref().is_none_or(offers)
    }
}

fn judge(rules: Option<&Arc<Rules>>, setting: &Setting, (told, input): (&Told, &str)) -> Fate {
    let Some(rules) = rules else { return Fate::Allowed };
    let mut warden = Warden::new(Arc::clone(rules), setting.clone());
    // What it says is in what the warden keeps, in shadow mode too.
    drop(warden.judge(&call(told), Some(input)));
    match (warden.refused().first(), warden.replaced().first()) {
        (Some(refused), _) => Fate::Refused(refused.rule.clone()),
        (None, Some(replaced)) => Fate::Replaced(replaced.became.clone()),
        (None, None) => Fate::Allowed,
    }
}

/// What a step has no use for; none where the path has no step of this name.
fn judge_step(
    (path, step): (&Arc<Path>, &str),
    rules: Option<&Arc<Rules>>,
    setting: &Setting,
    (told, input): (&Told, &str),
) -> Option<Fate> {
    let at = path.steps().iter().position(|own| own.id == step)?;
    let mut guard = StepGuard::new(Arc::clone(path), Box::new(move || at), setting.folders.clone(), rules.cloned());
    guard.judge(&call(told), Some(input))?;
    guard.refused().first().map(|refused| Fate::Refused(refused.rule.clone()))
}

fn call(told: &Told) -> Call {
    Call { name: told.name.clone(), namespace: told.namespace.clone(), ..Call::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Dialect;
    use serde_json::{Value, json};

    fn request(calls: &[(&str, Value)]) -> Request {
        let mut messages = vec![json!({ "role": "user", "content": "Add it." })];
        for (number, (name, input)) in calls.iter().enumerate() {
            let id = format!("c{number}");
            messages.push(json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": id, "name": name, "input": input }] }));
            messages.push(
                json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": "ok" }] }),
            );
        }
        let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }, { "name": "WebFetch", "input_schema": { "type": "object" } }]);
        let body = json!({ "model": "m", "max_tokens": 9, "tools": tools, "messages": messages });
        Request::read(Dialect::Messages, Json::read(body.to_string().into()).unwrap()).unwrap()
    }

    fn rules(yaml: &str) -> Option<Arc<Rules>> {
        Some(Arc::new(serde_saphyr::from_str(yaml).unwrap()))
    }

    #[test]
    fn each_call_is_judged_once() {
        let mut reader = Reader::new(rules("{ allow: ['*'], deny: ['reads(**/.env*)', WebFetch] }"), "wizard");
        let env = ("Bash", json!({ "command": "cat .env" }));
        let one = [env.clone()];
        let ls = ("Bash", json!({ "command": "ls" }));
        let ours = ("complete_step", json!({ "summary": "s" }));
        let fates = |judged: Vec<Judged>| judged.into_iter().map(|judged| judged.fate).collect::<Vec<_>>();
        assert_eq!(reader.tools(&request(&[]), &[]).hidden, ["WebFetch"]);
        assert!(reader.would_offer("Bash") && !reader.would_offer("WebFetch"));
        assert_eq!(fates(reader.read(&request(&[]), false, Led::default())), []);
        let refused = Fate::Refused(String::from("deny reads(**/.env*)"));
        assert_eq!(fates(reader.read(&request(&one), false, Led::default())), [refused]);
        assert_eq!(fates(reader.read(&request(&one), false, Led::default())), []);
        assert_eq!(
            fates(reader.read(&request(&[env.clone(), ours.clone(), ls.clone()]), false, Led::default())),
            [Fate::Allowed]
        );
        // A conversation that was shortened has nothing new until it is longer again.
        assert_eq!(fates(reader.read(&request(&[env]), false, Led::default())), []);
    }

    #[test]
    fn without_rules_all_is_allowed() {
        let mut reader = Reader::new(None, "open");
        let judged = reader.read(&request(&[("Bash", json!({ "command": "cat .env" }))]), false, Led::default());
        let expect = Judged { tool: "Bash".into(), input: r#"{"command":"cat .env"}"#.into(), fate: Fate::Allowed };
        assert_eq!(judged, [expect]);
        assert_eq!(reader.tools(&request(&[]), &[]), Tools::default());
    }

    #[test]
    fn the_calls_of_a_reply_that_no_request_tells_are_judged_too() {
        let mut reader = Reader::new(rules("{ allow: ['*'], deny: ['reads(**/.env*)'] }"), "wizard");
        let ls = ("Bash", json!({ "command": "ls" }));
        let last = request(std::slice::from_ref(&ls));
        assert_eq!(reader.read(&last, false, Led::default()).len(), 1);
        let call = |line: &str| json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": "x", "name": "Bash", "input": { "command": line } }] });
        let judged = reader.read_reply(&last, &call("cat .env").to_string());
        let fates: Vec<&Fate> = judged.iter().map(|judged| &judged.fate).collect();
        assert_eq!(fates, [&Fate::Refused(String::from("deny reads(**/.env*)"))]);
        // What cannot be told again says nothing.
        assert_eq!(reader.read_reply(&last, "{"), []);
    }

    #[test]
    fn tools_of_ours_are_none_of_the_agent_s_and_make_a_request_longer_or_shorter() {
        let tool = |name: &str| NewTool::new(name, "Searches.", r#"{"type":"object"}"#).unwrap();
        let with = |name: &str| {
            let sent = request(&[]).json;
            let search = json!({ "name": name, "description": "Searches.", "input_schema": { "type": "object" } });
            let body = String::from_utf8(sent.bytes().to_vec()).unwrap();
            let body = body.replacen("\"tools\":[", &format!("\"tools\":[{search},"), 1);
            Request::read(Dialect::Messages, Json::read(body.into()).unwrap()).unwrap()
        };
        let length = |request: &Request| request.json.bytes().len() as i64;
        let check = |yaml: &str, request: &Request, offered: &[NewTool], hidden: &[&str], longer: bool| {
            let found = Reader::new(rules(yaml), "wizard").tools(request, offered);
            assert_eq!(
                (found.hidden.as_slice(), found.growth.signum()),
                (&hidden.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..], i64::from(longer)),
                "{yaml}"
            );
        };
        let (plain, ours) = (request(&[]), with("search_docs"));
        let narrow = "{ allow: [Bash, WebFetch] }";
        check(narrow, &ours, &[tool("search_docs")], &[], false);
        check(narrow, &plain, &[tool("search_docs")], &[], true);
        let without = Reader::new(rules(narrow), "wizard").tools(&ours, &[]);
        assert_eq!((without.hidden.len(), without.growth), (0, length(&plain) - length(&ours)));
        // A tool that stands in for others is none of the agent's either, and what is narrowed is not narrowed twice.
        let replaced = with("list_keys");
        let own = "{ allow: [Bash, WebFetch], replace: { list_keys: { description: Lists., becomes: { shell: ls }, result: { lines: ok, otherwise: No. } } } }";
        check(own, &replaced, &[], &[], false);
    }
}
