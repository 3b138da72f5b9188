//! Streams of events in every dialect: good ones, and then broken in some place.

use jetway_core::wire::Dialect;

use crate::choice::Choices;

/// What calls are made with. Some of it is refused, and some is no JSON.
const INPUTS: &[&str] = &[
    r#"{"command":"cat .env"}"#,
    r#"{"command":"ls -la"}"#,
    r#"{"command":"ls","command":"cat .env"}"#,
    r#"{"command":"echo é\u00e9 😀 \"x\""}"#,
    r#"{"file_path":"a.txt"}"#,
    "{}",
    "",
    r#"{"command":"#,
    "cat .env",
];
/// Names of calls, the barred one more often than others.
const CALLED: &[&str] = &["Read", "Bash", "Bash", "<N>"];

/// What ends a line. Most streams keep to one.
const ENDS: &[&str] = &["\n", "\r\n", "\r"];

fn events(dialect: Dialect, choices: &mut Choices<'_>) -> Vec<String> {
    match dialect {
        Dialect::Messages => messages(choices),
        Dialect::Chat => chat(choices),
        Dialect::Responses => responses(choices),
    }
}

/// The bytes of a stream that nobody broke. In one dialect its events may be numbered.
pub fn sound(dialect: Dialect, is_numbered: bool, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut events = events(dialect, choices);
    if is_numbered {
        number(&mut events);
    }
    events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect()
}

fn number(events: &mut [String]) {
    for (number, event) in events.iter_mut().enumerate() {
        *event = event.replacen(',', &format!(r#","sequence_number":{number},"#), 1);
    }
}

/// The bytes of a stream. An event that nobody broke is one line of data.
pub fn build(dialect: Dialect, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut events = events(dialect, choices);
    if dialect == Dialect::Responses && choices.rarely(2) {
        number(&mut events);
    }
    while choices.rarely(3) && !events.is_empty() {
        break_one(&mut events, choices);
    }
    let mut out = Vec::new();
    let end = if choices.rarely(4) { choices.pick(ENDS) } else { "\n" };
    for event in events {
        if choices.rarely(12) {
            out.extend_from_slice(
                choices.pick(&[": hi", "id: 1", "retry: 5", "event: x", "\u{feff}", "data", "Data: {}"]).as_bytes(),
            );
            out.extend_from_slice(end.as_bytes());
        }
        let lead = choices.pick(&["data: ", "data: ", "data:", "data:  "]);
        out.extend_from_slice(format!("{lead}{event}{end}").as_bytes());
        if !choices.rarely(20) {
            out.extend_from_slice(end.as_bytes());
        }
    }
    out
}

fn break_one(events: &mut Vec<String>, choices: &mut Choices<'_>) {
    let at = choices.below(events.len());
    let other = choices.below(events.len());
    match choices.below(8) {
        0 => drop(events.remove(at)),
        1 => events.insert(other, events[at].clone()),
        2 => events.swap(at, other),
        3 => events[at] = choices.fill("<J>"),
        4 => {
            let cut = events[at].floor_char_boundary(choices.below(256));
            events[at].truncate(cut);
        }
        5 => {
            let member = choices.fill("\"z\":0<X>");
            events[at] = events[at].replacen('{', &format!("{{{member},"), 1);
        }
        6 => {
            let (from, to) = (choices.below(3), choices.below(4));
            events[at] = events[at].replace(&format!("index\":{from}"), &format!("index\":{to}"));
        }
        _ => {
            let names = ["Bash", "Read", "delta", "tool_use", "function_call", "id\":\"c0", "item"];
            let (from, to) = (choices.pick(&names), choices.fill_one(CALLED));
            events[at] = events[at].replacen(from, &to, 1);
        }
    }
}

/// An input in pieces, each as it stands between quotes.
fn pieces(choices: &mut Choices<'_>) -> Vec<String> {
    let input = choices.pick(INPUTS);
    let mut cuts: Vec<usize> =
        (0..choices.below(4)).map(|_| input.floor_char_boundary(choices.below(40).min(input.len()))).collect();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut from = 0;
    let mut piece = |to: usize| {
        let quoted = serde_json::Value::from(&input[std::mem::replace(&mut from, to)..to]).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    cuts.into_iter().map(&mut piece).collect()
}

fn messages(choices: &mut Choices<'_>) -> Vec<String> {
    let mut events = vec![choices.fill(r#"{"type":"message_start","message":{"model":"m","content":[]<X>}}"#)];
    for index in 0..choices.below(5) {
        let kind = choices.below(6);
        let start = match kind {
            0 => choices.fill(r#"{"type":"text","text":""<X>}"#),
            1 => choices.fill(r#"{"type":"thinking","thinking":"","signature":""}"#),
            2 => choices.fill(r#"{"type":"server_tool_use","id":"s0","name":"<N>","input":{}}"#),
            3 => choices.fill(r#"{"type":"web_search_tool_result","tool_use_id":"s0","content":<J>}"#),
            _ => {
                let name = choices.fill_one(CALLED);
                choices.fill(&format!(r#"{{"type":"tool_use","id":"c{index}","name":"{name}","input":{{}}<X>}}"#))
            }
        };
        events.push(format!(r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#));
        let (delta, member) = match kind {
            0 => ("text_delta", "text"),
            1 => ("thinking_delta", "thinking"),
            _ => ("input_json_delta", "partial_json"),
        };
        for piece in pieces(choices) {
            let delta = format!(r#"{{"type":"{delta}","{member}":"{piece}"}}"#);
            events.push(format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#));
        }
        events.push(format!(r#"{{"type":"content_block_stop","index":{index}}}"#));
    }
    let reason = choices.pick(&["tool_use", "end_turn", "max_tokens", "pause_turn"]);
    events.push(choices.fill(&format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}}<X>}}"#)));
    events.push(String::from(r#"{"type":"message_stop"}"#));
    events
}

fn chat(choices: &mut Choices<'_>) -> Vec<String> {
    let choice = choices.below(4) / 3;
    let chunk = |delta: &str, reason: &str| {
        format!(r#"{{"id":"c","choices":[{{"index":{choice},"delta":{{{delta}}},"finish_reason":{reason}}}]}}"#)
    };
    let mut events = vec![chunk(r#""role":"assistant","content":"""#, "null")];
    let mut number = 0;
    for _ in 0..choices.below(5) {
        match choices.below(6) {
            0 => events.push(chunk(&choices.fill(r#""content":"text"<X>"#), "null")),
            1 => {
                let name = choices.fill_one(CALLED);
                events.push(chunk(&format!(r#""function_call":{{"name":"{name}","arguments":""}}"#), "null"));
                let more = pieces(choices);
                events.extend(
                    more.iter().map(|piece| chunk(&format!(r#""function_call":{{"arguments":"{piece}"}}"#), "null")),
                );
            }
            kind => {
                let name = choices.fill_one(CALLED);
                let (body, member) = if kind == 2 { ("custom", "input") } else { ("function", "arguments") };
                for (at, piece) in pieces(choices).iter().enumerate() {
                    let head = if at == 0 { format!(r#""id":"c{number}","type":"{body}","#) } else { String::new() };
                    let name = if at == 0 { format!(r#""name":"{name}","#) } else { String::new() };
                    let entry = choices
                        .fill(&format!(r#"{{"index":{number},{head}"{body}":{{{name}"{member}":"{piece}"}}<X>}}"#));
                    events.push(chunk(&format!(r#""tool_calls":[{entry}]"#), "null"));
                }
                number += 1;
            }
        }
    }
    let reason = choices.pick(&["\"tool_calls\"", "\"stop\"", "\"length\"", "null"]);
    events.push(chunk("", reason));
    events.push(choices.fill(r#"{"id":"c","choices":[],"usage":{"prompt_tokens":<I>,"completion_tokens":1}<X>}"#));
    events.push(String::from("[DONE]"));
    events
}

fn responses(choices: &mut Choices<'_>) -> Vec<String> {
    let mut events = vec![String::from(r#"{"type":"response.created","#) + r#""response":{"id":"r","output":[]}}"#];
    let mut output = Vec::new();
    for index in 0..choices.below(5) {
        let kind = choices.below(6);
        let name = choices.fill_one(CALLED);
        let pieces = pieces(choices);
        let (call, member, stem) = match kind {
            0 => ("message", "z", "output_text"),
            1 => ("custom_tool_call", "input", "custom_tool_call_input"),
            2 => ("web_search_call", "z", "web_search"),
            _ => ("function_call", "arguments", "function_call_arguments"),
        };
        let extra = choices.fill("<X>");
        let item = |input: &str| {
            format!(
                r#"{{"id":"f{index}","type":"{call}","call_id":"c{index}","name":"{name}","{member}":"{input}"{extra}}}"#
            )
        };
        let event = |kind: &str, rest: &str| format!(r#"{{"type":"response.{kind}","output_index":{index},{rest}}}"#);
        events.push(event("output_item.added", &format!(r#""item":{}"#, item(""))));
        for piece in &pieces {
            events.push(event(&format!("{stem}.delta"), &format!(r#""item_id":"f{index}","delta":"{piece}""#)));
        }
        let whole = pieces.concat();
        events.push(event(&format!("{stem}.done"), &format!(r#""item_id":"f{index}","{member}":"{whole}""#)));
        events.push(event("output_item.done", &format!(r#""item":{}"#, item(&whole))));
        output.push(item(&whole));
    }
    let kind = choices.pick(&["completed", "completed", "incomplete", "failed"]);
    let last = format!(
        r#"{{"type":"response.{kind}","response":{{"id":"r","status":"{kind}","output":[{}]<X>}}}}"#,
        output.join(",")
    );
    events.push(choices.fill(&last));
    events
}
