//! Anthropic's Messages API.

pub mod bar;
pub mod cut;
pub mod history;
pub mod reply;
pub mod request;
pub mod splice;
mod tools;
pub mod turn;

use crate::wire::event::Frame;
use crate::wire::json;

/// An event of ours; `rest` is what its object holds beside its type, each member behind a comma.
fn written(name: &str, rest: &str) -> Frame {
    Frame::written(Some(name), &format!("{{\"type\":\"{name}\"{rest}}}"))
}

/// The events by which a text block arrives.
fn text_block(index: u64, text: &str) -> Vec<Frame> {
    let block = ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}";
    vec![
        written("content_block_start", &format!(",\"index\":{index}{block}")),
        text_delta(index, text),
        written("content_block_stop", &format!(",\"index\":{index}")),
    ]
}

fn text_delta(index: u64, text: &str) -> Frame {
    let delta = format!("{{\"type\":\"text_delta\",\"text\":{}}}", json::quote(text));
    written("content_block_delta", &format!(",\"index\":{index},\"delta\":{delta}"))
}

/// A call as a content block; `input` is JSON.
fn tool_use(id: &str, name: &str, input: &str) -> String {
    let (id, name) = (json::quote(id), json::quote(name));
    format!("{{\"type\":\"tool_use\",\"id\":{id},\"name\":{name},\"input\":{input}}}")
}
