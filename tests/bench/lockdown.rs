//! What lockdown costs: deciding about the tools of a request, judging calls, and following a
//! conversation. `cargo bench -p jetway-core --bench lockdown` reports; nothing here is asserted.

#![expect(clippy::unwrap_used, reason = "a bench may stop where nothing can be measured")]

use std::sync::Arc;

use bytes::Bytes;
use divan::counter::BytesCount;
use jetway_core::overlay::prefix::Prefix;
use jetway_core::policy::lockdown::{Rules, Setting, Warden};
use jetway_core::stream::guard::Judge;
use jetway_core::wire::Dialect;
use jetway_core::wire::event::Call;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;
use jetway_core::wire::tools::offer::Offer;
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// Forty tools of 100 KB in all, as agents offer them, and a conversation of so many bytes.
fn body(conversation: usize) -> Bytes {
    let tool = |n: usize| {
        let property = |text: &str| json!({ "type": "string", "description": text.repeat(12) });
        let properties =
            json!({ "file_path": property("The file, from the root. "), "limit": property("How much of it. ") });
        let schema = json!({ "type": "object", "properties": properties, "required": ["file_path"] });
        let name = if n == 0 { String::from("Bash") } else { format!("Tool{n}") };
        json!({ "name": name, "description": "Does what it says. ".repeat(95), "input_schema": schema })
    };
    let tools: Vec<Value> = (0..40).map(tool).collect();
    let code = "fn main() {\n\tprintln!(\"{}\", \"a \\\"quoted\\\" word\");\n}\n".repeat(40);
    let mut messages = vec![json!({ "role": "user", "content": "Fix it." })];
    let mut length = 0;
    while length < conversation {
        let id = format!("toolu_{length}");
        let call = json!({ "type": "tool_use", "id": id, "name": "Tool1", "input": { "file_path": "a.rs" } });
        messages.push(json!({ "role": "assistant", "content": [call] }));
        let result = json!({ "type": "tool_result", "tool_use_id": id, "content": code });
        messages.push(json!({ "role": "user", "content": [result] }));
        length += code.len() * 5 / 4;
    }
    json!({ "model": "claude-x", "max_tokens": 1000, "tools": tools, "messages": messages }).to_string().into()
}

fn request(conversation: usize) -> Request {
    Request::read(Dialect::Messages, Json::read(body(conversation)).unwrap()).unwrap()
}

fn rules(more: &str) -> Rules {
    let lockdown =
        format!("{{ allow: ['Tool?', 'Tool1*', 'Tool2*', Bash], deny: [Tool7, 'reads(**/.env*)'], {more} }}");
    serde_saphyr::from_str(&lockdown).unwrap()
}

#[divan::bench]
fn forty_tools_of_100_kb_of_which_eleven_are_taken_out(bencher: divan::Bencher<'_, '_>) {
    let (request, rules) = (request(0), rules(""));
    bencher.counter(BytesCount::new(request.json.bytes().len())).bench(|| lock(&request, &rules));
}

#[divan::bench]
fn the_same_with_one_narrowed_and_one_pinned(bencher: divan::Bencher<'_, '_>) {
    let request = request(0);
    let digest =
        request.tools().iter().find(|tool| tool.name.as_deref() == Some("Tool1")).unwrap().digest(&request.json);
    let more = format!(
        "narrow: {{ Tool1: {{ pin: '{digest}' }}, Bash: {{ description: {{ append: Only git. }}, properties: {{ limit: {{ remove: true }} }} }} }}"
    );
    let rules = rules(&more);
    bencher.counter(BytesCount::new(request.json.bytes().len())).bench(|| lock(&request, &rules));
}

fn lock(request: &Request, rules: &Rules) -> Bytes {
    let mut patch = Patch::default();
    request.reshelve(&|tool| rules.offer(tool, &request.json).unwrap_or(Offer::Drop), &[], &mut patch);
    patch.apply(&request.json).unwrap()
}

const COMMANDS: [&str; 4] = [
    "ls",
    "cd app && npm test 2>&1 | tail -50",
    "for f in src/*.ts; do grep -n \"import $f\" \"$f\" | head -5; done",
    "git show HEAD:.env | base64",
];

#[divan::bench(args = COMMANDS)]
fn a_command(bencher: divan::Bencher<'_, '_>, command: &str) {
    let input = json!({ "command": command }).to_string();
    judge(bencher, &Call { name: String::from("Bash"), id: String::from("c"), ..Call::default() }, &input);
}

#[divan::bench]
fn a_program_that_runs_a_command(bencher: divan::Bencher<'_, '_>) {
    let call = Call { name: String::from("exec"), id: String::from("c"), ..Call::default() };
    judge(bencher, &call, "const ran = await tools.exec_command({cmd: \"cat package.json\"}); text(ran.output);");
}

fn judge(bencher: divan::Bencher<'_, '_>, call: &Call, input: &str) {
    let rules = Arc::new(rules(""));
    let warden = || Warden::new(Arc::clone(&rules), Setting::default());
    bencher.with_inputs(warden).bench_values(|mut warden| warden.judge(call, Some(input)));
}

/// What it costs to know whether the provider's cache was kept.
#[divan::bench(args = [60_000, 1_000_000])]
fn follow_a_conversation(bencher: divan::Bencher<'_, '_>, size: usize) {
    let request = request(size);
    bencher.counter(BytesCount::new(request.json.bytes().len())).bench(|| Prefix::of(&request, &Patch::default()));
}
