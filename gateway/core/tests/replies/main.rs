//! Replies of every dialect through the steps: what passes, what is barred, and that it makes no
//! difference where the network cuts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::sync::Arc;

mod counts;
mod odd;

use jetway_core::glob::Glob;
use jetway_core::policy::lockdown::{Refused, Rules, Setting, Warden};
use jetway_core::stream::guard::Guard;
use jetway_core::stream::meter::Meter;
use jetway_core::stream::written::KEPT;
use jetway_core::stream::{Pipe, Steps, hide::HideUsage, through, write};
use jetway_core::tokens::{Family, count};
use jetway_core::wire::event::{Frame, Shape, Usage};
use jetway_core::wire::{Broken, Dialect};
use proptest::prelude::*;

struct All {
    meter: Meter,
    guard: Guard<Warden>,
    hide: Option<HideUsage>,
}

impl Steps for All {
    fn pass(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut frames = through(&mut self.guard, through(&mut self.meter, vec![frame])?)?;
        if let Some(hide) = &mut self.hide {
            frames = through(hide, frames)?;
        }
        write(&frames, out);
        Ok(())
    }
}

fn rules(allow: &[&str]) -> Rules {
    let list: Vec<_> = allow.iter().map(|glob| Glob::parse(glob).unwrap().as_str().to_owned()).collect();
    serde_json::from_value(serde_json::json!({ "allow": list, "on_denied": "explain" })).unwrap()
}

fn pipe(dialect: Dialect, shape: Shape, allow: &[&str], hide: bool) -> Pipe<All> {
    let guard = Guard::new(
        Warden::new(Arc::new(rules(allow)), Setting { policy: String::from("p"), ..Setting::default() }),
        dialect,
        false,
    );
    Pipe::new(shape, All { meter: Meter::new(dialect), guard, hide: hide.then_some(HideUsage) })
}

struct Told {
    out: String,
    refused: Vec<Refused>,
    usage: Option<Usage>,
    stop: Option<String>,
    ended: bool,
}

fn run(mut pipe: Pipe<All>, pieces: &[&[u8]]) -> Result<Told, Broken> {
    let mut out = Vec::new();
    for piece in pieces {
        pipe.feed(piece, &mut out)?;
    }
    pipe.close(&mut out)?;
    let reading = pipe.steps().meter.reading().clone();
    Ok(Told {
        out: String::from_utf8(out).unwrap(),
        refused: pipe.steps().guard.judge().refused().to_vec(),
        usage: reading.usage,
        stop: reading.stop,
        ended: reading.ended,
    })
}

fn stream(dialect: Dialect, allow: &[&str], reply: &str) -> Told {
    run(pipe(dialect, Shape::Event, allow, false), &[reply.as_bytes()]).unwrap()
}

fn whole(dialect: Dialect, allow: &[&str], reply: &str) -> Told {
    run(pipe(dialect, Shape::Whole, allow, false), &[reply.as_bytes()]).unwrap()
}

/// A Messages reply with a comment, CRLF, an unknown event, thinking, and two calls.
const MESSAGES: &str = concat!(
    ": opening\r\n\r\n",
    "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":5,\"cache_creation_input_tokens\":7,\"cache_creation\":{\"ephemeral_1h_input_tokens\":3},\"output_tokens\":1}}}\r\n\r\n",
    "event: new_kind\ndata: {\"type\":\"new_kind\",\"n\":1.0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"Bash\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"command\\\":\\\"cat .env\\\"}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"Read\",\"input\":{}}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":42}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

const CHAT: &str = concat!(
    "data: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"command\\\":\\\"cat .env\\\"}\"}}]}}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"Read\",\"arguments\":\"{\"}},{\"index\":2,\"id\":\"d\",\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"}\"}}]}}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
);

const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"model\":\"gpt-x\",\"output\":[]}}\n\n",
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"name\":\"Bash\",\"call_id\":\"a\",\"arguments\":\"\"}}\n\n",
    "event: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"sequence_number\":2,\"output_index\":0,\"item_id\":\"fc_1\",\"delta\":\"{\\\"cmd\\\":\\\"cat .env\\\"}\"}\n\n",
    "event: response.function_call_arguments.done\ndata: {\"type\":\"response.function_call_arguments.done\",\"sequence_number\":3,\"output_index\":0,\"item_id\":\"fc_1\",\"arguments\":\"{\\\"cmd\\\":\\\"cat .env\\\"}\"}\n\n",
    "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"sequence_number\":4,\"output_index\":0,\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"name\":\"Bash\",\"call_id\":\"a\",\"arguments\":\"{\\\"cmd\\\":\\\"cat .env\\\"}\"}}\n\n",
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":5,\"output_index\":1,\"item\":{\"id\":\"fc_2\",\"type\":\"function_call\",\"name\":\"Read\",\"call_id\":\"b\",\"arguments\":\"\"}}\n\n",
    "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"sequence_number\":6,\"output_index\":1,\"item\":{\"id\":\"fc_2\",\"type\":\"function_call\",\"name\":\"Read\",\"call_id\":\"b\",\"arguments\":\"{}\"}}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":7,\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"id\":\"fc_1\",\"type\":\"function_call\",\"name\":\"Bash\",\"call_id\":\"a\",\"arguments\":\"{\\\"cmd\\\":\\\"cat .env\\\"}\"},{\"id\":\"fc_2\",\"type\":\"function_call\",\"name\":\"Read\",\"call_id\":\"b\",\"arguments\":\"{}\"}],\"usage\":{\"input_tokens\":30,\"input_tokens_details\":{\"cached_tokens\":10},\"output_tokens\":9}}}\n\n",
);

const STREAMS: [(Dialect, &str); 3] =
    [(Dialect::Messages, MESSAGES), (Dialect::Chat, CHAT), (Dialect::Responses, RESPONSES)];

#[test]
fn an_allowed_reply_passes_byte_for_byte() {
    for (dialect, reply) in STREAMS {
        let told = stream(dialect, &["*"], reply);
        assert_eq!(told.out, reply);
        assert!(told.refused.is_empty());
        assert!(told.ended, "{dialect:?}");
    }
}

#[test]
fn a_barred_call_leaves_no_trace() {
    for (dialect, reply) in STREAMS {
        for allow in [&["Read"][..], &[]] {
            let told = stream(dialect, allow, reply);
            for trace in ["cat .env", "\"Bash\"", "fc_1\"", "\"t1\"", "\"a\""] {
                let allowed = trace == "fc_1\"" && told.out.contains("msg_fc_1");
                assert!(allowed || !told.out.contains(trace), "{dialect:?} {trace}: {}", told.out);
            }
            assert!(told.out.contains("The call of the tool `Bash` was refused"), "{}", told.out);
            assert_eq!(told.out.contains("\"Read\""), allow == ["Read"], "{}", told.out);
            let Refused { tool, rule, noted, .. } = &told.refused[0];
            assert_eq!((tool.as_str(), rule.as_str(), *noted), ("Bash", "not in allow", false));
        }
    }
}

#[test]
fn the_stop_reason_changes_only_when_no_call_is_left() {
    assert!(stream(Dialect::Messages, &["Read"], MESSAGES).out.contains("\"stop_reason\":\"tool_use\""));
    assert!(stream(Dialect::Messages, &[], MESSAGES).out.contains("\"stop_reason\":\"end_turn\""));
    assert!(stream(Dialect::Chat, &["Read"], CHAT).out.contains("\"finish_reason\":\"tool_calls\""));
    assert!(stream(Dialect::Chat, &[], CHAT).out.contains("\"finish_reason\":\"stop\""));
    let cut_short = MESSAGES.replace("\"stop_reason\":\"tool_use\"", "\"stop_reason\":\"max_tokens\"");
    let told = stream(Dialect::Messages, &[], &cut_short);
    assert!(told.out.contains("\"stop_reason\":\"max_tokens\""));
    assert_eq!(told.stop.as_deref(), Some("max_tokens"));
}

#[test]
fn kept_chat_calls_are_numbered_from_zero() {
    let told = stream(Dialect::Chat, &["Read"], CHAT);
    let call = "{\"index\":0,\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"Read\",\"arguments\":\"{\"}}";
    assert!(told.out.contains(call), "{}", told.out);
    assert!(told.out.contains("{\"index\":0,\"function\":{\"arguments\":\"}\"}}"));
    assert_eq!(told.refused.len(), 2);
}

#[test]
fn a_call_in_the_older_spelling_has_no_number_of_the_list() {
    let chunk = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{{delta}}}}}]}}\n\n");
    let entry = |index: u64, name: &str| {
        chunk(&format!(
            "\"tool_calls\":[{{\"index\":{index},\"id\":\"c{index}\",\"function\":{{\"name\":\"{name}\",\"arguments\":\"{{}}\"}}}}]"
        ))
    };
    let old = chunk("\"function_call\":{\"name\":\"Read\",\"arguments\":\"{}\"}");
    let out = stream(Dialect::Chat, &["Read"], &(entry(0, "Bash") + &old + &entry(1, "Read"))).out;
    assert!(out.contains("{\"index\":0,\"id\":\"c1\""), "{out}");
}

#[test]
fn indexes_and_sequence_numbers_stay_without_gaps() {
    let numbers = |out: &str, field: &str| -> Vec<u64> {
        out.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter_map(|data| serde_json::from_str::<serde_json::Value>(data).unwrap()[field].as_u64())
            .collect()
    };
    let told = stream(Dialect::Responses, &["Read"], RESPONSES);
    let found = numbers(&told.out, "sequence_number");
    assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>(), "{}", told.out);
    let told = stream(Dialect::Messages, &[], MESSAGES);
    let mut found = numbers(&told.out, "index");
    found.dedup();
    assert_eq!(found, [0, 1, 2]);
}

#[test]
fn whole_replies_are_guarded_too() {
    let reply = r#"{"type":"message","model":"m","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"cat .env"}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let told = whole(Dialect::Messages, &[], reply);
    assert!(!told.out.contains("cat .env") && told.out.contains("\"stop_reason\":\"end_turn\""), "{}", told.out);
    assert_eq!(whole(Dialect::Messages, &["*"], reply).out, reply);

    let reply = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x","tool_calls":[{"id":"a","type":"function","function":{"name":"Bash","arguments":"cat .env"}},{"id":"b","type":"function","function":{"name":"Read","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    let told = whole(Dialect::Chat, &["Read"], reply);
    assert!(!told.out.contains("cat .env") && told.out.contains("\"name\":\"Read\""), "{}", told.out);
    assert!(told.out.contains("\"content\":\"x\\n\\n[Jetway]"), "{}", told.out);
    let told = whole(Dialect::Chat, &[], reply);
    assert!(!told.out.contains("tool_calls") && told.out.contains("\"finish_reason\":\"stop\""), "{}", told.out);

    let reply = r#"{"id":"r","status":"completed","output":[{"id":"ws","type":"web_search_call","query":"cat .env"},{"id":"m","type":"message","content":[]}]}"#;
    let told = whole(Dialect::Responses, &["Read"], reply);
    assert!(!told.out.contains("cat .env") && told.out.contains("`web_search` was refused"), "{}", told.out);
    assert_eq!(whole(Dialect::Responses, &["web_search"], reply).out, reply);
}

#[test]
fn what_the_provider_ran_goes_with_its_result() {
    let reply = r#"{"content":[{"type":"server_tool_use","id":"s1","name":"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"s1","content":[{"url":"u"}]},{"type":"mcp_tool_use","id":"m1","server_name":"x","name":"y","input":{}}],"stop_reason":"end_turn"}"#;
    let told = whole(Dialect::Messages, &["mcp__x__*"], reply);
    assert!(!told.out.contains("\"url\"") && told.out.contains("mcp_tool_use"), "{}", told.out);
}

#[test]
fn the_older_chat_spelling_is_guarded() {
    let reply = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"function_call\":{\"name\":\"Bash\",\"arguments\":\"\"}}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"function_call\":{\"arguments\":\"cat .env\"}}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"function_call\"}]}\n\n",
    );
    let told = stream(Dialect::Chat, &[], reply);
    assert!(!told.out.contains("cat .env") && !told.out.contains("function_call"), "{}", told.out);
    assert_eq!(stream(Dialect::Chat, &["Bash"], reply).out, reply);
}

/// What providers really do, and careless ones: none of it is touched where nothing is barred.
#[test]
fn careless_providers_are_understood() {
    let chunk =
        |calls: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":{calls}}}}}]}}\n\n");
    let one = |head: &str, name: &str, arguments: &str| {
        format!("[{{{head}\"function\":{{\"name\":\"{name}\",\"arguments\":\"{arguments}\"}}}}]")
    };
    let chat = [
        // The name comes before the id, or again in each piece, or a new id in each.
        chunk(&one("\"index\":0,", "Read", "")) + &chunk(r#"[{"index":0,"id":"x","function":{"arguments":"{}"}}]"#),
        chunk(&one("\"index\":0,\"id\":\"a\",", "Read", "")) + &chunk(&one("\"index\":0,\"id\":\"a\",", "Read", "{}")),
        chunk(&one("\"index\":0,\"id\":\"a\",", "Read", "")) + &chunk(r#"[{"index":0,"id":"b","function":{"arguments":"{}"}}]"#),
        // Two whole calls of one number without ids, numbers that begin at one, none at all.
        chunk(&one("\"index\":0,\"id\":\"\",", "Read", "{}")) + &chunk(&one("\"index\":0,\"id\":\"\",", "Edit", "{}")),
        chunk(&one("\"index\":1,\"id\":\"a\",", "Read", "{}")),
        chunk(&one("\"id\":\"a\",", "Read", "{}")),
        chunk("null"),
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\",\"function_call\":{\"name\":\"\",\"arguments\":\"\"}}}]}\n\n".to_owned(),
    ];
    for reply in chat {
        assert_eq!(stream(Dialect::Chat, &["*"], &reply).out, reply);
    }
    let search = "data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"w\",\"type\":\"web_search_call\"}}\n\n";
    assert_eq!(stream(Dialect::Responses, &["web_search"], search).out, search);
    let code = r#"{"content":[{"type":"server_tool_use","id":"s","name":"bash_code_execution","input":{}}]}"#;
    assert_eq!(whole(Dialect::Messages, &["code_execution"], code).out, code);
    assert!(!whole(Dialect::Messages, &["Read"], code).out.contains("bash_code"));
}

#[test]
fn another_item_may_take_the_place_of_a_barred_one() {
    let event = |kind: &str, id: &str, name: &str| {
        format!(
            "data: {{\"type\":\"response.output_item.{kind}\",\"output_index\":0,\"item\":{{\"id\":\"{id}\",\"type\":\"function_call\",\"name\":\"{name}\"}}}}\n\n"
        )
    };
    let barred = event("added", "f1", "Bash") + &event("done", "f1", "Bash");
    let kept = event("added", "f2", "Read") + &event("done", "f2", "Read");
    let out = stream(Dialect::Responses, &["Read"], &(barred + &kept)).out;
    assert!(out.ends_with(&kept) && !out.contains("Bash\""), "{out}");
}

#[test]
fn a_stop_for_calls_that_the_provider_ran_is_mended_when_none_is_left_for_the_agent() {
    let reply = r#"{"content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"tool_use","id":"t","name":"Bash","input":{}}],"stop_reason":"tool_use"}"#;
    assert!(whole(Dialect::Messages, &["web_search"], reply).out.contains("end_turn"));
}

#[test]
fn half_an_event_of_a_reply_that_was_cut_off_does_not_leave() {
    let mut pipe = pipe(Dialect::Messages, Shape::Event, &["*"], false);
    let mut out = Vec::new();
    pipe.feed(b"data: {\"type\":\"ping\"}\n\ndata: {\"type\":\"pi", &mut out).unwrap();
    assert_eq!(out, b"data: {\"type\":\"ping\"}\n\n");
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..10_000_usize, 0..40)
}

fn pieces<'a>(reply: &'a str, cuts: &[usize]) -> Vec<&'a [u8]> {
    let bytes = reply.as_bytes();
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % bytes.len()).collect();
    cuts.sort_unstable();
    let mut from = 0;
    let mut pieces: Vec<_> = cuts.iter().map(|cut| &bytes[std::mem::replace(&mut from, *cut)..*cut]).collect();
    pieces.push(&bytes[from..]);
    pieces
}

proptest! {
    #[test]
    fn where_the_network_cuts_does_not_matter(cuts in cuts(), barred in any::<bool>(), hide in any::<bool>()) {
        let allow: &[&str] = if barred { &["Read"] } else { &["*"] };
        for (dialect, reply) in STREAMS {
            let once = run(pipe(dialect, Shape::Event, allow, hide), &[reply.as_bytes()]).unwrap();
            let often = run(pipe(dialect, Shape::Event, allow, hide), &pieces(reply, &cuts)).unwrap();
            prop_assert_eq!(once.out, often.out);
            prop_assert_eq!(once.refused, often.refused);
            prop_assert_eq!(once.usage, often.usage);
        }
    }

    #[test]
    fn any_bytes_pass_unchanged_or_break(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (dialect, _) in STREAMS {
            let mut pipe = pipe(dialect, Shape::Event, &["*"], false);
            let mut out = Vec::new();
            if pipe.feed(&bytes, &mut out).and_then(|()| pipe.close(&mut out)).is_ok() {
                prop_assert_eq!(&out, &bytes);
            }
        }
    }
}
