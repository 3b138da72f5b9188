//! A simulated run of each dialect: a model that makes allowed, refused and replaced calls at
//! random, an agent that tells back what it was given, and the property that guards the provider's
//! cache: while the agent's conversation only grows, so does what is sent, at its end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::sync::Arc;

use bytes::Bytes;
use jetway_core::overlay::{self, Edit};
use jetway_core::policy::lockdown::replace::{AgentTool, AgentTools};
use jetway_core::policy::lockdown::{Rules, Setting, Warden};
use jetway_core::stream::Step as _;
use jetway_core::stream::guard::{Guard, Pending};
use jetway_core::stream::write;
use jetway_core::wire::Dialect;
use jetway_core::wire::event::Frame;
use jetway_core::wire::history;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;
use jetway_core::wire::turn::Turn;
use proptest::prelude::*;
use serde_json::{Value, json};

const RULES: &str = "
allow: ['*']
deny: ['reads(**/.env*)']
replace:
  look:
    description: Looks.
    inputs: { file: { type: path, description: The file., allow: ['**/*.txt'] } }
    becomes: { shell: 'echo yes' }
    result: { lines: '^yes$', otherwise: 'no' }
";

/// What the model does in one of its turns.
#[derive(Debug, Clone)]
struct Said {
    thinks: bool,
    text: Option<&'static str>,
    calls: Vec<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Allowed,
    Refused,
    Replaced,
}

/// How the agent tells again what it was given.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Thoughts are left out.
    forgets_thoughts: bool,
    /// A mark of caching stands at the last message, and moves along.
    marks: bool,
}

fn said() -> impl Strategy<Value = Said> {
    let kind = prop_oneof![Just(Kind::Allowed), Just(Kind::Refused), Just(Kind::Replaced)];
    let text = prop_oneof![Just(None), Just(Some("Let me see.")), Just(Some("é \"quoted\"\n\u{1F600}"))];
    (any::<bool>(), text, prop::collection::vec(kind, 0..4)).prop_map(|(thinks, text, calls)| Said {
        thinks,
        // A model that says nothing at all is no turn.
        text: text.or(if calls.is_empty() { Some("Done.") } else { None }),
        calls,
    })
}

/// A run under way.
struct Run {
    dialect: Dialect,
    manner: Manner,
    rules: Arc<Rules>,
    /// The conversation as the agent tells it.
    history: Vec<Value>,
    edits: Vec<Edit>,
    /// The conversation as it was sent last, without what closes its list.
    sent: String,
    calls: usize,
}

impl Run {
    fn body(&self) -> String {
        let mut history = self.history.clone();
        if let Some(last) = history.last_mut().filter(|_| self.manner.marks && self.dialect == Dialect::Messages) {
            let blocks = last["content"].as_array_mut().unwrap();
            blocks.last_mut().unwrap()["cache_control"] = json!({ "type": "ephemeral" });
        }
        let member = if self.dialect == Dialect::Responses { "input" } else { "messages" };
        format!("{{\"model\":\"m\",\"max_tokens\":100,\"{member}\":{}}}", Value::from(history))
    }

    /// The reply that a provider would make of this.
    fn reply(&mut self, said: &Said) -> Value {
        let calls: Vec<(String, &str, Value)> = said
            .calls
            .iter()
            .map(|kind| {
                self.calls += 1;
                let id = format!("call_{}", self.calls);
                match kind {
                    Kind::Allowed => (id, "Bash", json!({ "command": "ls" })),
                    Kind::Refused => (id, "Bash", json!({ "command": "cat .env" })),
                    Kind::Replaced => (id, "look", json!({ "file": "a.txt" })),
                }
            })
            .collect();
        match self.dialect {
            Dialect::Messages => {
                let mut content = Vec::new();
                if said.thinks {
                    content.push(json!({ "type": "thinking", "thinking": "Hm.", "signature": "c2ln" }));
                }
                content.extend(said.text.map(|text| json!({ "type": "text", "text": text })));
                let call = |(id, name, input)| json!({ "type": "tool_use", "id": id, "name": name, "input": input });
                let stop = if calls.is_empty() { "end_turn" } else { "tool_use" };
                content.extend(calls.into_iter().map(call));
                json!({ "id": "msg", "type": "message", "role": "assistant", "content": content, "stop_reason": stop })
            }
            Dialect::Chat => {
                let mut message = json!({ "role": "assistant", "content": said.text });
                let stop = if calls.is_empty() { "stop" } else { "tool_calls" };
                if !calls.is_empty() {
                    let call = |(id, name, input): (String, &str, Value)| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": input.to_string() } });
                    message["tool_calls"] = calls.into_iter().map(call).collect();
                }
                json!({ "id": "c", "choices": [{ "index": 0, "message": message, "finish_reason": stop }] })
            }
            Dialect::Responses => {
                let mut output = Vec::new();
                if said.thinks {
                    output.push(json!({ "type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "xyz" }));
                }
                let text = |text| {
                    json!({ "type": "message", "id": "m", "role": "assistant", "status": "completed",
                        "content": [{ "type": "output_text", "text": text, "annotations": [] }] })
                };
                output.extend(said.text.map(text));
                let call = |(id, name, input): (String, &str, Value)| {
                    json!({ "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name,
                        "arguments": input.to_string(), "status": "completed" })
                };
                output.extend(calls.into_iter().map(call));
                json!({ "id": "r", "status": "completed", "output": output })
            }
        }
    }

    /// Checks that what is sent goes on where it was left.
    fn sends(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        let from = text.find("\"messages\":[").or_else(|| text.find("\"input\":[")).unwrap();
        let list = &text[from..];
        let list = list.strip_suffix("]}").unwrap().replace(",\"cache_control\":{\"type\":\"ephemeral\"}", "");
        let list = list.replace("\"cache_control\":{\"type\":\"ephemeral\"},", "");
        assert!(list.starts_with(&self.sent), "{}\n\n{list}", self.sent);
        self.sent = list;
    }

    /// One request of the agent's, and the turns that the model makes of it.
    fn turn(&mut self, turns: &mut impl Iterator<Item = Said>) -> bool {
        let Some(first) = turns.next() else { return false };
        let body = Json::read(self.body().into()).unwrap();
        let request = Request::read(self.dialect, body).unwrap();
        let mut patch = Patch::default();
        let applied = overlay::apply(&request, &self.edits, &mut patch);
        assert_eq!(applied.lost, 0);
        let mut outbound = patch.apply(&request.json).unwrap();
        self.sends(&outbound);
        let shell = Json::read(r#"{"properties":{"command":{"type":"string"}}}"#.into()).unwrap();
        let agent = AgentTools(vec![AgentTool::with_schema("Bash", None, shell.root())]);
        let warden = Warden::new(Arc::clone(&self.rules), Setting { agent, ..Setting::default() });
        let mut guard = Guard::new(warden, self.dialect, true);
        let mut out = Vec::new();
        let mut reply = self.reply(&first);
        loop {
            guard.push(Frame::whole(Bytes::from(reply.to_string())), &mut out).unwrap();
            match guard.pending() {
                Some(Pending::GoOn) => {
                    let more = guard.continuation().unwrap();
                    let json = Json::read(outbound.clone()).unwrap();
                    let mut patch = Patch::default();
                    history::append(self.dialect, &json, &more, &mut patch);
                    outbound = patch.apply(&json).unwrap();
                    self.sends(&outbound);
                    guard.go_on(&mut out).unwrap();
                    let done = Said { thinks: false, text: Some("Well."), calls: Vec::new() };
                    let next = turns.next().unwrap_or(done);
                    reply = self.reply(&next);
                    continue;
                }
                Some(Pending::Remember) => {
                    let made = guard.made().unwrap();
                    let anchor = history::anchor(&request, &made.given).unwrap();
                    let (told, answers, substituted) = (made.told, made.answers, made.substituted);
                    self.edits.push(Edit { anchor, told, answers, substituted });
                }
                Some(Pending::GiveUp) => unreachable!("{reply}"),
                None => {}
            }
            guard.release(&mut out).unwrap();
            break;
        }
        let mut bytes = Vec::new();
        write(&out, &mut bytes);
        self.tells(&serde_json::from_slice(&bytes).unwrap());
        true
    }

    /// The agent carries out what it was given and tells it.
    fn tells(&mut self, reply: &Value) {
        let mut calls = 0;
        match self.dialect {
            Dialect::Messages => {
                let mut content = reply["content"].as_array().unwrap().clone();
                content.retain(|block| !(self.manner.forgets_thoughts && block["type"] == "thinking"));
                let uses = content.iter().filter(|block| block["type"] == "tool_use");
                let mut results: Vec<Value> = uses
                    .map(|block| json!({ "type": "tool_result", "tool_use_id": block["id"], "content": "yes" }))
                    .collect();
                calls += results.len();
                self.history.push(json!({ "role": "assistant", "content": content }));
                if calls == 0 {
                    results.push(json!({ "type": "text", "text": "And now?" }));
                }
                self.history.push(json!({ "role": "user", "content": results }));
                return;
            }
            Dialect::Chat => {
                let message = &reply["choices"][0]["message"];
                self.history.push(message.clone());
                for call in message["tool_calls"].as_array().unwrap_or(&Vec::new()) {
                    calls += 1;
                    self.history.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": "yes" }));
                }
            }
            Dialect::Responses => {
                for item in reply["output"].as_array().unwrap() {
                    if !(self.manner.forgets_thoughts && item["type"] == "reasoning") {
                        self.history.push(item.clone());
                    }
                }
                for item in reply["output"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call") {
                    calls += 1;
                    let output = json!({ "type": "function_call_output", "call_id": item["call_id"], "output": "yes" });
                    self.history.push(output);
                }
            }
        }
        if calls == 0 {
            self.history.push(json!({ "role": "user", "content": "And now?" }));
        }
    }
}

/// Plays a model's turns; returns how many requests the agent made of them, and its edits.
fn play(dialect: Dialect, manner: Manner, turns: Vec<Said>) -> (usize, usize) {
    let begin = match dialect {
        Dialect::Messages => json!({ "role": "user", "content": [{ "type": "text", "text": "Go." }] }),
        _ => json!({ "role": "user", "content": "Go." }),
    };
    let rules = Arc::new(serde_saphyr::from_str(RULES).unwrap());
    let mut run =
        Run { dialect, manner, rules, history: vec![begin], edits: Vec::new(), sent: String::new(), calls: 0 };
    let mut turns = turns.into_iter();
    let mut requests = 0;
    while run.turn(&mut turns) {
        requests += 1;
    }
    (requests, run.edits.len())
}

const DIALECTS: [Dialect; 3] = [Dialect::Messages, Dialect::Chat, Dialect::Responses];

#[test]
fn the_play_has_turns_that_the_agent_does_not_see() {
    let said = |calls: &[Kind]| Said { thinks: true, text: Some("So."), calls: calls.to_vec() };
    let turns =
        || vec![said(&[Kind::Refused]), said(&[Kind::Allowed, Kind::Refused]), said(&[Kind::Replaced]), said(&[])];
    for dialect in DIALECTS {
        let manner = Manner { forgets_thoughts: false, marks: true };
        assert_eq!(play(dialect, manner, turns()), (3, 2), "{dialect:?}");
    }
}

/// Found by fuzzing: a reply that spoke of a call in events that are not known made an edit of nothing.
#[test]
fn a_turn_of_which_nothing_is_left_cannot_be_told_again() {
    assert_eq!(Turn::new(Dialect::Responses).told(), None);
}

/// Found by fuzzing: the input was written into a body that is no object, and told what is no JSON.
#[test]
fn a_call_whose_body_is_no_object_cannot_be_told_again() {
    let told = |body: &str| {
        let entry = format!(r#"{{"index":0,"id":"c","custom":{body}}}"#);
        let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{entry}]}}}}]}}"#);
        let mut turn = Turn::new(Dialect::Chat);
        turn.push(&Frame::written(None, &chunk));
        turn.told().is_some()
    };
    assert_eq!(
        [r#"{"name":"n","input":"i"}"#, "{}", "true", "[]", "\"n\""].map(told),
        [true, true, false, false, false]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn while_the_agent_s_conversation_grows_so_does_what_is_sent(
        turns in prop::collection::vec(said(), 1..12),
        forgets_thoughts in any::<bool>(),
        marks in any::<bool>(),
    ) {
        for dialect in DIALECTS {
            // A model may only be asked to go on from its own thoughts, so Messages' are told again.
            let manner = Manner { forgets_thoughts: forgets_thoughts && dialect != Dialect::Messages, marks };
            play(dialect, manner, turns.clone());
        }
    }
}
