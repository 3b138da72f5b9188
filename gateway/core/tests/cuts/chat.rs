//! Samples of Chat Completions replies, and a strict reader of them.

use std::collections::BTreeMap;

use jetway_core::wire::Dialect;
use serde_json::{Value, json};

use crate::{Sample, Step, Told, data, good, half, json as parsed, text};

pub(crate) const FAILED: &str = "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\"}}\n\n";

/// A chunk of one choice.
fn chunk(index: u64, delta: &str, reason: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1.0,\"model\":\"gpt-x\",\"choices\":[{{\"index\":{index},\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{reason}}}]}}\n\n"
    )
}

fn says(index: u64, delta: &str) -> String {
    chunk(index, delta, "null")
}

fn words(index: u64) -> Vec<Step> {
    vec![
        good(says(index, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}")),
        good(says(index, "{\"reasoning_content\":\"Hm.\"}")),
        good(": still there\n\n"),
        good(says(index, "{\"content\":\"Let me \\ud83d\\udeeb\"}")),
        good(says(index, "{\"content\":\" see.\"}")),
    ]
}

fn entry(number: u64, mark: &str, arguments: &str) -> String {
    let arguments = Value::from(arguments);
    format!(
        "{{\"index\":{number},\"id\":\"call_{mark}\",\"type\":\"function\",\"function\":{{\"name\":\"{mark}\",\"arguments\":{arguments}}}}}"
    )
}

fn piece(number: u64, arguments: &str) -> String {
    format!("{{\"index\":{number},\"function\":{{\"arguments\":{}}}}}", Value::from(arguments))
}

fn calls(list: &[String]) -> String {
    format!("{{\"tool_calls\":[{}]}}", list.join(","))
}

/// A call in pieces. The last of them may be whole, for all that can be told.
fn call(choice: u64, number: u64, mark: &str) -> Vec<Step> {
    vec![
        half(says(choice, &calls(&[entry(number, mark, "")]))),
        half(says(choice, &calls(&[piece(number, "{\"path\": \"a")]))),
        half(": still there\n\n"),
        half(says(choice, &calls(&[piece(number, "{[\\\"b\"")]))),
        good(says(choice, &calls(&[piece(number, ", \"n\": [1, {}]}")]))),
    ]
}

fn end(choice: u64, reason: &str) -> Vec<Step> {
    let usage =
        "data: {\"id\":\"chatcmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7}}\n\n";
    vec![good(chunk(choice, "{}", &format!("\"{reason}\""))), good(usage), good("data: [DONE]\n\n")]
}

fn sample(name: &'static str, parts: Vec<Vec<Step>>, calls: Vec<(&'static str, usize)>) -> Sample {
    Sample { name, dialect: Dialect::Chat, steps: parts.into_iter().flatten().collect(), calls }
}

pub(crate) fn samples() -> Vec<Sample> {
    vec![
        sample("chat: text", vec![words(0), end(0, "stop")], vec![]),
        sample(
            "chat: text and calls",
            // A call is known to be whole when the next one begins, or the reply stops.
            vec![words(0), call(0, 0, "Read"), call(0, 1, "Bash"), call(0, 2, "Edit"), end(0, "tool_calls")],
            vec![("Read", 11), ("Bash", 16), ("Edit", 21)],
        ),
        // Some servers never say who speaks.
        sample("chat: a call alone", vec![call(0, 0, "Read"), end(0, "tool_calls")], vec![("Read", 6)]),
        interleaved(),
        in_one_chunk(),
        text_beside_calls(),
        older(),
        custom(),
        several_choices(),
        sample(
            "chat: a torn call",
            vec![words(0), vec![half(says(0, &calls(&[entry(0, "Read", "{\"path\": \"/et")])))], end(0, "length")],
            vec![("Read", 7)],
        ),
        careless(),
        empty_reasons(),
    ]
}

fn interleaved() -> Sample {
    let steps = vec![
        half(says(0, &calls(&[entry(0, "Read", ""), entry(1, "Bash", "")]))),
        half(says(0, &calls(&[piece(1, "{\"a\":"), piece(0, "{\"a\":")]))),
        half(says(0, &calls(&[piece(1, "1}")]))),
        good(says(0, &calls(&[piece(0, "1}")]))),
    ];
    sample("chat: interleaved calls", vec![steps, end(0, "tool_calls")], vec![("Read", 4), ("Bash", 5)])
}

/// As servers that do not stream calls send them.
fn in_one_chunk() -> Sample {
    let all = calls(&[entry(0, "Read", "{\"a\":1}"), entry(1, "Bash", "{}")]);
    let first = all.replacen('{', "{\"role\":\"assistant\",\"content\":null,", 1);
    let steps = vec![good(says(0, &first))];
    sample("chat: whole calls in one chunk", vec![steps, end(0, "tool_calls")], vec![("Read", 1), ("Bash", 2)])
}

fn text_beside_calls() -> Sample {
    let beside = |delta: &str, content: &str| delta.replacen('{', &format!("{{\"content\":\"{content}\","), 1);
    let steps = vec![
        good(says(0, "{\"role\":\"assistant\",\"content\":\"I\"}")),
        half(says(0, &beside(&calls(&[entry(0, "Read", "{\"a\"")]), " read"))),
        good(says(0, &beside(&calls(&[piece(0, ":1}")]), " it."))),
    ];
    sample("chat: text beside calls", vec![steps, end(0, "tool_calls")], vec![("Read", 4)])
}

fn older() -> Sample {
    let old = |rest: &str| says(0, &format!("{{\"function_call\":{{{rest}}}}}"));
    let steps = vec![
        good(says(0, "{\"role\":\"assistant\",\"content\":null}")),
        good(says(0, "{\"content\":\"I\",\"function_call\":{\"name\":\"\",\"arguments\":\"\"}}")),
        half(old("\"name\":\"Read\",\"arguments\":\"\"")),
        half(old("\"arguments\":\"{\\\"a\\\"\"")),
        good(old("\"arguments\":\":1}\"")),
    ];
    sample("chat: the older spelling", vec![steps, end(0, "function_call")], vec![("Read", 6)])
}

/// Input that is any text: nobody can tell before the end whether it is whole.
fn custom() -> Sample {
    let opening =
        "{\"index\":0,\"id\":\"call_Exec\",\"type\":\"custom\",\"custom\":{\"name\":\"Exec\",\"input\":\"\"}}";
    let steps = vec![
        half(says(0, &calls(&[opening.to_owned()]))),
        half(says(0, &calls(&["{\"index\":0,\"custom\":{\"input\":\"if (a) { b\"}}".to_owned()]))),
        half(says(0, &calls(&["{\"index\":0,\"custom\":{\"input\":\" }\"}}".to_owned()]))),
    ];
    sample("chat: a custom call", vec![steps, end(0, "tool_calls")], vec![("Exec", 4)])
}

fn several_choices() -> Sample {
    let [mut one, two] = [0, 1].map(words);
    one.extend(two);
    let stopped = vec![good(chunk(1, "{}", "\"stop\""))];
    sample("chat: several choices", vec![one, call(0, 0, "Read"), stopped, end(0, "tool_calls")], vec![("Read", 17)])
}

/// A reason in every chunk, empty until there is one.
fn empty_reasons() -> Sample {
    let mut sample =
        sample("chat: empty reasons", vec![words(0), call(0, 0, "Read"), end(0, "tool_calls")], vec![("Read", 11)]);
    for step in &mut sample.steps {
        step.text = step.text.replace("\"finish_reason\":null", "\"finish_reason\":\"\"");
    }
    sample
}

/// Every call has the number of the first; only ids tell them apart.
fn careless() -> Sample {
    let steps = vec![
        good(says(0, &calls(&[entry(0, "Read", "{\"a\":1}")]))),
        good(says(0, &calls(&[entry(0, "Bash", "{\"b\":1}")]))),
    ];
    sample("chat: calls of one number", vec![steps, end(0, "tool_calls")], vec![("Read", 2), ("Bash", 3)])
}

pub(crate) fn long(pieces: &[&str]) -> Sample {
    let mut steps = vec![half(says(0, &calls(&[entry(0, "Write", "")])))];
    steps.extend(pieces.iter().map(|text| half(says(0, &calls(&[piece(0, text)])))));
    sample("chat: a long call", vec![steps, end(0, "tool_calls")], vec![])
}

pub(crate) fn endless() -> (Dialect, Vec<String>, String) {
    let begin = says(0, &calls(&[entry(0, "Read", "")]));
    (Dialect::Chat, vec![begin], says(0, &calls(&[piece(0, &"x".repeat(99_000))])))
}

#[derive(Default)]
struct Choice {
    calls: Vec<[String; 3]>,
    by_number: BTreeMap<u64, usize>,
    text: String,
    has_role: bool,
    finish: Option<String>,
    is_old: bool,
}

pub(crate) fn read(reply: &str) -> Told {
    let mut choices: BTreeMap<u64, Choice> = BTreeMap::new();
    let mut id = None;
    let all = data(reply);
    assert_eq!(all.last(), Some(&"[DONE]"), "{reply}");
    for data in &all[..all.len() - 1] {
        let chunk = parsed(data);
        assert_eq!(*id.get_or_insert(chunk["id"].clone()), chunk["id"], "{reply}");
        for value in chunk["choices"].as_array().unwrap() {
            assert_eq!((chunk["object"].as_str(), chunk["model"].is_string()), (Some("chat.completion.chunk"), true));
            let choice = choices.entry(value["index"].as_u64().unwrap()).or_default();
            assert_eq!(choice.finish, None, "nothing comes behind the end: {reply}");
            let delta = &value["delta"];
            assert!(delta.is_object());
            choice.text += &text(&delta["content"]);
            choice.has_role |= delta["role"] == "assistant";
            assert!(choice.has_role || choice.text.is_empty(), "it is said who speaks: {reply}");
            for entry in delta["tool_calls"].as_array().unwrap_or(&vec![]) {
                add(choice, entry);
            }
            let old = &delta["function_call"];
            if !text(&old["name"]).is_empty() {
                choice.is_old = true;
                choice.calls.push([String::new(), text(&old["name"]), String::new()]);
            }
            if let Some(call) = choice.calls.last_mut().filter(|_| choice.is_old) {
                call[2] += &text(&old["arguments"]);
            }
            choice.finish = value["finish_reason"].as_str().filter(|reason| !reason.is_empty()).map(str::to_owned);
        }
    }
    let mut told = Told { calls: vec![], texts: vec![], stop: String::new() };
    for (at, choice) in choices.into_values().enumerate() {
        let finish = choice.finish.unwrap_or_else(|| panic!("choice {at} is not ended: {reply}"));
        let expect = match (choice.calls.is_empty(), choice.is_old) {
            (true, _) => "stop",
            (_, false) => "tool_calls",
            (_, true) => "function_call",
        };
        if finish != "length" {
            assert_eq!(finish, expect, "{reply}");
            for call in choice.calls.iter().filter(|call| call[1] != "Exec") {
                assert!(serde_json::from_str::<Value>(&call[2]).is_ok(), "{reply}");
            }
        }
        told.calls.extend(choice.calls);
        told.texts.push(choice.text);
        told.stop += &finish;
    }
    told
}

fn add(choice: &mut Choice, entry: &Value) {
    let number = entry["index"].as_u64().unwrap();
    if !text(&entry["id"]).is_empty() {
        // Contiguous, where the provider is not careless itself.
        assert!(number as usize <= choice.calls.len());
        choice.by_number.insert(number, choice.calls.len());
        let name = text(&entry["function"]["name"]) + &text(&entry["custom"]["name"]);
        choice.calls.push([text(&entry["id"]), name, String::new()]);
    }
    let call = &mut choice.calls[choice.by_number[&number]];
    call[2] += &(text(&entry["function"]["arguments"]) + &text(&entry["custom"]["input"]));
    let body = json!(["function", "custom"]);
    assert_eq!(body.as_array().unwrap().iter().filter(|kind| entry[kind.as_str().unwrap()].is_object()).count(), 1);
}
