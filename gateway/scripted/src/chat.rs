//! OpenAI's Chat Completions dialect.

use crate::events::{Event, Events, add_unknown, pieces, words};
use crate::json::{Json, obj};
use crate::problem::Problem;
use crate::said::{Said, SaidCall};

/// The reply as events.
pub(crate) fn stream(said: &Said<'_>) -> Vec<Event> {
    let mut events = Events::new(said.reply.manner.unknown);
    let opening = if said.text().is_some() { Json::from("") } else { Json::Null };
    let role = obj! { "role": "assistant", "content": opening, "refusal": Json::Null };
    push(&mut events, said, 0, role);
    // OpenAI keeps its thoughts to itself; this is how the others tell them in this dialect.
    for word in said.thinking().map(words).unwrap_or_default() {
        push(&mut events, said, word.len(), obj! { "reasoning_content": word });
    }
    for word in said.text().map(words).unwrap_or_default() {
        push(&mut events, said, word.len(), obj! { "content": word });
    }
    for (index, call) in said.calls.iter().enumerate() {
        call_events(&mut events, said, index, call);
    }
    events.push(None, 0, chunk(said, obj! {}, stop(said).into()));
    if wants_usage(said) {
        let mut last = envelope(said, "chat.completion.chunk", Vec::new());
        last.put("usage", usage(said));
        events.push(None, 0, last);
    }
    events.done();
    events.into_list()
}

/// The reply as one JSON document.
pub(crate) fn whole(said: &Said<'_>) -> Json {
    let mut message = obj! { "role": "assistant", "content": said.text() };
    if let Some(thinking) = said.thinking() {
        message.put("reasoning_content", thinking);
    }
    if !said.calls.is_empty() {
        let calls = said.calls.iter().map(|call| whole_call(call, call.arguments)).collect();
        message.put("tool_calls", Json::List(calls));
    }
    message.put("refusal", Json::Null);
    message.put("annotations", Vec::new());
    let choice = obj! {
        "index": 0_u64,
        "message": message,
        "logprobs": Json::Null,
        "finish_reason": stop(said),
    };
    let mut completion = envelope(said, "chat.completion", vec![choice]);
    completion.put("usage", usage(said));
    if said.reply.manner.unknown {
        add_unknown(&mut completion);
    }
    completion
}

/// The event that ends a stream that went wrong.
pub(crate) fn failure(kind: &str, message: &str) -> Event {
    let error = obj! {
        "message": message, "type": kind, "param": Json::Null, "code": Json::Null,
    };
    Event { name: None, data: obj! { "error": error }.to_string(), weight: 0 }
}

/// The body of a response that refuses; the Responses dialect has the same.
pub(crate) fn problem(problem: &Problem) -> Json {
    obj! {
        "error": obj! {
            "message": &*problem.message,
            "type": &*problem.kind,
            "param": problem.param.as_deref(),
            "code": problem.code.as_deref(),
        },
    }
}

fn call_events(events: &mut Events, said: &Said<'_>, index: usize, call: &SaidCall<'_>) {
    let mut opening = obj! { "index": index };
    opening.extend(whole_call(call, ""));
    push(events, said, 0, obj! { "tool_calls": vec![opening] });
    for piece in pieces(call.arguments, call.pieces) {
        let part = if call.custom {
            obj! { "index": index, "custom": obj! { "input": piece } }
        } else {
            obj! { "index": index, "function": obj! { "arguments": piece } }
        };
        push(events, said, piece.len(), obj! { "tool_calls": vec![part] });
    }
}

fn whole_call(call: &SaidCall<'_>, arguments: &str) -> Json {
    if call.custom {
        let custom = obj! { "name": call.tool, "input": arguments };
        obj! { "id": &*call.id, "type": "custom", "custom": custom }
    } else {
        let function = obj! { "name": call.tool, "arguments": arguments };
        obj! { "id": &*call.id, "type": "function", "function": function }
    }
}

fn push(events: &mut Events, said: &Said<'_>, weight: usize, delta: Json) {
    events.push(None, weight, chunk(said, delta, Json::Null));
}

fn chunk(said: &Said<'_>, delta: Json, finish: Json) -> Json {
    let choice = obj! {
        "index": 0_u64, "delta": delta, "logprobs": Json::Null, "finish_reason": finish,
    };
    let mut chunk = envelope(said, "chat.completion.chunk", vec![choice]);
    if wants_usage(said) {
        chunk.put("usage", Json::Null);
    }
    chunk
}

fn envelope(said: &Said<'_>, object: &str, choices: Vec<Json>) -> Json {
    obj! {
        "id": said.ids.id("chatcmpl-", 0),
        "object": object,
        "created": said.created,
        "model": said.ask.model(),
        "service_tier": "default",
        "system_fingerprint": "fp_5c71d3a0e4",
        "choices": choices,
    }
}

fn wants_usage(said: &Said<'_>) -> bool {
    said.ask.body.get("stream_options").is_some_and(|options| options.is_true("include_usage"))
}

fn usage(said: &Said<'_>) -> Json {
    let tokens = &said.tokens;
    obj! {
        "prompt_tokens": tokens.all_input(),
        "completion_tokens": tokens.output,
        "total_tokens": tokens.all_input().saturating_add(tokens.output),
        "prompt_tokens_details": obj! {
            "cached_tokens": tokens.cache_read,
            "cache_write_tokens": tokens.cache_write,
            "audio_tokens": 0_u64,
        },
        "completion_tokens_details": obj! {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0_u64,
            "accepted_prediction_tokens": 0_u64,
            "rejected_prediction_tokens": 0_u64,
        },
    }
}

fn stop<'a>(said: &Said<'a>) -> &'a str {
    let usual = if said.calls.is_empty() { "stop" } else { "tool_calls" };
    said.reply.stop.as_deref().unwrap_or(usual)
}

#[cfg(test)]
mod tests;
