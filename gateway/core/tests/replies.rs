//! Replies of every dialect through the steps: what passes, what is barred, and that it makes no
//! difference where the network cuts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::sync::Arc;

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
            assert_eq!(told.refused[0], Refused { tool: "Bash".into(), rule: "not in allow".into() });
        }
    }
}

#[test]
fn usage_is_read_in_every_dialect() {
    let usage = |input, cache_read, cache_write, cache_write_hour, output| {
        Some(Usage { input, cache_read, cache_write, cache_write_hour, output })
    };
    assert_eq!(stream(Dialect::Messages, &[], MESSAGES).usage, usage(10, 5, 7, 3, 42));
    assert_eq!(stream(Dialect::Chat, &[], CHAT).usage, usage(16, 4, 0, 0, 7));
    assert_eq!(stream(Dialect::Responses, &[], RESPONSES).usage, usage(20, 10, 0, 0, 9));
    // What OpenAI keeps for twelve hours costs what an hour or longer costs.
    let kept = r#"{"cached_tokens":10,"cache_write_tokens":8,"cache_write_tokens_details":{"ttl_12h_tokens":6}}"#;
    let kept = RESPONSES.replace(r#"{"cached_tokens":10}"#, kept);
    assert_eq!(stream(Dialect::Responses, &[], &kept).usage, usage(12, 10, 8, 6, 9));
    let failed =
        r#"{"type":"response.failed","response":{"error":{"code":"x"},"usage":{"input_tokens":5,"output_tokens":2}}}"#;
    assert_eq!(stream(Dialect::Responses, &[], &format!("data: {failed}\n\n")).usage, usage(5, 0, 0, 0, 2));
}

/// The model's name is there from the first event; the tier comes when it is known.
#[track_caller]
fn check_tier(dialect: Dialect, shape: Shape, reply: &str, expect: Option<&str>) {
    let mut pipe = pipe(dialect, shape, &["*"], false);
    let mut out = Vec::new();
    pipe.feed(reply.as_bytes(), &mut out).unwrap();
    pipe.close(&mut out).unwrap();
    assert_eq!(pipe.steps().meter.reading().tier.as_deref(), expect, "{reply}");
}

#[test]
fn the_tier_that_served_is_read_in_every_dialect() {
    for (dialect, reply) in STREAMS {
        check_tier(dialect, Shape::Event, reply, None);
    }
    let (m, c, r) = (Dialect::Messages, Dialect::Chat, Dialect::Responses);
    let fast =
        MESSAGES.replace("\"input_tokens\":10", "\"service_tier\":\"standard\",\"speed\":\"fast\",\"input_tokens\":10");
    check_tier(m, Shape::Event, &fast, Some("fast"));
    let late = MESSAGES.replace("{\"output_tokens\":42}", "{\"output_tokens\":42,\"service_tier\":\"priority\"}");
    check_tier(m, Shape::Event, &late, Some("priority"));
    check_tier(m, Shape::Whole, r#"{"content":[],"usage":{"output_tokens":1,"service_tier":"batch"}}"#, Some("batch"));
    let chunk = CHAT.replace("\"model\":\"gpt-x\"", "\"model\":\"gpt-x\",\"service_tier\":\"flex\"");
    check_tier(c, Shape::Event, &chunk, Some("flex"));
    check_tier(c, Shape::Whole, r#"{"choices":[],"service_tier":"default"}"#, Some("default"));
    // The beginning repeats what was asked for, the end says what came of it.
    let asked = RESPONSES.replace("\"output\":[]", "\"output\":[],\"service_tier\":\"auto\"");
    check_tier(r, Shape::Event, &asked, None);
    let served = asked.replace(
        "\"status\":\"completed\",\"output\"",
        "\"status\":\"completed\",\"service_tier\":\"priority\",\"output\"",
    );
    check_tier(r, Shape::Event, &served, Some("priority"));
    check_tier(r, Shape::Whole, r#"{"status":"completed","output":[],"service_tier":"flex"}"#, Some("flex"));
}

#[test]
fn thinking_that_is_not_shown_counts_as_the_provider_estimates_it() {
    let thought = |tokens| {
        format!(
            "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"thinking_delta\",\"thinking\":\"\",\"estimated_tokens\":{tokens}}}}}\n\n"
        )
    };
    let start = MESSAGES.split("event: content_block_stop").next().unwrap();
    let mut pipe = pipe(Dialect::Messages, Shape::Event, &["*"], false);
    let reply = format!("{start}{}{}{}", thought("50"), thought("null"), thought("100"));
    pipe.feed(reply.as_bytes(), &mut Vec::new()).unwrap();
    let (usage, estimated) = pipe.steps().meter.reading().usage_or_estimate(7, Family::OpenAi);
    // Nothing else was written than the thinking.
    assert_eq!((usage.input, usage.output, estimated), (10, 150, true));
    // The provider's last word counts it too.
    let end = MESSAGES.split_inclusive("\n\n").find(|event| event.contains("message_delta")).unwrap();
    let (usage, estimated, _) = metered(Dialect::Messages, Shape::Event, &(reply + end));
    assert_eq!((usage.output, estimated), (42, false));
}

/// What the meter says of a stream of events that ends so, by nobody's tokenizer but OpenAI's.
fn metered(dialect: Dialect, shape: Shape, reply: &str) -> (Usage, bool, u64) {
    let mut pipe = pipe(dialect, shape, &["*"], false);
    let mut out = Vec::new();
    pipe.feed(reply.as_bytes(), &mut out).unwrap();
    pipe.close(&mut out).unwrap();
    let reading = pipe.steps().meter.reading();
    let (usage, estimated) = reading.usage_or_estimate(7, Family::OpenAi);
    (usage, estimated, reading.written.bytes())
}

#[test]
fn a_reply_that_ends_before_its_usage_is_counted_by_what_was_written() {
    let said = "fn main() {\n\tprintln!(\"héllo {}\", 42);\n}\n";
    let quoted = jetway_core::wire::json::quote(said);
    let expect = count(said, Family::OpenAi);
    let pieces = [
        (
            Dialect::Messages,
            format!(
                "{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":{quoted}}}}}"
            ),
        ),
        (
            Dialect::Messages,
            format!(
                "{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":{quoted}}}}}"
            ),
        ),
        (Dialect::Chat, format!("{{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{quoted}}}}}]}}")),
        (
            Dialect::Chat,
            format!(
                "{{\"choices\":[{{\"index\":0,\"delta\":{{\"reasoning_content\":{quoted},\"reasoning\":{quoted}}}}}]}}"
            ),
        ),
        (
            Dialect::Chat,
            format!(
                "{{\"choices\":[{{\"index\":0,\"delta\":{{\"function_call\":{{\"name\":\"f\",\"arguments\":{quoted}}}}}}}]}}"
            ),
        ),
        (Dialect::Responses, format!("{{\"type\":\"response.output_text.delta\",\"delta\":{quoted}}}")),
    ];
    for (dialect, piece) in pieces {
        let (usage, estimated, bytes) = metered(dialect, Shape::Event, &format!("data: {piece}\n\n"));
        assert_eq!((usage.input, usage.output, estimated), (7, expect, true), "{piece}");
        assert_eq!(bytes, said.len() as u64);
    }
    let whole = format!("{{\"choices\":[{{\"message\":{{\"content\":{quoted}}}}}]}}");
    assert_eq!(metered(Dialect::Chat, Shape::Whole, &whole).0.output, expect);
}

#[test]
fn the_provider_s_own_count_goes_before_ours() {
    for (dialect, reply) in STREAMS {
        let (_, estimated, bytes) = metered(dialect, Shape::Event, reply);
        assert!(!estimated && bytes > 0, "{dialect:?}");
    }
    // One that counts nothing where something was written has not counted.
    let nothing = CHAT.replace("\"completion_tokens\":7", "\"completion_tokens\":0");
    let (usage, estimated, _) = metered(Dialect::Chat, Shape::Event, &nothing);
    assert!(estimated && usage.output > 5 && usage.input == 16, "{usage:?}");
    // One that counts as it goes has said all that there was to say so far.
    let chunk = |text: &str, count: u64| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{count}}}}}\n\n"
        )
    };
    let (usage, estimated, _) = metered(Dialect::Chat, Shape::Event, &(chunk("one", 1) + &chunk(" two three", 3)));
    assert_eq!((usage.output, estimated), (3, false));
    // What it wrote behind that is counted on top.
    let more = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" four five\"}}]}\n\n";
    let (usage, estimated, bytes) = metered(Dialect::Chat, Shape::Event, &(chunk("one two three", 3) + more));
    assert_eq!((usage.output, estimated, bytes), (5, true, 23));
}

#[test]
fn a_reply_without_end_is_kept_up_to_a_bound() {
    let words = "words of it ".repeat(1_000);
    let delta = format!("data: {{\"type\":\"response.output_text.delta\",\"delta\":\"{words}\"}}\n\n");
    let (usage, estimated, bytes) = metered(Dialect::Responses, Shape::Event, &delta.repeat(40));
    assert!(estimated && bytes > KEPT as u64);
    let expect = 40 * count(&words, Family::OpenAi);
    assert!(usage.output.abs_diff(expect) * 100 < expect, "{} {expect}", usage.output);
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

#[test]
fn what_cannot_be_judged_breaks_the_reply() {
    let broken = |dialect, reply: &str| run(pipe(dialect, Shape::Event, &["*"], false), &[reply.as_bytes()]).err();
    for (dialect, _) in STREAMS {
        assert_eq!(broken(dialect, "data: {\"type\":\n\n"), Some(Broken::Unreadable));
    }
    let twice = "data: {\"type\":\"content_block_start\",\"type\":\"ping\"}\n\n";
    assert_eq!(broken(Dialect::Messages, twice), Some(Broken::Unreadable));
    let nameless = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\"}]}}]}\n\n";
    assert_eq!(broken(Dialect::Chat, nameless), Some(Broken::Nameless));
}

/// Calls in odd places and shapes: none may pass, whatever a lenient reader makes of it.
#[test]
fn calls_that_cannot_be_followed_do_not_pass() {
    let bash = r#"{"type":"tool_use","id":"t9","name":"Bash","input":{}}"#;
    let messages = [
        format!(r#"{{"type":"content_block_start","content_block":{bash}}}"#),
        format!(r#"{{"type":"content_block_start","index":-1,"content_block":{bash}}}"#),
        format!(r#"{{"type":"content_block_start","index":"0","content_block":{bash}}}"#),
        format!(r#"{{"type":"message_start","message":{{"content":[{bash}]}}}}"#),
        format!(r#"{{"content_block":{bash}}}"#),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"new_tool_use","id":"t","name":"Bash"}}"#
            .to_owned(),
    ];
    let call = |index: &str, id: &str, name: &str| {
        format!(r#"{{{index}"id":"{id}","type":"function","function":{{"name":"{name}","arguments":"{{}}"}}}}"#)
    };
    let chunk =
        |field: &str, calls: &str| format!(r#"{{"choices":[{{"index":0,"{field}":{{"tool_calls":{calls}}}}}]}}"#);
    let chat = [
        chunk("delta", &format!("[{},{}]", call("\"index\":0,", "a", "Read"), call("\"index\":0,", "a", "Bash"))),
        chunk("message", &format!("[{}]", call("", "a", "Bash"))),
        chunk("delta", &call("", "a", "Bash")),
        chunk("delta", &format!("[{}]", call("\"index\":18446744073709551615,", "a", "Bash"))),
        chunk(
            "delta",
            r#"[{"index":0,"id":"a","type":"custom","function":{"name":"Read"},"custom":{"name":"Bash","input":"x"}}]"#,
        ),
        chunk(
            "delta",
            r#"[{"index":0,"id":"a","function":{"name":"Read","arguments":"{}"}},{"index":0,"function":{"name":""},"custom":{"name":"Bash","input":"x"}}]"#,
        ),
        chunk("delta", r#"[{"index":0,"id":"a","function":{"name":"Read","Name":"Bash"}}]"#),
        chunk("Delta", &format!("[{}]", call("\"index\":0,", "a", "Bash"))),
    ];
    let item = |name: &str| {
        format!(r#"{{"id":"fc_9","type":"function_call","call_id":"c","name":"{name}","arguments":"{{}}"}}"#)
    };
    let responses = [
        format!(r#"{{"type":"response.output_item.done","item":{}}}"#, item("Bash")),
        format!(r#"{{"type":"response.output_item.done","output_index":"0","item":{}}}"#, item("Bash")),
        format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{}}}"#, item("Bash")),
        format!(r#"{{"type":"response.incomplete","response":{{"output":[{}]}}}}"#, item("Bash")),
        format!(
            "{{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{}}}\n\ndata: {{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{}}}",
            item("Read"),
            item("Bash")
        ),
        format!(
            "{{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{}}}\n\ndata: {{\"type\":\"response.completed\",\"response\":{{\"output\":[{}]}}}}",
            item("Read"),
            item("Bash")
        ),
    ];
    let responses = responses.into_iter().chain([
        r#"{"type":"response.function_call_arguments.done","item_id":"new","name":"Bash","arguments":"{}"}"#.to_owned(),
        format!(r#"{{"type":"response.output_item.done","output_index":0,"Item":{}}}"#, item("Bash")),
    ]);
    let responses: Vec<_> = responses.collect();
    let all = [(Dialect::Messages, &messages[..]), (Dialect::Chat, &chat), (Dialect::Responses, &responses)];
    for (dialect, events) in all {
        for event in events {
            let reply = format!("data: {event}\n\n");
            let told = run(pipe(dialect, Shape::Event, &["Read"], false), &[reply.as_bytes()]);
            if let Ok(told) = told {
                assert!(!told.out.contains("\"Bash\""), "{reply} -> {}", told.out);
                assert!(told.out.contains("`Bash` was refused"), "{reply} -> {}", told.out);
            }
        }
    }
}

#[test]
fn a_reply_that_is_no_stream_does_not_pass_as_one() {
    let reply = r#"{"choices":[{"index":0,"message":{"tool_calls":[{"id":"a","function":{"name":"Bash","arguments":"{}"}}]}}]}"#;
    for reply in [reply.to_owned(), format!("{reply}\n\n"), format!("data: {{}}\n{reply}\n\n")] {
        let told = run(pipe(Dialect::Chat, Shape::Event, &["*"], false), &[reply.as_bytes()]);
        assert_eq!(told.err(), Some(Broken::Unreadable), "{reply}");
    }
}

#[test]
fn calls_under_keys_of_another_case_do_not_pass_in_whole_replies_either() {
    let replies = [
        (Dialect::Messages, r#"{"Content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]}"#),
        (Dialect::Messages, r#"{"content":[{"type":"tool_use","id":"t","name":"Read","NAME":"Bash"}]}"#),
        (Dialect::Chat, r#"{"Choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"Bash"}}]}}]}"#),
        (Dialect::Chat, r#"{"choices":[{"message":{"function_call":{"name":"Read","Name":"Bash"}}}]}"#),
        (Dialect::Responses, r#"{"Output":[{"id":"f","type":"function_call","name":"Bash"}]}"#),
        (Dialect::Responses, r#"{"output":[{"id":"f","type":"function_call","name":"Read","Name":"Bash"}]}"#),
    ];
    for (dialect, reply) in replies {
        for shape in [Shape::Whole, Shape::Event] {
            let sent = if shape == Shape::Event { format!("data: {reply}\n\n") } else { reply.to_owned() };
            let told = run(pipe(dialect, shape, &["Read"], false), &[sent.as_bytes()]);
            assert_eq!(told.err(), Some(Broken::Misplaced), "{sent}");
        }
    }
}

#[test]
fn an_event_that_readers_cut_differently_does_not_pass() {
    let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"Bash","arguments":"{}"}}]}}]}"#;
    let events = [
        format!("data: {{\"x\":\ndata: {call}\ndata: }}\n\n"),
        format!("\u{feff}data: {{\"x\":\ndata: {call}\n\u{feff}data: }}\n\n"),
        format!(": hi\u{b}data: {call}\n\n"),
        format!(": hi\u{2028}data: {call}\u{2028}\u{2028}\n\n"),
        format!("id: 1\u{c}data: {call}\n\n"),
    ];
    for event in events {
        let told = run(pipe(Dialect::Chat, Shape::Event, &["Read"], false), &[event.as_bytes()]);
        assert_eq!(told.err(), Some(Broken::Unreadable), "{event}");
    }
}

#[test]
fn a_call_that_changes_its_group_does_not_pass() {
    let item = |group: &str| {
        format!(r#"{{"id":"f","type":"function_call","name":"run","namespace":"{group}","arguments":"{{}}"}}"#)
    };
    let event = |kind: &str, group: &str| {
        format!("data: {{\"type\":\"response.output_item.{kind}\",\"output_index\":0,\"item\":{}}}\n\n", item(group))
    };
    let reply = event("added", "safe") + &event("done", "unsafe");
    let told = run(pipe(Dialect::Responses, Shape::Event, &["safe.*"], false), &[reply.as_bytes()]);
    assert_eq!(told.err(), Some(Broken::Misplaced));
    let reply = event("added", "safe") + &event("done", "safe");
    assert_eq!(stream(Dialect::Responses, &["safe.*"], &reply).out, reply);
}

#[test]
fn an_event_of_a_barred_call_does_not_pass_for_an_item_beside_it() {
    for item in ["null", "\"x\"", "{\"type\":\"message\"}"] {
        let reply = RESPONSES.replace("\"item_id\":\"fc_1\"", &format!("\"item\":{item},\"item_id\":\"fc_1\""));
        let told = stream(Dialect::Responses, &["Read"], &reply);
        assert!(!told.out.contains("cat .env"), "{}", told.out);
    }
}

#[test]
fn an_item_that_becomes_a_call_does_not_pass() {
    let event = |kind: &str, what: &str| {
        format!(
            "data: {{\"type\":\"response.output_item.{kind}\",\"output_index\":0,\"item\":{{\"id\":\"f\",\"type\":\"{what}\",\"name\":\"Read\",\"arguments\":\"{{}}\"}}}}\n\n"
        )
    };
    let run = |reply: String| run(pipe(Dialect::Responses, Shape::Event, &["Read"], false), &[reply.as_bytes()]).err();
    assert_eq!(run(event("added", "shiny") + &event("done", "function_call")), Some(Broken::Misplaced));
    // Another item may take its place, and one may arrive as a whole.
    let other = event("added", "message") + &event("added", "function_call") + &event("done", "function_call");
    assert_eq!(run(other), None);
    assert_eq!(run(event("done", "function_call")), None);
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
fn each_pass_of_a_reply_that_compacts_its_context_counts() {
    let reply = r#"{"content":[],"usage":{"input_tokens":23,"output_tokens":1,"iterations":[{"input_tokens":180,"output_tokens":3},{"input_tokens":23,"output_tokens":1}]}}"#;
    let usage = whole(Dialect::Messages, &[], reply).usage.unwrap();
    assert_eq!((usage.input, usage.output), (203, 4));
}

#[test]
fn a_stop_for_calls_that_the_provider_ran_is_mended_when_none_is_left_for_the_agent() {
    let reply = r#"{"content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"tool_use","id":"t","name":"Bash","input":{}}],"stop_reason":"tool_use"}"#;
    assert!(whole(Dialect::Messages, &["web_search"], reply).out.contains("end_turn"));
}

#[test]
fn counts_that_say_nothing_are_estimated() {
    use jetway_core::stream::meter::Reading;
    use jetway_core::stream::written::Written;
    let mut written = Written::default();
    written.push(&" one".repeat(3_000));
    let told =
        |usage: Option<Usage>, counted| Reading { usage, counted, written: written.clone(), ..Reading::default() };
    let output = |output| Some(Usage { input: 5, output, ..Usage::default() });
    let estimate = |reading: Reading| {
        let (usage, estimated) = reading.usage_or_estimate(7, Family::OpenAi);
        (usage.input, usage.output, estimated)
    };
    let mut counted = told(output(2_500), true);
    counted.written.counted();
    assert_eq!(estimate(counted), (5, 2_500, false));
    // What came behind the last count is added to it.
    assert_eq!(estimate(told(output(2_500), true)), (5, 5_500, true));
    assert_eq!(estimate(told(output(1), false)), (5, 3_000, true));
    assert_eq!(estimate(told(output(0), true)), (5, 3_000, true));
    assert_eq!(estimate(told(None, false)), (7, 3_000, true));
}

#[test]
fn the_usage_chunk_is_hidden_and_still_counted() {
    let told = run(pipe(Dialect::Chat, Shape::Event, &["*"], true), &[CHAT.as_bytes()]).unwrap();
    assert!(!told.out.contains("prompt_tokens"));
    assert!(told.out.ends_with("data: [DONE]\n\n"));
    assert_eq!(told.usage.unwrap().output, 7);
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
