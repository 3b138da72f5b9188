//! Anthropic's Messages dialect.

use crate::events::{Event, Events, add_unknown, pieces, words};
use crate::json::{Json, obj};
use crate::problem::Problem;
use crate::said::{Ids, Said, SaidCall};

/// The reply as events.
pub(crate) fn stream(said: &Said<'_>) -> Vec<Event> {
    let mut events = Events::new(said.reply.manner.unknown);
    let message = message(said, Vec::new(), Json::Null, usage(said, said.tokens.output.min(1)));
    push(&mut events, "message_start", 0, obj! { "message": message });
    if events.is_unknown() {
        push(&mut events, "scripted_unknown", 0, obj! { "note": "no client knows this event" });
    }
    let mut index = 0;
    if let Some(thinking) = said.thinking() {
        thinking_block(&mut events, index, said, thinking);
        index += 1;
    }
    if let Some(text) = said.text() {
        start(&mut events, index, obj! { "type": "text", "text": "" });
        for word in words(text) {
            delta(&mut events, index, word.len(), obj! { "type": "text_delta", "text": word });
        }
        push(&mut events, "content_block_stop", 0, obj! { "index": index });
        index += 1;
    }
    for call in &said.calls {
        call_block(&mut events, index, call);
        index += 1;
    }
    let end = obj! {
        "delta": obj! { "stop_reason": stop(said), "stop_sequence": Json::Null },
        "usage": usage_at_end(said),
    };
    push(&mut events, "message_delta", 0, end);
    push(&mut events, "message_stop", 0, obj! {});
    events.into_list()
}

/// The reply as one JSON document.
pub(crate) fn whole(said: &Said<'_>) -> Json {
    let mut content = Vec::new();
    if let Some(thinking) = said.thinking() {
        let shown = if is_omitted(said) { "" } else { thinking };
        content.push(obj! {
            "type": "thinking", "thinking": shown, "signature": signature(thinking),
        });
    }
    if let Some(text) = said.text() {
        content.push(obj! { "type": "text", "text": text });
    }
    for call in &said.calls {
        let input = Json::raw(&arguments(call));
        content.push(obj! { "type": "tool_use", "id": &*call.id, "name": call.tool, "input": input });
    }
    let usage = usage(said, said.tokens.output);
    let mut message = message(said, content, stop(said).into(), usage);
    if said.reply.manner.unknown {
        add_unknown(&mut message);
    }
    message
}

/// The event that ends a stream that went wrong.
pub(crate) fn failure(kind: &str, message: &str) -> Event {
    let error = obj! { "type": kind, "message": message };
    let data = obj! { "type": "error", "error": error };
    Event { name: Some("error"), data: data.to_string(), weight: 0 }
}

/// The body of a response that refuses.
pub(crate) fn problem(problem: &Problem, request_id: &str) -> Json {
    obj! {
        "type": "error",
        "error": obj! { "type": &*problem.kind, "message": &*problem.message },
        "request_id": request_id,
    }
}

fn message(said: &Said<'_>, content: Vec<Json>, stop: Json, usage: Json) -> Json {
    obj! {
        "model": said.ask.model(),
        "id": said.ids.id("msg_01", 0),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": Json::Null,
        "usage": usage,
    }
}

fn usage(said: &Said<'_>, output: u64) -> Json {
    let tokens = &said.tokens;
    obj! {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": obj! {
            "ephemeral_5m_input_tokens": tokens.cache_write.saturating_sub(tokens.cache_write_1h),
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": output,
        "service_tier": "standard",
    }
}

/// The counts of a stream are cumulative, so the last ones are for the whole of it.
fn usage_at_end(said: &Said<'_>) -> Json {
    let tokens = &said.tokens;
    obj! {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "output_tokens": tokens.output,
    }
}

fn stop<'a>(said: &Said<'a>) -> &'a str {
    let usual = if said.calls.is_empty() { "end_turn" } else { "tool_use" };
    said.reply.stop.as_deref().unwrap_or(usual)
}

fn thinking_block(events: &mut Events, index: usize, said: &Said<'_>, thinking: &str) {
    start(events, index, obj! { "type": "thinking", "thinking": "", "signature": "" });
    if !is_omitted(said) {
        for word in words(thinking) {
            let said = obj! { "type": "thinking_delta", "thinking": word };
            delta(events, index, word.len(), said);
        }
    }
    // Thought that is not shown is paid for all the same.
    let weight = if is_omitted(said) { thinking.len() } else { 0 };
    let signed = obj! { "type": "signature_delta", "signature": signature(thinking) };
    delta(events, index, weight, signed);
    push(events, "content_block_stop", 0, obj! { "index": index });
}

fn call_block(events: &mut Events, index: usize, call: &SaidCall<'_>) {
    let block = obj! { "type": "tool_use", "id": &*call.id, "name": call.tool, "input": obj! {} };
    start(events, index, block);
    let arguments = arguments(call);
    for piece in std::iter::once("").chain(pieces(&arguments, call.pieces)) {
        let said = obj! { "type": "input_json_delta", "partial_json": piece };
        delta(events, index, piece.len(), said);
    }
    push(events, "content_block_stop", 0, obj! { "index": index });
}

/// This dialect has no raw input: a custom call is one whose only argument is the text.
fn arguments(call: &SaidCall<'_>) -> String {
    if call.custom { obj! { "input": call.arguments }.to_string() } else { call.arguments.to_owned() }
}

/// Whether the caller asked not to be shown the thinking, only its signature.
fn is_omitted(said: &Said<'_>) -> bool {
    let thinking = said.ask.body.get("thinking");
    thinking.and_then(|thinking| thinking.text("display")) == Some("omitted")
}

fn signature(thinking: &str) -> String {
    format!("EqQB{}==", Ids::new(thinking).letters("signature", 0, 170))
}

fn start(events: &mut Events, index: usize, block: Json) {
    push(events, "content_block_start", 0, obj! { "index": index, "content_block": block });
    if index == 0 {
        push(events, "ping", 0, obj! {});
    }
}

fn delta(events: &mut Events, index: usize, weight: usize, said: Json) {
    push(events, "content_block_delta", weight, obj! { "index": index, "delta": said });
}

fn push(events: &mut Events, kind: &'static str, weight: usize, fields: Json) {
    let mut data = obj! { "type": kind };
    data.extend(fields);
    events.push(Some(kind), weight, data);
}

#[cfg(test)]
mod tests;
