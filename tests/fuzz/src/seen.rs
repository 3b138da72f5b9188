//! What an agent sees in a reply: read by serde's parser, as the SDKs put calls together, and not
//! by anything of ours.

use std::collections::BTreeMap;

use jetway_core::wire::Dialect;
use serde_json::Value;

use crate::loose::{get, items, text};

/// A call as an agent would run it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub input: String,
    /// Whether the reply said that it is whole.
    pub is_whole: bool,
}

/// The events of a stream, as its standard says: lines of data are joined. What is no JSON says
/// nothing.
#[must_use]
pub fn events(stream: &[u8]) -> Vec<Value> {
    let stream = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let mut found = Vec::new();
    for event in stream.split("\n\n") {
        let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
        let data: Vec<&str> = data.map(|data| data.strip_prefix(' ').unwrap_or(data)).collect();
        found.extend(serde_json::from_str::<Value>(&data.join("\n")).ok());
    }
    found
}

/// The calls that a stream makes.
#[must_use]
pub fn calls(dialect: Dialect, events: &[Value]) -> Vec<Call> {
    match dialect {
        Dialect::Messages => messages(events),
        Dialect::Chat => chat(events),
        Dialect::Responses => responses(events),
    }
}

/// The calls that a reply makes which is no stream.
#[must_use]
pub fn calls_of_whole(dialect: Dialect, reply: &Value) -> Vec<Call> {
    match dialect {
        Dialect::Messages => items(reply, "content").filter_map(block).collect(),
        Dialect::Chat => {
            let messages: Vec<&Value> = items(reply, "choices").filter_map(|choice| get(choice, "message")).collect();
            messages.into_iter().flat_map(entries).map(|(_, call)| Call { is_whole: true, ..call }).collect()
        }
        Dialect::Responses => items(reply, "output").filter_map(item).collect(),
    }
}

fn block(block: &Value) -> Option<Call> {
    text(block, "type").filter(|kind| kind.ends_with("tool_use"))?;
    let input = get(block, "input").map(Value::to_string).unwrap_or_default();
    Some(Call { name: text(block, "name")?.to_owned(), input, is_whole: true })
}

fn messages(events: &[Value]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        let index = get(event, "index").and_then(Value::as_u64).unwrap_or_default();
        match text(event, "type") {
            Some("message_start") => {
                calls.extend(
                    get(event, "message").into_iter().flat_map(|message| items(message, "content")).filter_map(block),
                );
            }
            Some("content_block_start") => {
                open.remove(&index);
                if let Some(call) = get(event, "content_block").and_then(block) {
                    open.insert(index, calls.len());
                    calls.push(Call { is_whole: false, ..call });
                }
            }
            Some("content_block_delta") => {
                let piece = get(event, "delta").and_then(|delta| text(delta, "partial_json")).unwrap_or_default();
                if let Some(at) = open.get(&index).filter(|_| !piece.is_empty()) {
                    let input = &mut calls[*at].input;
                    // The input that it begins with is an empty object, which the pieces replace.
                    *input = if input == "{}" { piece.to_owned() } else { format!("{input}{piece}") };
                }
            }
            Some("content_block_stop") => {
                if let Some(at) = open.remove(&index) {
                    calls[at].is_whole = true;
                }
            }
            _ => {}
        }
    }
    calls
}

/// The pieces of calls in a message or a delta, by index; the older spelling has none.
fn entries(message: &Value) -> Vec<(Option<u64>, Call)> {
    let part = |holder: &Value, name: &str| text(holder, name).unwrap_or_default().to_owned();
    let listed = items(message, "tool_calls").enumerate().flat_map(|(at, entry)| {
        let index = get(entry, "index").and_then(Value::as_u64).unwrap_or(at as u64);
        let bodies = [(get(entry, "function"), "arguments"), (get(entry, "custom"), "input")];
        let call = move |(body, input): (Option<&Value>, &str)| {
            Some((Some(index), Call { name: part(body?, "name"), input: part(body?, input), is_whole: false }))
        };
        bodies.into_iter().filter_map(call).collect::<Vec<_>>()
    });
    let old = get(message, "function_call").filter(|old| !old.is_null());
    let old = old.map(|old| (None, Call { name: part(old, "name"), input: part(old, "arguments"), is_whole: false }));
    listed.chain(old).collect()
}

/// Puts pieces of one index together, as OpenAI's SDKs do; a name replaces another.
fn chat(events: &[Value]) -> Vec<Call> {
    let mut calls: BTreeMap<(u64, Option<u64>), Call> = BTreeMap::new();
    for (at, choice) in events.iter().flat_map(|event| items(event, "choices").enumerate()) {
        let number = get(choice, "index").and_then(Value::as_u64).unwrap_or(at as u64);
        for message in ["delta", "message"].iter().filter_map(|name| get(choice, name)) {
            for (index, piece) in entries(message) {
                let call = calls.entry((number, index)).or_default();
                call.input.push_str(&piece.input);
                if !piece.name.is_empty() {
                    call.name = piece.name;
                }
            }
        }
        if text(choice, "finish_reason").is_some_and(|reason| !reason.is_empty()) {
            calls.iter_mut().filter(|((of, _), _)| *of == number).for_each(|(_, call)| call.is_whole = true);
        }
    }
    calls.into_values().collect()
}

fn item(item: &Value) -> Option<Call> {
    text(item, "type").filter(|kind| kind.ends_with("_call"))?;
    let input = text(item, "arguments").or_else(|| text(item, "input")).unwrap_or_default();
    Some(Call { name: text(item, "name")?.to_owned(), input: input.to_owned(), is_whole: true })
}

fn responses(events: &[Value]) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut open: BTreeMap<u64, Call> = BTreeMap::new();
    for event in events {
        let index = get(event, "output_index").and_then(Value::as_u64).unwrap_or_default();
        let response = get(event, "response").into_iter().flat_map(|response| items(response, "output"));
        calls.extend(response.chain(items(event, "output")).filter_map(item));
        match (text(event, "type").unwrap_or_default(), get(event, "item").and_then(item)) {
            ("response.output_item.added", Some(call)) => {
                drop(open.insert(index, Call { input: String::new(), ..call }))
            }
            (_, Some(call)) => calls.push(call),
            (kind, None) if kind.ends_with(".delta") => {
                let piece = text(event, "delta").unwrap_or_default();
                open.entry(index).and_modify(|call| call.input.push_str(piece));
            }
            (kind, None) if kind.ends_with(".done") => {
                let whole = text(event, "arguments").or_else(|| text(event, "input"));
                let known = open.get(&index).cloned();
                calls.extend(known.zip(whole).map(|(call, whole)| Call { input: whole.to_owned(), ..call }));
            }
            _ => {}
        }
    }
    calls.extend(open.into_values().filter(|call| !call.input.is_empty()));
    calls
}

/// Whether the numbers of a stream are as its dialect has them: no gap, nothing twice, and nothing
/// said of what did not begin. The name of the first event that is out of order.
#[must_use]
pub fn disorder(dialect: Dialect, events: &[Value]) -> Option<String> {
    let mut order = Order::default();
    events.iter().find(|event| !order.takes(dialect, event)).map(Value::to_string)
}

fn kind_of(item: Option<&Value>) -> String {
    item.and_then(|item| text(item, "type")).unwrap_or_default().to_owned()
}

#[derive(Default)]
struct Order {
    next: u64,
    open: Option<u64>,
    /// The kinds of the items that began.
    kinds: Vec<String>,
    /// By choice, the number of calls that began.
    begun: BTreeMap<u64, u64>,
    sequence: Option<u64>,
    is_over: bool,
}

impl Order {
    fn takes(&mut self, dialect: Dialect, event: &Value) -> bool {
        let number = |name: &str| event.get(name).and_then(Value::as_u64);
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        match dialect {
            Dialect::Messages => {
                let (index, is_over) = (number("index"), self.is_over);
                match kind {
                    "content_block_start" => {
                        self.next += 1;
                        let fits = self.open.is_none() && index == Some(self.next - 1);
                        self.open = index;
                        fits && !is_over
                    }
                    "content_block_delta" => index.is_some() && self.open == index,
                    "content_block_stop" => index.is_some() && self.open.take() == index,
                    "message_delta" | "message_stop" => {
                        self.is_over = true;
                        self.open.is_none()
                    }
                    // Of what is not known nobody can tell what its number means.
                    _ => index.is_none(),
                }
            }
            Dialect::Chat => items(event, "choices").all(|choice| self.takes_choice(choice)),
            Dialect::Responses => {
                let follows = match (self.sequence, number("sequence_number")) {
                    (Some(before), Some(now)) => now == before + 1,
                    (None, Some(now)) => now == 0 && self.next == 0,
                    (before, None) => before.is_none() && event.get("sequence_number").is_none(),
                };
                self.sequence = number("sequence_number");
                let index = number("output_index");
                let fits = match kind {
                    "response.output_item.added" => {
                        self.next += 1;
                        self.kinds.push(kind_of(event.get("item")));
                        // What begins without its item nobody can tell from what ends there.
                        self.open.is_none() && index == Some(self.next - 1) && event.get("item").is_some()
                    }
                    _ => index.is_none() || index.is_some() && self.open == index,
                };
                self.open = if kind == "response.output_item.done" { None } else { index.or(self.open) };
                // An item that is repeated as another kind than it was is another item.
                let whole = event.pointer("/response/output").and_then(Value::as_array);
                let whole: Option<Vec<String>> =
                    whole.map(|list| list.iter().map(|item| kind_of(Some(item))).collect());
                let is_last = ["response.completed", "response.incomplete"].contains(&kind);
                follows && fits && (!is_last || whole.is_none_or(|whole| whole == self.kinds))
            }
        }
    }

    fn takes_choice(&mut self, choice: &Value) -> bool {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or_default();
        let begun = self.begun.entry(index).or_default();
        let entries = choice.pointer("/delta/tool_calls").and_then(Value::as_array);
        entries.into_iter().flatten().all(|entry| {
            let number = entry.get("index").and_then(Value::as_u64);
            let is_new = entry.pointer("/function/name").or_else(|| entry.pointer("/custom/name")).is_some();
            *begun += u64::from(is_new);
            number.is_some_and(|number| number + 1 == *begun)
        })
    }
}
