//! Which calls of a run a policy would refuse. A run's requests repeat what went before: of each only
//! what is new is judged, by what was known when the model made it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::breadcrumbs::is_ours;
use crate::policy::lockdown::{Rules, Setting, Warden};
use crate::stream::guard::Judge;
use crate::wire::event::Call;
use crate::wire::history::{self, Told};
use crate::wire::request::Request;

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

/// What was read of a conversation by now.
#[derive(Debug, Default)]
struct Conversation {
    calls: usize,
    /// By what the calls of its next turn are judged.
    setting: Option<Setting>,
}

/// Reads the requests of one run in their order.
#[derive(Debug)]
pub struct Reader {
    rules: Option<Arc<Rules>>,
    policy: String,
    conversations: HashMap<Vec<String>, Conversation>,
}

impl Reader {
    /// A reader that judges by these rules; by none it allows all.
    #[must_use]
    pub fn new(rules: Option<Arc<Rules>>, policy: &str) -> Self {
        Self { rules, policy: policy.to_owned(), conversations: HashMap::new() }
    }

    /// The calls that a request tells and none before it did. `has_secrets`: secrets were found in the
    /// results that it tells.
    pub fn read(&mut self, request: &Request, has_secrets: bool) -> Vec<Judged> {
        let told: Vec<Told> = history::calls(request).into_iter().filter(|call| !is_ours(&call.name)).collect();
        let known = self.conversations.entry(request.opening.clone()).or_default();
        let rules = self.rules.as_ref();
        let own = || rules.map(|rules| Setting::of(rules, &self.policy, request, has_secrets)).unwrap_or_default();
        // Where the request that the calls answer was not read, this one stands for it.
        let setting = known.setting.take().unwrap_or_else(own);
        let new = told.get(known.calls..).unwrap_or_default();
        let judged = new.iter().map(|call| judge(rules, &setting, (call, &call.input(&request.json)))).collect();
        *known = Conversation { calls: told.len(), setting: Some(own()) };
        judged
    }

    /// The tools of a request that its model would not see.
    #[must_use]
    pub fn hidden(&self, request: &Request) -> Vec<String> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let tools = request.tools();
        let hidden = tools.iter().filter(|tool| rules.offer(tool, &request.json).is_err());
        hidden.filter_map(|tool| tool.name.clone()).collect()
    }

    /// Whether a model would see a tool of this name, as far as its name says.
    #[must_use]
    pub fn would_offer(&self, tool: &str) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.offers_name(tool))
    }
}

fn judge(rules: Option<&Arc<Rules>>, setting: &Setting, (told, input): (&Told, &str)) -> Judged {
    let fate = match rules {
        None => Fate::Allowed,
        Some(rules) => {
            let mut warden = Warden::new(Arc::clone(rules), setting.clone());
            let call = Call { name: told.name.clone(), namespace: told.namespace.clone(), ..Call::default() };
            // What it says is in what the warden keeps, in shadow mode too.
            drop(warden.judge(&call, Some(input)));
            match (warden.refused().first(), warden.replaced().first()) {
                (Some(refused), _) => Fate::Refused(refused.rule.clone()),
                (None, Some(replaced)) => Fate::Replaced(replaced.became.clone()),
                (None, None) => Fate::Allowed,
            }
        }
    };
    Judged { tool: told.name.clone(), input: input.chars().take(LONGEST).collect(), fate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Dialect;
    use crate::wire::json::Json;
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
        assert_eq!(reader.hidden(&request(&[])), ["WebFetch"]);
        assert!(reader.would_offer("Bash") && !reader.would_offer("WebFetch"));
        assert_eq!(fates(reader.read(&request(&[]), false)), []);
        let refused = Fate::Refused(String::from("deny reads(**/.env*)"));
        assert_eq!(fates(reader.read(&request(&one), false)), [refused]);
        assert_eq!(fates(reader.read(&request(&one), false)), []);
        assert_eq!(fates(reader.read(&request(&[env.clone(), ours.clone(), ls.clone()]), false)), [Fate::Allowed]);
        // A conversation that was shortened has nothing new until it is longer again.
        assert_eq!(fates(reader.read(&request(&[env]), false)), []);
    }

    #[test]
    fn without_rules_all_is_allowed() {
        let mut reader = Reader::new(None, "open");
        let judged = reader.read(&request(&[("Bash", json!({ "command": "cat .env" }))]), false);
        let expect = Judged { tool: "Bash".into(), input: r#"{"command":"cat .env"}"#.into(), fate: Fate::Allowed };
        assert_eq!(judged, [expect]);
        assert!(reader.hidden(&request(&[])).is_empty());
    }
}
