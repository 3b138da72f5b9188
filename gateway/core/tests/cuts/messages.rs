//! Samples of Messages replies, and a strict reader of them.

use std::collections::BTreeMap;

use jetway_core::wire::Dialect;
use serde_json::Value;

use crate::{OUTPUT, Sample, Step, data, good, half, json, never, text};

pub(crate) const FAILED: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

fn event(name: &str, rest: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n")
}

fn start() -> Step {
    good(event(
        "message_start",
        ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}",
    ))
}

fn begin(index: u64, block: &str) -> String {
    event("content_block_start", &format!(",\"index\":{index},\"content_block\":{block}"))
}

fn delta(index: u64, delta: &str) -> String {
    event("content_block_delta", &format!(",\"index\":{index},\"delta\":{delta}"))
}

fn stop(index: u64) -> String {
    event("content_block_stop", &format!(",\"index\":{index}"))
}

/// Text, with a ping and a comment in it and CRLF.
fn words(index: u64) -> Vec<Step> {
    vec![
        good(begin(index, "{\"type\":\"text\",\"text\":\"\"}")),
        good(PING),
        good(delta(index, "{\"type\":\"text_delta\",\"text\":\"\\n\"}").replace('\n', "\r\n")),
        good(delta(index, "{\"type\":\"text_delta\",\"text\":\"Let me \\ud83d\\udeeb see.\"}")),
        good(": still there\n\n"),
        good(stop(index)),
    ]
}

fn thought(index: u64) -> Vec<Step> {
    vec![
        half(begin(index, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")),
        never(delta(index, "{\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"}")),
        never(PING),
        good(delta(index, "{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}")),
        good(stop(index)),
    ]
}

/// Thinking that is not shown.
fn hidden_thought(index: u64) -> Vec<Step> {
    let all = thought(index);
    all.into_iter().enumerate().filter(|(at, _)| *at != 1 && *at != 2).map(|(_, step)| step).collect()
}

fn call_of(index: u64, kind: &str, mark: &str, pieces: &[&str]) -> Vec<String> {
    let block = format!("{{\"type\":\"{kind}\",\"id\":\"toolu_{mark}\",\"name\":\"{mark}\",\"input\":{{}}}}");
    let piece = |piece: &&str| {
        delta(index, &format!("{{\"type\":\"input_json_delta\",\"partial_json\":{}}}", Value::from(*piece)))
    };
    let mut frames = vec![begin(index, &block)];
    frames.extend(pieces.iter().map(piece));
    frames.push(stop(index));
    frames
}

fn call(index: u64, mark: &str) -> Vec<Step> {
    let mut frames = call_of(index, "tool_use", mark, &["", "{\"path\": \"a", "{[\\\"b\"", ", \"n\": [1, {}", "]}"]);
    frames.insert(3, PING.to_owned());
    let last = frames.pop().unwrap();
    frames.into_iter().map(half).chain([good(last)]).collect()
}

/// A search that the provider runs.
fn search(index: u64) -> Vec<Step> {
    let asked = call_of(index, "server_tool_use", "web_search", &["", "{\"query\":\"x\"}"]);
    let result = begin(
        index + 1,
        "{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"toolu_web_search\",\"content\":[{\"type\":\"web_search_result\",\"url\":\"u\",\"title\":\"t\",\"encrypted_content\":\"x\",\"page_age\":null}]}",
    );
    asked.into_iter().map(never).chain([good(result), good(stop(index + 1))]).collect()
}

fn end(reason: &str) -> Vec<Step> {
    let delta = format!(",\"delta\":{{\"stop_reason\":\"{reason}\",\"stop_sequence\":null}}");
    vec![
        good(event("message_delta", &format!("{delta},\"usage\":{{\"output_tokens\":42}}"))),
        good(event("message_stop", "")),
    ]
}

fn sample(name: &'static str, parts: Vec<Vec<Step>>, marks: &[&'static str]) -> Sample {
    let mut steps: Vec<_> = [good(": opening\n\n"), start()].into();
    steps.extend(parts.into_iter().flatten());
    let whole = |mark: &&'static str| {
        let own = |step: &Step| step.text.contains(&format!("toolu_{mark}"));
        let begun = steps.iter().position(own).unwrap();
        let stop = steps[begun..].iter().position(|step| step.text.contains("content_block_stop")).unwrap();
        (*mark, begun + stop + 1)
    };
    let calls = marks.iter().map(whole).collect();
    Sample { name, dialect: Dialect::Messages, steps, calls }
}

pub(crate) fn samples() -> Vec<Sample> {
    let unknown = vec![good(event("new_kind", ",\"n\":1.0"))];
    vec![
        sample("messages: text", vec![unknown, words(0), end("end_turn")], &[]),
        sample("messages: thinking and text", vec![thought(0), words(1), end("end_turn")], &[]),
        sample(
            "messages: hidden thinking and calls",
            vec![hidden_thought(0), words(1), call(2, "Read"), call(3, "Bash"), call(4, "Edit"), end("tool_use")],
            &["Read", "Bash", "Edit"],
        ),
        sample(
            "messages: what the provider runs",
            vec![words(0), search(1), words(3), call(4, "Read"), words(5), end("tool_use")],
            &["Read"],
        ),
        sample(
            "messages: a block of a kind that is not known",
            vec![
                vec![
                    never(begin(0, "{\"type\":\"compaction\",\"content\":null}")),
                    never(delta(0, "{\"type\":\"compaction_delta\",\"content\":\"x\"}")),
                    good(stop(0)),
                ],
                vec![good(begin(1, "{\"type\":\"redacted_thinking\",\"data\":\"x\"}")), good(stop(1))],
                words(2),
                end("end_turn"),
            ],
            &[],
        ),
        sample("messages: a call alone", vec![call(0, "Read"), end("tool_use")], &["Read"]),
        interleaved(),
        cut_off_by_its_limit(),
    ]
}

/// Blocks that come at the same time, as no provider does today: they leave in their order.
fn interleaved() -> Sample {
    let [one, two] = ["Read", "Bash"].map(|mark| {
        let index = u64::from(mark == "Bash");
        call_of(index, "tool_use", mark, &["{\"a\":", "1}"])
    });
    let mut frames = Vec::new();
    for (a, b) in one.into_iter().zip(two) {
        frames.extend([a, b]);
    }
    // The second cannot leave before the first, and the first ends one frame before it.
    let mut steps = vec![start()];
    let last = frames.pop().unwrap();
    let first_stop = frames.len();
    steps.extend(frames.into_iter().map(half));
    steps.push(good(last));
    steps.extend(end("tool_use"));
    Sample {
        name: "messages: interleaved calls",
        dialect: Dialect::Messages,
        calls: vec![("Read", first_stop + 1), ("Bash", first_stop + 2)],
        steps,
    }
}

/// The model stops at its output limit in the middle of the arguments.
fn cut_off_by_its_limit() -> Sample {
    let frames = call_of(0, "tool_use", "Read", &["{\"path\": \"/et"]);
    let count = frames.len();
    let mut steps = vec![start()];
    steps.extend(frames.into_iter().map(half));
    steps.extend(end("max_tokens"));
    Sample { name: "messages: a torn call", dialect: Dialect::Messages, steps, calls: vec![("Read", count + 2)] }
}

pub(crate) fn long(pieces: &[&str]) -> Sample {
    let mut steps = vec![start()];
    steps.extend(call_of(0, "tool_use", "Write", pieces).into_iter().map(half));
    steps.extend(end("tool_use"));
    Sample { name: "messages: a long call", dialect: Dialect::Messages, steps, calls: vec![] }
}

/// A call without end: how it begins, and what then comes again and again.
pub(crate) fn endless() -> (Dialect, Vec<String>, String) {
    let more = call_of(0, "tool_use", "Read", &["x".repeat(99_000).as_str()]).remove(1);
    (Dialect::Messages, vec![begin(0, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Read\",\"input\":{}}")], more)
}

/// Reads a reply as the strictest client would.
pub(crate) fn read(reply: &str) -> crate::Told {
    let mut told = crate::Told { calls: vec![], texts: vec![], stop: String::new() };
    let mut open: BTreeMap<u64, (String, [String; 3])> = BTreeMap::new();
    let (mut next, mut begun, mut stopped, mut over) = (0, false, false, false);
    for data in data(reply) {
        assert!(!over, "nothing comes behind the end: {reply}");
        let event = json(data);
        let index = event["index"].as_u64();
        match event["type"].as_str().unwrap() {
            "message_start" => {
                assert!(!begun, "{reply}");
                assert!(event["message"]["usage"]["input_tokens"].is_u64() && event["message"]["id"].is_string());
                begun = true;
            }
            "content_block_start" => {
                assert!(begun && !stopped, "{reply}");
                assert_eq!(index, Some(next), "indexes are without gaps: {reply}");
                next += 1;
                let block = &event["content_block"];
                let said = [text(&block["id"]), text(&block["name"]), String::new()];
                open.insert(next - 1, (text(&block["type"]), said));
            }
            "content_block_delta" => {
                let (kind, said) = open.get_mut(&index.unwrap()).unwrap();
                let delta = &event["delta"];
                match delta["type"].as_str().unwrap() {
                    "text_delta" => assert_eq!(kind, "text"),
                    "thinking_delta" => assert_eq!(kind, "thinking"),
                    "signature_delta" => *kind = String::from("signed"),
                    "input_json_delta" => assert!(kind.ends_with("tool_use")),
                    _ => {}
                }
                said[2] += &(text(&delta["text"]) + &text(&delta["partial_json"]));
            }
            "content_block_stop" => {
                let (kind, said) = open.remove(&index.unwrap()).unwrap();
                match kind.as_str() {
                    "text" => {
                        assert!(!said[2].trim().is_empty(), "a text block says something: {reply}");
                        told.texts.push(said[2].clone());
                    }
                    "tool_use" => told.calls.push(said),
                    "thinking" => panic!("thinking is signed: {reply}"),
                    _ => {}
                }
            }
            "message_delta" => {
                assert!(begun && !stopped && open.is_empty(), "{reply}");
                stopped = true;
                told.stop = text(&event["delta"]["stop_reason"]);
                assert!([42, OUTPUT].contains(&event["usage"]["output_tokens"].as_u64().unwrap()));
            }
            "message_stop" => {
                assert!(stopped, "{reply}");
                over = true;
            }
            "ping" | "new_kind" => {}
            other => panic!("{other} is nothing that all agents know: {reply}"),
        }
    }
    assert!(over, "{reply}");
    let expect = if told.calls.is_empty() { "end_turn" } else { "tool_use" };
    if told.stop != "max_tokens" {
        assert_eq!(told.stop, expect, "{reply}");
        for call in &told.calls {
            assert!(serde_json::from_str::<Value>(&call[2]).is_ok(), "{reply}");
        }
    }
    told
}
