//! What looking costs: reading a body, pruning its tools, guarding a reply. `cargo bench -p jetway-core`
//! reports; nothing here is asserted.

use std::sync::Arc;

use bytes::Bytes;
use divan::counter::BytesCount;
use jetway_core::policy::lockdown::{Rules, Setting, Warden};
use jetway_core::stream::guard::Guard;
use jetway_core::stream::meter::Meter;
use jetway_core::stream::{Pipe, Steps, through, write};
use jetway_core::tokens::{Family, count};
use jetway_core::wire::event::{Frame, Shape};
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;
use jetway_core::wire::{Broken, Dialect};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// A conversation as agents send it: 20 tools, then code going back and forth, full of escapes.
fn body(size: usize) -> Bytes {
    let schema = json!({ "type": "object", "properties": { "file_path": { "type": "string", "description": "A path. ".repeat(60) } } });
    let tools: Vec<Value> = (0..20)
        .map(|n| json!({ "name": format!("Tool{n}"), "description": "Does it. ".repeat(90), "input_schema": schema }))
        .collect();
    let code = "fn main() {\n\tprintln!(\"{}\", \"a \\\"quoted\\\" word\");\n}\n".repeat(40);
    let mut messages = vec![json!({ "role": "user", "content": "Fix it." })];
    let mut length = 0;
    while length < size {
        let id = format!("toolu_{length}");
        messages.push(json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": id, "name": "Tool1", "input": { "file_path": "a.rs" } }] }));
        messages.push(
            json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": code }] }),
        );
        length += code.len() * 5 / 4;
    }
    json!({ "model": "claude-x", "max_tokens": 1000, "tools": tools, "messages": messages }).to_string().into()
}

const SIZES: [usize; 3] = [30_000, 1_000_000, 4_000_000];

#[divan::bench(args = SIZES)]
fn read_a_body(bencher: divan::Bencher<'_, '_>, size: usize) {
    let body = body(size);
    bencher.counter(BytesCount::new(body.len())).bench(|| Json::read(body.clone()));
}

#[divan::bench(args = SIZES)]
fn read_it_with_the_standard_parser(bencher: divan::Bencher<'_, '_>, size: usize) {
    let body = body(size);
    bencher.counter(BytesCount::new(body.len())).bench(|| serde_json::from_slice::<Value>(&body));
}

#[divan::bench(args = SIZES)]
fn read_prune_and_render(bencher: divan::Bencher<'_, '_>, size: usize) {
    let body = body(size);
    bencher.counter(BytesCount::new(body.len())).bench(|| {
        let request = Request::read(Dialect::Messages, Json::read(body.clone()).ok()?).ok()?;
        let mut patch = Patch::default();
        request.prune_tools(&|tool| tool.name.as_deref() != Some("Tool7"), &mut patch);
        request.add_system_text("A passage.", false, &mut patch);
        patch.apply(&request.json).ok()
    });
}

/// What a reply costs that ends before its usage: its text counted, once.
#[divan::bench]
fn count_the_tokens_of_256_kib(bencher: divan::Bencher<'_, '_>) {
    let mut code = include_str!("looking.rs").repeat(64);
    code.truncate(256 << 10);
    divan::black_box(count("loaded", Family::OpenAi));
    bencher.counter(BytesCount::new(code.len())).bench(|| count(&code, Family::OpenAi));
}

struct Watch(Meter, Guard<Warden>);

impl Steps for Watch {
    fn pass(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<(), Broken> {
        let frames = through(&mut self.1, through(&mut self.0, vec![frame])?)?;
        write(&frames, out);
        Ok(())
    }
}

#[divan::bench]
fn guard_a_stream_of_1000_events(bencher: divan::Bencher<'_, '_>) {
    let event = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"some words of it\"}}\n\n";
    let reply = event.repeat(1000);
    let rules: Rules = serde_json::from_value(json!({ "allow": ["*"] })).unwrap_or_else(|_| std::process::exit(1));
    let rules = Arc::new(rules);
    bencher.counter(BytesCount::new(reply.len())).bench(|| {
        let watch = Watch(
            Meter::new(Dialect::Messages),
            Guard::new(Warden::new(Arc::clone(&rules), Setting::default()), Dialect::Messages, true),
        );
        let mut pipe = Pipe::new(Shape::Event, watch);
        let mut out = Vec::new();
        reply.as_bytes().chunks(1400).try_for_each(|piece| pipe.feed(piece, &mut out)).map(|()| out.len())
    });
}
