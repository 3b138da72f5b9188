//! What a reply cost, read from it in every dialect, or counted where nobody says it.

use super::*;

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
fn each_pass_of_a_reply_that_compacts_its_context_counts() {
    let reply = r#"{"content":[],"usage":{"input_tokens":23,"output_tokens":1,"iterations":[{"input_tokens":180,"output_tokens":3},{"input_tokens":23,"output_tokens":1}]}}"#;
    let usage = whole(Dialect::Messages, &[], reply).usage.unwrap();
    assert_eq!((usage.input, usage.output), (203, 4));
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
