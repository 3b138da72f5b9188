//! What Jetway puts before a model and takes from it is the same on every turn, so that the
//! provider's prompt cache holds: one token that moves near the front is paid for as all behind it.

use jetway_support::{Setup, provider};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::agent::{Agent, DONE};
use crate::log::exchanges;
use crate::place::Place;

const POLICY: &str = "
context: { docs: docs, allowance: 500, min_score: 0.1 }
lockdown: { allow: ['*'], deny: [Agent, Workflow, 'Schedule*', WebFetch] }
budget: { output_limit: 20000 }
";
const PAGE: &str = "# Greetings\nA greeting of Jetway counts its lines.\n";

/// A part of a request as it is spelled.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    tools: &'a RawValue,
    #[serde(borrow)]
    system: &'a RawValue,
    #[serde(borrow)]
    messages: &'a RawValue,
}

#[test]
fn claude_code_s_prompt_grows_only_at_its_end() {
    let place = Place::new();
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).with(POLICY).file("open/docs/greetings.md", PAGE);
    let mut jetway = jetway.start();
    let page = jetway.folder.path().join("policies/open/docs/greetings.md");
    provider.play(jetway_scripted::Script::parse(&script(&place, &page.display().to_string())).unwrap());
    let ran =
        Agent::ClaudeCode.run(&place, &jetway.url(), "sk-dummy", "How does a greeting of Jetway count its lines?");
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
    assert!(jetway.log().contains("is in force"), "the page was not edited in the middle of the run");

    let bodies: Vec<_> =
        provider.seen().into_iter().map(|seen| String::from_utf8(seen.body.to_vec()).unwrap()).collect();
    assert_eq!(bodies.len(), 10);
    let sent: Vec<Sent<'_>> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let first = &sent[0];
    assert!(first.messages.get().contains("A greeting of Jetway counts its lines"), "{}", first.messages);
    assert!(first.tools.get().contains("\"Read\"") && !first.tools.get().contains("\"Workflow\""), "{}", first.tools);
    let mut before = String::new();
    for (turn, sent) in sent.iter().enumerate() {
        assert_eq!(sent.tools.get(), first.tools.get(), "turn {turn}");
        assert_eq!(sent.system.get(), first.system.get(), "turn {turn}");
        let messages = normalised(sent.messages.get());
        let open = messages.strip_suffix(']').unwrap();
        assert!(open.starts_with(&before) && open.len() > before.len(), "turn {turn}: {before}\n\n{open}");
        before = open.to_owned();
    }
    for exchange in exchanges(&mut jetway) {
        assert_eq!(exchange["passages"][0]["source"], "greetings.md#Greetings", "{exchange}");
        assert!(exchange["tools_removed"].as_array().unwrap().contains(&json!("Workflow")), "{exchange}");
    }
}

/// Many small turns; in one of them an operator edits the page that the model was shown.
fn script(place: &Place, page: &str) -> String {
    place.put("greeting.txt", "Hello, world\n");
    let shell = |line: &str| Agent::ClaudeCode.shell(line);
    let mut turns: Vec<Value> = (0..9).map(|turn| json!({ "calls": [shell(&format!("echo turn {turn}"))] })).collect();
    turns[2]["text"] = "é \"quoted\" \u{1F600}".into();
    turns[3]["calls"] = json!([shell("cat greeting.txt"), shell("wc greeting.txt")]);
    turns[4]["calls"] =
        json!([shell(&format!("echo '# Greetings\n\nAll new: Jetway counts greetings, lines.' > {page}; sleep 2"))]);
    turns.push(json!({ "text": DONE }));
    json!({ "scenarios": [{ "name": "long", "turns": turns }] }).to_string()
}

/// Claude Code moves its cache marks along, and writes a list of one text as that text once it
/// is no longer the last: both are the same to a model.
fn normalised(messages: &str) -> String {
    let mut text = messages.to_owned();
    for mark in
        [",\"cache_control\":{\"type\":\"ephemeral\"}", ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"]
    {
        text = text.replace(mark, "");
    }
    let begin = "[{\"type\":\"text\",\"text\":\"";
    let mut out = String::new();
    while let Some(at) = text.find(begin) {
        let quoted = at + begin.len() - 1;
        let end = quoted + string_end(&text[quoted..]);
        let is_alone = text[end..].starts_with("}]");
        out.push_str(if is_alone { &text[..at] } else { &text[..quoted] });
        out.push_str(&text[quoted..end]);
        text = text[end + if is_alone { 2 } else { 0 }..].to_owned();
    }
    out + &text
}

/// Behind the closing quote of a string that begins here.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn marks_and_lists_of_one_text_are_all_that_is_normalised() {
    let check = |written: &str, expect: &str| assert_eq!(normalised(written), expect);
    check(
        r#"[{"role":"user","content":[{"type":"text","text":"a\"]","cache_control":{"type":"ephemeral"}}]}]"#,
        r#"[{"role":"user","content":"a\"]"}]"#,
    );
    let two = r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#;
    check(two, two);
    let spaced = r#"[{"role":"user", "content":"a"}]"#;
    check(spaced, spaced);
}
