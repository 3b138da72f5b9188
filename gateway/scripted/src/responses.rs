//! OpenAI's Responses dialect.

use crate::events::{Event, Events, add_unknown, pieces, words};
use crate::json::{Json, obj};
use crate::said::{Ids, Said, SaidCall};

/// The reply as events.
pub(crate) fn stream(said: &Said<'_>) -> Vec<Event> {
    let mut events = Events::new(said.reply.manner.unknown);
    let begun = response(said, "in_progress", Vec::new(), Json::Null);
    push(&mut events, "response.created", 0, obj! { "response": &begun });
    push(&mut events, "response.in_progress", 0, obj! { "response": begun });
    if events.is_unknown() {
        push(&mut events, "response.scripted_unknown", 0, obj! { "note": "nobody knows this" });
    }
    let mut place = 0;
    if let Some(thinking) = said.thinking() {
        reasoning_events(&mut events, place, said, thinking);
        place += 1;
    }
    if let Some(text) = said.text() {
        message_events(&mut events, place, said, text);
        place += 1;
    }
    for (index, call) in said.calls.iter().enumerate() {
        call_events(&mut events, place + index, &item_id(said, index, call), call);
    }
    let (status, _) = ending(said);
    let last = if status == "completed" { "response.completed" } else { "response.incomplete" };
    let response = response(said, status, output(said), usage(said));
    push(&mut events, last, 0, obj! { "response": response });
    events.into_list()
}

/// The reply as one JSON document.
pub(crate) fn whole(said: &Said<'_>) -> Json {
    let mut response = response(said, ending(said).0, output(said), usage(said));
    if said.reply.manner.unknown {
        add_unknown(&mut response);
    }
    response
}

/// The event that ends a stream that went wrong, after so many others.
pub(crate) fn failure(said: &Said<'_>, after: usize, kind: &str, message: &str) -> Event {
    let mut failed = response(said, "failed", Vec::new(), Json::Null);
    failed.set("error", obj! { "code": kind, "message": message });
    let data = obj! {
        "type": "response.failed", "sequence_number": after, "response": failed,
    };
    Event { name: Some("response.failed"), data: data.to_string(), weight: 0 }
}

/// A stop reason other than `completed` is why the response is incomplete.
fn ending<'a>(said: &Said<'a>) -> (&'static str, Option<&'a str>) {
    match said.reply.stop.as_deref() {
        None | Some("completed") => ("completed", None),
        Some("incomplete") => ("incomplete", Some("max_output_tokens")),
        Some(reason) => ("incomplete", Some(reason)),
    }
}

/// The finished items.
fn output(said: &Said<'_>) -> Vec<Json> {
    let reasoning = said.thinking().map(|thinking| reasoning(said, Some(thinking)));
    let message = said.text().map(|text| message(said, "completed", vec![part(text)]));
    let calls = said.calls.iter().enumerate();
    let calls = calls.map(|(index, call)| item(call, &item_id(said, index, call), "completed", call.arguments));
    reasoning.into_iter().chain(message).chain(calls).collect()
}

fn reasoning_events(events: &mut Events, place: usize, said: &Said<'_>, thinking: &str) {
    let at = |more: Json| {
        let mut fields = obj! {
            "item_id": said.ids.id("rs_", 0), "output_index": place, "summary_index": 0_u64,
        };
        fields.extend(more);
        fields
    };
    let summary = |text: &str| obj! { "type": "summary_text", "text": text };
    added(events, place, reasoning(said, None));
    let opening = at(obj! { "part": summary("") });
    push(events, "response.reasoning_summary_part.added", 0, opening);
    for word in words(thinking) {
        let fields = at(obj! { "delta": word });
        push(events, "response.reasoning_summary_text.delta", word.len(), fields);
    }
    let text = at(obj! { "text": thinking });
    push(events, "response.reasoning_summary_text.done", 0, text);
    let closing = at(obj! { "part": summary(thinking) });
    push(events, "response.reasoning_summary_part.done", 0, closing);
    done(events, place, reasoning(said, Some(thinking)));
}

fn message_events(events: &mut Events, place: usize, said: &Said<'_>, text: &str) {
    let at = |more: Json| {
        let mut fields = obj! {
            "item_id": said.ids.id("msg_", 0), "output_index": place, "content_index": 0_u64,
        };
        fields.extend(more);
        fields
    };
    added(events, place, message(said, "in_progress", Vec::new()));
    push(events, "response.content_part.added", 0, at(obj! { "part": part("") }));
    for word in words(text) {
        let fields = at(obj! { "delta": word, "logprobs": Vec::new() });
        push(events, "response.output_text.delta", word.len(), fields);
    }
    let whole = at(obj! { "text": text, "logprobs": Vec::new() });
    push(events, "response.output_text.done", 0, whole);
    push(events, "response.content_part.done", 0, at(obj! { "part": part(text) }));
    done(events, place, message(said, "completed", vec![part(text)]));
}

fn call_events(events: &mut Events, place: usize, id: &str, call: &SaidCall<'_>) {
    let (delta, all, key) = if call.custom {
        ("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input")
    } else {
        ("response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments")
    };
    added(events, place, item(call, id, "in_progress", ""));
    for piece in pieces(call.arguments, call.pieces) {
        let fields = obj! { "item_id": id, "output_index": place, "delta": piece };
        push(events, delta, piece.len(), fields);
    }
    let mut whole = obj! { "item_id": id, "output_index": place };
    whole.put(key, call.arguments);
    push(events, all, 0, whole);
    done(events, place, item(call, id, "completed", call.arguments));
}

/// A reasoning item: empty at its start, then with its summary.
fn reasoning(said: &Said<'_>, thinking: Option<&str>) -> Json {
    let summary = thinking.map(|text| obj! { "type": "summary_text", "text": text });
    let mut item = obj! {
        "id": said.ids.id("rs_", 0),
        "type": "reasoning",
        "summary": summary.into_iter().collect::<Vec<_>>(),
    };
    let is_wanted = |wish: &Json| *wish == Json::from("reasoning.encrypted_content");
    if said.ask.body.list("include").iter().any(is_wanted) {
        let secret = Ids::new(thinking.unwrap_or_default()).letters("encrypted", 0, 120);
        item.put("encrypted_content", format!("gAAAAAB{secret}=="));
    }
    item
}

fn message(said: &Said<'_>, status: &str, content: Vec<Json>) -> Json {
    obj! {
        "id": said.ids.id("msg_", 0),
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    }
}

fn part(text: &str) -> Json {
    obj! { "type": "output_text", "annotations": Vec::new(), "logprobs": Vec::new(), "text": text }
}

fn item_id(said: &Said<'_>, index: usize, call: &SaidCall<'_>) -> String {
    said.ids.id(if call.custom { "ctc_" } else { "fc_" }, index)
}

fn item(call: &SaidCall<'_>, id: &str, status: &str, arguments: &str) -> Json {
    let (kind, key) = if call.custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
    let mut item = obj! { "id": id, "type": kind, "status": status };
    item.put(key, arguments);
    item.put("call_id", &*call.id);
    item.put("name", call.tool);
    if let Some(namespace) = call.namespace {
        item.put("namespace", namespace);
    }
    item
}

fn usage(said: &Said<'_>) -> Json {
    let tokens = &said.tokens;
    obj! {
        "input_tokens": tokens.all_input(),
        "input_tokens_details": obj! {
            "cached_tokens": tokens.cache_read,
            "cache_write_tokens": tokens.cache_write,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": obj! { "reasoning_tokens": tokens.reasoning },
        "total_tokens": tokens.all_input().saturating_add(tokens.output),
    }
}

/// The response object, which tells the request's own settings again.
fn response(said: &Said<'_>, status: &str, output: Vec<Json>, usage: Json) -> Json {
    let reason = if status == "incomplete" { ending(said).1 } else { None };
    let told = |key: &str, usual: Json| said.ask.body.get(key).cloned().unwrap_or(usual);
    obj! {
        "id": said.ids.id("resp_", 0),
        "object": "response",
        "created_at": said.created,
        "status": status,
        "background": false,
        "error": Json::Null,
        "incomplete_details": reason.map(|reason| obj! { "reason": reason }),
        "instructions": told("instructions", Json::Null),
        "max_output_tokens": told("max_output_tokens", Json::Null),
        "model": said.ask.model(),
        "output": output,
        "parallel_tool_calls": told("parallel_tool_calls", true.into()),
        "previous_response_id": told("previous_response_id", Json::Null),
        "prompt_cache_key": told("prompt_cache_key", Json::Null),
        "reasoning": told("reasoning", obj! { "effort": Json::Null, "summary": Json::Null }),
        "service_tier": "default",
        "store": told("store", true.into()),
        "temperature": told("temperature", 1_u64.into()),
        "text": told("text", obj! { "format": obj! { "type": "text" } }),
        "tool_choice": told("tool_choice", "auto".into()),
        "tools": told("tools", Json::List(Vec::new())),
        "top_p": told("top_p", 1_u64.into()),
        "truncation": told("truncation", "disabled".into()),
        "usage": usage,
        "user": told("user", Json::Null),
        "metadata": told("metadata", obj! {}),
    }
}

fn added(events: &mut Events, place: usize, item: Json) {
    push(events, "response.output_item.added", 0, obj! { "output_index": place, "item": item });
}

fn done(events: &mut Events, place: usize, item: Json) {
    push(events, "response.output_item.done", 0, obj! { "output_index": place, "item": item });
}

fn push(events: &mut Events, kind: &'static str, weight: usize, fields: Json) {
    let mut data = obj! { "type": kind, "sequence_number": events.len() };
    data.extend(fields);
    events.push(Some(kind), weight, data);
}

#[cfg(test)]
mod tests;
