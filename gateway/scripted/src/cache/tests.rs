use std::slice::from_ref;

use bytes::Bytes;

use super::Caches;
use crate::ask::{Ask, Dialect};
use crate::seen::Cache;

const MINIMUM: u64 = 100;
const MARK: &str = r#","cache_control":{"type":"ephemeral"}"#;
const HOUR: &str = r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#;

impl Caches {
    fn hear(&mut self, dialect: Dialect, body: &str) -> Cache {
        let ask = Ask::read(dialect, Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let cache = self.pass(&ask, MINIMUM);
        assert!(cache.read + cache.written <= ask.size_in_tokens(), "{cache:?}");
        cache
    }
}

/// A JSON string of so many tokens.
fn string(letter: char, tokens: usize) -> String {
    format!("\"{}\"", letter.to_string().repeat(4 * tokens - 2))
}

/// A text block of so many tokens, with a marker or none.
fn block(letter: char, tokens: usize, marker: &str) -> String {
    format!(r#"{{"type":"text","text":{}{marker}}}"#, string(letter, tokens))
}

fn user(content: &str) -> String {
    format!(r#"{{"role":"user","content":{content}}}"#)
}

fn messages(rest: &str, messages: &[String]) -> String {
    format!(r#"{{"model":"m",{rest}"messages":[{}]}}"#, messages.join(","))
}

/// What is read and written of each of these requests, one after the other.
#[track_caller]
fn check(dialect: Dialect, bodies: &[String], expect: &[(u64, u64)]) {
    let mut caches = Caches::new();
    let heard: Vec<_> = bodies.iter().map(|body| caches.hear(dialect, body)).collect();
    let counts: Vec<_> = heard.iter().map(|cache| (cache.read, cache.written)).collect();
    assert_eq!(counts, expect);
}

/// What is read of the second request, and where it broke.
#[track_caller]
fn broke(dialect: Dialect, bodies: [&str; 2], read: u64, at: Option<&str>) {
    let mut caches = Caches::new();
    assert_eq!(caches.hear(dialect, bodies[0]).broke_at, None, "nothing was there before");
    let cache = caches.hear(dialect, bodies[1]);
    assert_eq!((cache.read, cache.broke_at.as_deref()), (read, at), "{}", bodies[1]);
}

#[test]
fn everything_before_is_read_as_a_conversation_grows() {
    let turns = |count: usize| {
        let all = ('a'..).take(count).enumerate();
        let turns =
            all.map(|(at, letter)| user(&format!("[{}]", block(letter, 200, if at + 1 == count { MARK } else { "" }))));
        messages("", &turns.collect::<Vec<_>>())
    };
    check(Dialect::Messages, &[turns(1), turns(2), turns(3), turns(3)], &[(0, 200), (200, 200), (400, 200), (600, 0)]);
    broke(Dialect::Messages, [&turns(1), &turns(2)], 200, None);
    broke(Dialect::Messages, [&turns(2), &turns(1)], 0, None);
}

#[test]
fn a_string_is_a_block_and_a_marker_is_no_part_of_one() {
    let forms = [string('a', 200), format!("[{}]", block('a', 200, "")), format!("[{}]", block('a', 200, MARK))];
    let result = |content: &str| format!(r#"[{{"type":"tool_result","tool_use_id":"t","content":{content}}}]"#);
    let results = forms.clone().map(|form| result(&form));
    for (forms, size) in [(forms, 200), (results, 200)] {
        for (one, other) in [(2, 0), (2, 1), (2, 2)] {
            let tail = user(&format!("[{}]", block('b', 200, MARK)));
            let [before, after] = [one, other].map(|form| user(&forms[form]));
            broke(Dialect::Messages, [&messages("", from_ref(&before)), &messages("", &[after, tail])], size, None);
        }
    }
    let system =
        |system: &str| messages(&format!(r#""system":{system},"#), &[user(&format!("[{}]", block('b', 200, MARK)))]);
    let [plain, list] = [string('s', 200), format!("[{}]", block('s', 200, ""))].map(|form| system(&form));
    broke(Dialect::Messages, [&plain, &list], 400, None);
}

/// A request of all kinds of blocks; each of tools, system and messages ends with a marker.
const WHOLE: &str = r#"{"model":"m",
    "tools":[{"name":"A","description":"PAD"},{"name":"B","input_schema":{"x":1.0,"y":[]}MARK}],
    "system":[{"type":"text","text":"PAD"},{"type":"text","text":"Be kind."MARK}],
    "tool_choice":{"type":"auto"},"thinking":{"type":"adaptive"},
    "messages":[{"role":"user","content":"PAD"},
    {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"A","input":{"p":"q"}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"PAD"},
    {"type":"text","text":"go on"MARK}]}]}"#;

/// With this many of its markers.
fn whole(markers: usize) -> String {
    let padded = WHOLE.replace("PAD", &"pad ".repeat(200));
    padded.replacen("MARK", MARK, markers).replace("MARK", r#","cache_control":null"#)
}

#[test]
fn a_changed_byte_loses_what_is_after_it_and_names_the_block() {
    let table = [
        (r#""name":"A","d"#, r#""name":"Z","d"#, 0, Some("tools[0]")),
        ("1.0", "1", 0, Some("tools[1]")),
        (r#""x":1.0,"y":[]"#, r#""y":[],"x":1.0"#, 0, Some("tools[1]")),
        (r#""system""#, r#""speed":"fast","system""#, 1, Some("speed")),
        (r#"[{"type":"text","text":"pad"#, r#"[{"type":"text","text":"Pad"#, 1, Some("system[0]")),
        ("Be kind.", "Be short.", 1, Some("system[1]")),
        ("Be kind.", "Be\\u0020kind.", 1, Some("system[1]")),
        (r#""auto""#, r#""any""#, 2, Some("tool_choice")),
        (r#""adaptive""#, r#""disabled""#, 2, Some("thinking")),
        (r#""messages""#, r#""output_config":{"effort":"low"},"messages""#, 2, Some("output_config")),
        (r#""user","content":"pad"#, r#""user","content":"Pad"#, 2, Some("messages[0].content[0]")),
        (r#""user","content":"pad"#, r#""system","content":"pad"#, 2, Some("messages[0].content[0]")),
        (r#""p":"q""#, r#""p": "q""#, 2, Some("messages[1].content[0]")),
        (r#""assistant","#, r#""assistant","effort":1,"#, 2, Some("messages[1].content[0]")),
        (r#""t","content":"pad"#, r#""t","content":"Pad"#, 2, Some("messages[2].content[0]")),
        ("go on", "stop", 2, Some("messages[2].content[1]")),
        (r#""model":"m""#, r#""max_tokens":7,"model":"m","stream":true"#, 3, None),
        ("\n", "\n\n", 3, None),
    ];
    let ends = [0, 1, 2, 3].map(|markers| Caches::new().hear(Dialect::Messages, &whole(markers)).written);
    assert_eq!(ends[0], 0, "without a breakpoint nothing is written");
    for (from, to, markers, at) in table {
        let (before, after) = (whole(3), whole(3).replacen(from, to, 1));
        assert_ne!(before, after, "{from}");
        broke(Dialect::Messages, [&before, &after], ends[markers], at);
    }
}

#[test]
fn another_model_has_another_cache() {
    let (one, other) = (whole(3), whole(3).replace(r#""model":"m""#, r#""model":"n""#));
    broke(Dialect::Messages, [&one, &other], 0, None);
}

/// A message of so many blocks, each of 10 tokens; those at these places are marked.
fn many(count: usize, marked: &[usize]) -> String {
    let blocks: Vec<_> = (0..count).map(|at| block('x', 10, if marked.contains(&at) { MARK } else { "" })).collect();
    messages("", &[user(&format!("[{}]", blocks.join(",")))])
}

#[test]
fn a_breakpoint_looks_at_twenty_blocks_itself_being_the_first() {
    let first = many(30, &[29]);
    check(Dialect::Messages, &[first.clone(), many(49, &[48])], &[(0, 300), (300, 190)]);
    check(Dialect::Messages, &[first.clone(), many(50, &[49])], &[(0, 300), (0, 500)]);
    check(Dialect::Messages, &[first, many(50, &[40, 49])], &[(0, 300), (300, 200)]);
    // Parameters are not looked at.
    let [before, after] = [many(30, &[29]), many(49, &[48])]
        .map(|body| body.replacen('{', r#"{"thinking":{"type":"disabled"},"tool_choice":{"type":"auto"},"#, 1));
    broke(Dialect::Messages, [&before, &after], 300, None);
}

#[test]
fn what_is_below_the_minimum_is_neither_written_nor_read() {
    check(Dialect::Messages, &[many(9, &[8]), many(9, &[8])], &[(0, 0), (0, 0)]);
    check(Dialect::Messages, &[many(10, &[9]), many(10, &[9])], &[(0, 100), (100, 0)]);
    check(Dialect::Messages, &[many(12, &[5, 11]), many(6, &[5]), many(12, &[11])], &[(0, 120), (0, 0), (120, 0)]);
}

#[test]
fn an_hour_is_counted_apart() {
    let body = |markers: [&str; 3]| {
        let [a, b, c] =
            [('a', markers[0]), ('b', markers[1]), ('c', markers[2])].map(|(letter, m)| block(letter, 200, m));
        messages("", &[user(&format!("[{a},{b},{c}]"))])
    };
    let mut caches = Caches::new();
    let mut hear = |markers| {
        let cache = caches.hear(Dialect::Messages, &body(markers));
        (cache.read, cache.written, cache.written_1h)
    };
    assert_eq!(hear([HOUR, "", ""]), (0, 200, 200));
    assert_eq!(hear([HOUR, HOUR, MARK]), (200, 400, 200));
    assert_eq!(hear([HOUR, HOUR, MARK]), (600, 0, 0));
    assert_eq!(hear(["", "", ""]), (0, 0, 0));
}

#[test]
fn automatic_caching_marks_the_last_block() {
    let automatic = |body: String| body.replacen('{', r#"{"cache_control":{"type":"ephemeral","ttl":"1h"},"#, 1);
    check(Dialect::Messages, &[automatic(many(20, &[])), automatic(many(30, &[]))], &[(0, 200), (200, 100)]);
    check(Dialect::Messages, &[many(20, &[19]), automatic(many(30, &[]))], &[(0, 200), (200, 100)]);
    assert_eq!(Caches::new().hear(Dialect::Messages, &automatic(many(20, &[]))).written_1h, 200);
}

/// A request of OpenAI's dialects: `list` is of strings of so many tokens.
fn openai(list: &str, rest: &str, strings: &[(char, usize)]) -> String {
    let strings: Vec<_> = strings.iter().map(|(letter, tokens)| string(*letter, *tokens)).collect();
    format!(r#"{{"model":"m",{rest}"{list}":[{}]}}"#, strings.join(","))
}

#[test]
fn openai_reads_what_it_knows_in_steps() {
    for (dialect, list) in [(Dialect::Chat, "messages"), (Dialect::Responses, "input")] {
        let body = |strings: &[(char, usize)]| openai(list, "", strings);
        let long = [('a', 128), ('b', 200), ('c', 184)];
        check(dialect, &[body(&long), body(&long)], &[(0, 0), (512, 0)]);
        check(dialect, &[body(&long), body(&[('a', 128), ('b', 200), ('c', 184), ('d', 500)])], &[(0, 0), (512, 0)]);
        check(dialect, &[body(&long), body(&long[..2])], &[(0, 0), (256, 0)]);
        check(dialect, &[body(&long), body(&long[..1])], &[(0, 0), (128, 0)]);
        check(dialect, &[body(&[('a', 127)]), body(&[('a', 127)])], &[(0, 0), (0, 0)]);
        let (early, late) = (body(&[('z', 128), ('b', 200), ('c', 184)]), body(&[('a', 128), ('b', 200), ('z', 184)]));
        broke(dialect, [&body(&long), &early], 0, Some(&format!("{list}[0]")));
        broke(dialect, [&body(&long), &late], 256, Some(&format!("{list}[2]")));
        broke(dialect, [&body(&long[..2]), &body(&long)], 256, None);
        let keyed = openai(list, r#""prompt_cache_key":"k","tool_choice":"none","stream":true,"#, &long);
        broke(dialect, [&body(&long), &keyed], 512, None);
    }
}

#[test]
fn openai_has_tools_and_instructions_first() {
    let tool = |tokens| format!(r#""tools":[{}],"#, string('t', tokens));
    let rest = |instructions: &str, tokens| format!(r#""instructions":{instructions},{}"#, tool(tokens));
    let long = [('a', 512)];
    let usual = rest(&string('i', 256), 128);
    for (rest, read, at) in [
        (rest(&string('j', 256), 128), 0, "instructions"),
        (rest(&string('i', 256), 140), 256, "tools[0]"),
        (usual.clone(), 384, "input[0]"),
    ] {
        let changed = openai("input", &rest, if at == "input[0]" { &[('b', 512)] } else { &long });
        broke(Dialect::Responses, [&openai("input", &usual, &long), &changed], read, Some(at));
    }
    let (one, other) = (openai("messages", &tool(128), &long), openai("messages", &tool(140), &long));
    broke(Dialect::Chat, [&one, &other], 0, Some("tools[0]"));
    let text = |text: &str| format!(r#"{{"model":"m","input":{text}}}"#);
    check(Dialect::Responses, &[text(&string('a', 256)), text(&string('a', 300))], &[(0, 0), (128, 0)]);
}

#[test]
fn a_fork_is_named_and_a_repeated_or_shortened_prompt_is_not() {
    let chat = |letters: &str| openai("messages", "", &letters.chars().map(|letter| (letter, 10)).collect::<Vec<_>>());
    let mut caches = Caches::new();
    let mut at = |letters: &str| caches.hear(Dialect::Chat, &chat(letters)).broke_at;
    assert_eq!(["ab", "ab", "abcd", "abc", "abcd"].map(&mut at), [None, None, None, None, None]);
    assert_eq!(at("abce"), Some("messages[3]".to_owned()));
    assert_eq!(at("abcef"), None);
    assert_eq!(at("x"), Some("messages[0]".to_owned()));
}
