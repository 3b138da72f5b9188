//! Samples of Responses replies, and a strict reader of them.

use std::collections::BTreeMap;

use jetway_core::wire::Dialect;
use serde_json::{Value, json};

use crate::{OUTPUT, Sample, Step, Told, data, good, half, json as parsed, never, text};

pub(crate) const FAILED: &str = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}\n\n";

/// Writes events, numbered; and the items that are done, for the last event.
#[derive(Default)]
struct Pen {
    steps: Vec<Step>,
    /// The number of the next event.
    number: usize,
    items: Vec<String>,
    calls: Vec<(&'static str, usize)>,
}

type Mood = fn(String) -> Step;

impl Pen {
    fn new() -> Self {
        let mut pen = Self::default();
        let response = pen.response("in_progress", "null");
        pen.put(good, "response.created", &format!("\"response\":{response}"));
        pen.put(good, "response.in_progress", &format!("\"response\":{response}"));
        pen
    }

    fn put(&mut self, mood: Mood, name: &str, rest: &str) {
        let number = self.number;
        let text = format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number},{rest}}}\n\n");
        self.number += 1;
        self.steps.push(mood(text));
    }

    fn response(&self, status: &str, usage: &str) -> String {
        let output = self.items.join(",");
        format!(
            "{{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1.0,\"status\":\"{status}\",\"error\":null,\"incomplete_details\":null,\"model\":\"gpt-x\",\"output\":[{output}],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":{usage}}}"
        )
    }

    fn index(&self) -> usize {
        self.items.len()
    }

    fn done(&mut self, mood: Mood, item: String) {
        self.put(mood, "response.output_item.done", &format!("\"output_index\":{},\"item\":{item}", self.index()));
        self.items.push(item);
    }

    fn added(&mut self, mood: Mood, item: &str) {
        self.put(mood, "response.output_item.added", &format!("\"output_index\":{},\"item\":{item}", self.index()));
    }

    fn of_item(&mut self, mood: Mood, name: &str, id: &str, rest: &str) {
        self.put(mood, name, &format!("\"output_index\":{},\"item_id\":\"{id}\"{rest}", self.index()));
    }

    fn message(mut self) -> Self {
        let id = format!("msg_{}", self.index());
        let item = |status: &str, content: &str| {
            format!(
                "{{\"id\":\"{id}\",\"type\":\"message\",\"status\":\"{status}\",\"phase\":\"commentary\",\"role\":\"assistant\",\"content\":[{content}]}}"
            )
        };
        let part = |text: &str, notes: &str| {
            format!("{{\"type\":\"output_text\",\"annotations\":[{notes}],\"logprobs\":[],\"text\":\"{text}\"}}")
        };
        let note = "{\"type\":\"url_citation\",\"url\":\"u\",\"title\":\"t\",\"start_index\":0,\"end_index\":1}";
        let place = ",\"content_index\":0";
        self.added(good, &item("in_progress", ""));
        self.of_item(good, "response.content_part.added", &id, &format!("{place},\"part\":{}", part("", "")));
        self.steps.push(good(": still there\n\n"));
        for delta in ["\\n", "Let me \\ud83d\\udeeb", " \\\"see\\\"."] {
            let rest = format!("{place},\"logprobs\":[],\"delta\":\"{delta}\"");
            self.of_item(good, "response.output_text.delta", &id, &rest);
        }
        let rest = format!("{place},\"annotation_index\":0,\"annotation\":{note}");
        self.of_item(good, "response.output_text.annotation.added", &id, &rest);
        let all = "\\nLet me \\ud83d\\udeeb \\\"see\\\".";
        let rest = format!("{place},\"logprobs\":[],\"text\":\"{all}\"");
        self.of_item(good, "response.output_text.done", &id, &rest);
        let part = part(all, note);
        self.of_item(good, "response.content_part.done", &id, &format!("{place},\"part\":{part}"));
        self.done(good, item("completed", &part));
        self
    }

    fn refusal(mut self) -> Self {
        let id = format!("msg_{}", self.index());
        let item = |content: &str| {
            format!(
                "{{\"id\":\"{id}\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{content}]}}"
            )
        };
        let part = |text: &str| format!("{{\"type\":\"refusal\",\"refusal\":\"{text}\"}}");
        self.added(good, &item(""));
        let place = ",\"content_index\":0";
        self.of_item(never, "response.content_part.added", &id, &format!("{place},\"part\":{}", part("")));
        self.of_item(good, "response.refusal.delta", &id, &format!("{place},\"delta\":\"No.\""));
        self.of_item(good, "response.refusal.done", &id, &format!("{place},\"refusal\":\"No.\""));
        self.of_item(good, "response.content_part.done", &id, &format!("{place},\"part\":{}", part("No.")));
        self.done(good, item(&part("No.")));
        self
    }

    /// Thinking of which a summary is shown, or nothing.
    fn reasoning(mut self, shown: bool) -> Self {
        let id = format!("rs_{}", self.index());
        self.added(half, &format!("{{\"id\":\"{id}\",\"type\":\"reasoning\",\"summary\":[]}}"));
        if shown {
            let part = "{\"type\":\"summary_text\",\"text\":\"\"}";
            let place = ",\"summary_index\":0";
            self.of_item(never, "response.reasoning_summary_part.added", &id, &format!("{place},\"part\":{part}"));
            self.of_item(never, "response.reasoning_summary_text.delta", &id, &format!("{place},\"delta\":\"Hm.\""));
        }
        self.done(
            good,
            format!("{{\"id\":\"{id}\",\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"gAAAA\"}}"),
        );
        self
    }

    fn call(mut self, mark: &'static str, kind: &str, pieces: &[&str]) -> Self {
        let (name, field) = match kind {
            "function_call" => ("response.function_call_arguments", "arguments"),
            _ => ("response.custom_tool_call_input", "input"),
        };
        let id = format!("fc_{mark}");
        let item = |status: &str, input: &str| {
            let input = Value::from(input);
            format!(
                "{{\"id\":\"{id}\",\"type\":\"{kind}\",\"status\":\"{status}\",\"call_id\":\"call_{mark}\",\"name\":\"{mark}\",\"{field}\":{input}}}"
            )
        };
        self.added(half, &item("in_progress", ""));
        for piece in pieces {
            self.of_item(
                half,
                &format!("{name}.delta"),
                &id,
                &format!(",\"delta\":{},\"obfuscation\":\"xx\"", Value::from(*piece)),
            );
        }
        let all = pieces.concat();
        self.of_item(half, &format!("{name}.done"), &id, &format!(",\"{field}\":{}", Value::from(all.as_str())));
        self.put(half, "response.new_kind", "\"n\":1.0");
        self.done(good, item("completed", &all));
        self.calls.push((mark, self.steps.len()));
        self
    }

    fn json_call(self, mark: &'static str) -> Self {
        self.call(mark, "function_call", &["{\"path\": \"a", "{[\\\"b\"", ", \"n\": [1, {}]}"])
    }

    /// What the provider runs, answered in the same item.
    fn search(mut self) -> Self {
        let id = format!("ws_{}", self.index());
        let item = |status: &str| {
            format!(
                "{{\"id\":\"{id}\",\"type\":\"web_search_call\",\"status\":\"{status}\",\"action\":{{\"type\":\"search\",\"query\":\"q\"}}}}"
            )
        };
        self.added(never, &item("in_progress"));
        for state in ["in_progress", "searching", "completed"] {
            self.of_item(never, &format!("response.web_search_call.{state}"), &id, "");
        }
        self.done(good, item("completed"));
        self
    }

    /// What the provider runs, answered by another item.
    fn tool_search(mut self) -> Self {
        let call = "{\"id\":\"tsc\",\"type\":\"tool_search_call\",\"execution\":\"server\",\"call_id\":null,\"status\":\"completed\",\"arguments\":{}}";
        self.added(never, call);
        self.done(never, call.to_owned());
        let output = "{\"id\":\"tso\",\"type\":\"tool_search_output\",\"execution\":\"server\",\"call_id\":null,\"status\":\"completed\",\"tools\":[]}";
        self.added(never, output);
        self.done(good, output.to_owned());
        self
    }

    fn end(mut self, name: &'static str) -> Sample {
        let usage = "{\"input_tokens\":1,\"output_tokens\":42,\"total_tokens\":43}";
        let response = self.response("completed", usage);
        self.put(good, "response.completed", &format!("\"response\":{response}"));
        Sample { name, dialect: Dialect::Responses, steps: self.steps, calls: self.calls }
    }
}

pub(crate) fn samples() -> Vec<Sample> {
    vec![
        Pen::new().message().end("responses: text"),
        Pen::new().reasoning(true).message().end("responses: reasoning and text"),
        Pen::new()
            .reasoning(false)
            .message()
            .json_call("Read")
            .call("Exec", "custom_tool_call", &["if (a) {", " b"])
            .json_call("Bash")
            .end("responses: hidden reasoning and calls"),
        Pen::new()
            .search()
            .tool_search()
            .message()
            .json_call("Read")
            .message()
            .end("responses: what the provider runs"),
        Pen::new().refusal().end("responses: a refusal"),
        Pen::new().call("Read", "function_call", &[]).end("responses: a call without arguments"),
        interleaved(),
        cut_off_by_its_limit(),
    ]
}

/// Items that come at the same time leave in their order.
fn interleaved() -> Sample {
    let call = |mark: &'static str| {
        let mut pen = Pen::new().json_call(mark);
        pen.steps.drain(..2);
        pen.steps
    };
    let mut pen = Pen::new();
    let mut numbered = |mut step: Step, index: usize| {
        let at = pen.number;
        pen.number += 1;
        let was = step.text.split("\"sequence_number\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
        step.text = step.text.replace(&format!("\"sequence_number\":{was},"), &format!("\"sequence_number\":{at},"));
        step.text = step.text.replace("\"output_index\":0", &format!("\"output_index\":{index}"));
        pen.steps.push(Step { free: false, ..step });
    };
    for (one, two) in call("Read").into_iter().zip(call("Bash")) {
        numbered(one, 0);
        numbered(two, 1);
    }
    let count = pen.steps.len();
    pen.steps[count - 1].free = true;
    for step in &pen.steps {
        if step.text.contains("output_item.done") {
            let item = step.text.split("\"item\":").nth(1).unwrap();
            pen.items.push(item.trim_end().strip_suffix('}').unwrap().to_owned());
        }
    }
    pen.calls = vec![("Read", count - 1), ("Bash", count)];
    pen.end("responses: interleaved calls")
}

/// The model stops at its output limit in the middle of the arguments.
fn cut_off_by_its_limit() -> Sample {
    let mut sample = Pen::new().call("Read", "function_call", &["{\"path\": \"/et"]).end("responses: a torn call");
    let count = sample.steps.len();
    for step in &mut sample.steps[count - 2..] {
        step.text =
            step.text.replace("response.completed", "response.incomplete").replace("\"completed\"", "\"incomplete\"");
    }
    sample.steps[count - 2].free = false;
    sample.calls = vec![("Read", count)];
    sample
}

pub(crate) fn long(pieces: &[&str]) -> Sample {
    Pen::new().call("Write", "function_call", pieces).end("responses: a long call")
}

pub(crate) fn endless() -> (Dialect, Vec<String>, String) {
    let mut pen = Pen::new().call("Read", "function_call", &[&"x".repeat(99_000)]);
    let begin = pen.steps.drain(..3).map(|step| step.text).collect();
    (Dialect::Responses, begin, pen.steps.remove(0).text)
}

struct Open {
    item: Value,
    parts: Vec<(Value, bool)>,
    input: Option<String>,
}

pub(crate) fn read(reply: &str) -> Told {
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    let mut done: BTreeMap<u64, Value> = BTreeMap::new();
    let mut last = None;
    let mut next = 0;
    for (at, data) in data(reply).into_iter().enumerate() {
        assert_eq!(last, None, "nothing comes behind the end: {reply}");
        let event = parsed(data);
        let kind = event["type"].as_str().unwrap();
        assert_eq!(event["sequence_number"].as_u64(), Some(at as u64), "numbers are in sequence: {reply}");
        assert_eq!(at == 0, kind == "response.created", "{reply}");
        let index = event["output_index"].as_u64();
        match kind {
            "response.created" | "response.in_progress" | "response.new_kind" => {}
            "response.output_item.added" => {
                assert_eq!(index, Some(next), "indexes are without gaps: {reply}");
                next += 1;
                open.insert(next - 1, Open { item: event["item"].clone(), parts: vec![], input: None });
            }
            "response.output_item.done" => {
                let was = open.remove(&index.unwrap()).unwrap_or_else(|| panic!("it was not begun: {reply}"));
                let item = event["item"].clone();
                finish(was, &item, reply);
                done.insert(index.unwrap(), item);
            }
            "response.completed" | "response.incomplete" => last = Some(event["response"].clone()),
            _ => follow(open.get_mut(&index.unwrap()).unwrap(), kind, &event, reply),
        }
    }
    assert!(open.is_empty(), "every item ends: {reply}");
    let last = last.unwrap_or_else(|| panic!("the reply ends: {reply}"));
    assert_eq!(Value::from(done.values().cloned().collect::<Vec<_>>()), last["output"], "{reply}");
    assert!([42, OUTPUT].contains(&last["usage"]["output_tokens"].as_u64().unwrap()), "{reply}");
    let mut told = Told { calls: vec![], texts: vec![], stop: text(&last["status"]) };
    for item in done.values() {
        match item["type"].as_str().unwrap() {
            "message" => told.texts.push(said(&item["content"])),
            "function_call" | "custom_tool_call" => {
                let input = text(&item["arguments"]) + &text(&item["input"]);
                let is_json = input.is_empty() || serde_json::from_str::<Value>(&input).is_ok();
                assert!(is_json || item["name"] == "Exec" || told.stop == "incomplete", "{reply}");
                told.calls.push([text(&item["call_id"]), text(&item["name"]), input]);
            }
            _ => {}
        }
    }
    told
}

fn said(content: &Value) -> String {
    content.as_array().unwrap().iter().map(|part| text(&part["text"]) + &text(&part["refusal"])).collect()
}

fn follow(open: &mut Open, kind: &str, event: &Value, reply: &str) {
    assert_eq!(open.item["id"], event["item_id"], "{reply}");
    let at = event["content_index"].as_u64().unwrap_or_default() as usize;
    match kind {
        "response.content_part.added" => {
            assert_eq!(at, open.parts.len(), "{reply}");
            open.parts.push((event["part"].clone(), false));
        }
        "response.output_text.delta" | "response.refusal.delta" => {
            let (part, done) = &mut open.parts[at];
            let field = if kind.contains("refusal") { "refusal" } else { "text" };
            assert!(!*done, "{reply}");
            part[field] = Value::from(text(&part[field]) + &text(&event["delta"]));
        }
        "response.output_text.annotation.added" => {
            open.parts[at].0["annotations"].as_array_mut().unwrap().push(event["annotation"].clone());
        }
        "response.output_text.done" => assert_eq!(open.parts[at].0["text"], event["text"], "{reply}"),
        "response.refusal.done" => assert_eq!(open.parts[at].0["refusal"], event["refusal"], "{reply}"),
        "response.content_part.done" => {
            assert!(!open.parts[at].1, "{reply}");
            assert_eq!(open.parts[at].0, event["part"], "{reply}");
            open.parts[at].1 = true;
        }
        "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
            *open.input.get_or_insert_default() += &text(&event["delta"]);
        }
        "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
            let all = text(&event["arguments"]) + &text(&event["input"]);
            assert_eq!(open.input.get_or_insert_default(), &all, "{reply}");
        }
        _ => assert!(!kind.contains("jetway"), "{reply}"),
    }
}

/// What was begun and said is what is done.
fn finish(was: Open, item: &Value, reply: &str) {
    assert_eq!((&was.item["id"], &was.item["type"]), (&item["id"], &item["type"]), "{reply}");
    assert!(was.parts.iter().all(|(_, done)| *done), "every part ends: {reply}");
    if item["type"] == "message" {
        let parts: Vec<_> = was.parts.into_iter().map(|(part, _)| part).collect();
        assert_eq!(json!(parts), item["content"], "{reply}");
        assert_eq!(was.item.get("phase"), item.get("phase"), "{reply}");
        assert!(!said(&item["content"]).trim().is_empty(), "a message says something: {reply}");
    }
}
