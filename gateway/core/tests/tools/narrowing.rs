//! Tools shown in part, and pinned.

use jetway_core::wire::Dialect;
use jetway_core::wire::request::Tool;
use jetway_core::wire::tools::offer::Offer;

use crate::{C, M, R, body_of, read, reshelved, rules};

/// One tool, narrowed by these rules for it; returns what was absent.
#[track_caller]
fn narrowed(dialect: Dialect, yaml: &str, item: &str, expect: &str) -> Vec<String> {
    let rules = rules(yaml);
    let offer = |tool: &Tool| rules.change(tool).map_or(Offer::Keep, Offer::Change);
    let body = |item: &str| body_of(dialect, &format!(r#""tools":[{item}]"#));
    let (out, report) = reshelved(dialect, &body(item), &offer, &[]);
    assert_eq!(out, body(expect));
    report.absent.iter().map(ToString::to_string).collect()
}

#[test]
fn descriptions_are_replaced_or_go_on() {
    let append = "T: { description: { append: 'Say \"hi\".' } }";
    let replace = "T: { description: { replace: 'Say \"hi\".' } }";
    let check = |yaml, item, expect| assert!(narrowed(M, yaml, item, expect).is_empty());
    check(
        append,
        r#"{"name":"T", "description": "Own\u0021" }"#,
        r#"{"name":"T", "description": "Own\u0021\n\nSay \"hi\"." }"#,
    );
    check(append, r#"{"name":"T"}"#, r#"{"description":"Say \"hi\".","name":"T"}"#);
    check(append, r#"{"name":"T","description":""}"#, r#"{"name":"T","description":"Say \"hi\"."}"#);
    check(append, r#"{"name":"T","description":null}"#, r#"{"name":"T","description":"Say \"hi\"."}"#);
    check(replace, r#"{"name":"T","description":"Own"}"#, r#"{"name":"T","description":"Say \"hi\"."}"#);
    check(replace, r#"{"name":"U","description":"Own"}"#, r#"{"name":"U","description":"Own"}"#);
    narrowed(
        C,
        append,
        r#"{"type":"function","function":{"name":"T"}}"#,
        r#"{"type":"function","function":{"description":"Say \"hi\".","name":"T"}}"#,
    );
    let group =
        |tool: &str| format!(r#"{{"type":"namespace","name":"n","tools":[{tool},{{"type":"function","name":"U"}}]}}"#);
    narrowed(
        R,
        append,
        &group(r#"{"type":"custom","name":"T","description":"D"}"#),
        &group(r#"{"type":"custom","name":"T","description":"D\n\nSay \"hi\"."}"#),
    );
    // The provider's own definitions take no description.
    let absent = narrowed(
        R,
        "local_shell: { description: { append: x } }",
        r#"{"type":"local_shell"}"#,
        r#"{"type":"local_shell"}"#,
    );
    assert_eq!(absent, ["the tool `local_shell` has no description that could be narrowed"]);
}

const LIMITS: &str = r#"
T:
  properties:
    away: { remove: true }
    set: { fixed: 60000 }
    text: { pattern: "^npm ", max_length: 400, description: A command. }
    pick: { enum: [a, 1] }
    count: { minimum: 2, maximum: 10 }
"#;

#[test]
fn properties_are_narrowed_in_the_agent_s_own_bytes() {
    let schema = r#"{"type":"object", "properties": {"away": {"type":"boolean"},  "text":{"type" : "string","pattern":"."}, "set":{}, "pick":true,"count":{"minimum":3,"maximum":11},"other":{"x":1.0}}, "required":["text","away", "other"]}"#;
    let expect = r#"{"type":"object", "properties": {"text":{"description":"A command.","maxLength":400,"type" : "string","pattern":"^npm "}, "pick":{"enum":["a",1]},"count":{"minimum":3,"maximum":10},"other":{"x":1.0}}, "required":["text", "other"]}"#;
    assert!(
        narrowed(
            M,
            LIMITS,
            &format!(r#"{{"name":"T","input_examples":[{{"away":true}}],"strict":true,"input_schema":{schema}}}"#),
            &format!(r#"{{"name":"T","strict":false,"input_schema":{expect}}}"#),
        )
        .is_empty()
    );
    narrowed(
        C,
        LIMITS,
        &format!(r#"{{"type":"function","function":{{"name":"T","parameters":{schema},"strict":true}}}}"#),
        &format!(r#"{{"type":"function","function":{{"name":"T","parameters":{expect},"strict":false}}}}"#),
    );
    narrowed(
        R,
        LIMITS,
        &format!(r#"{{"type":"function","name":"T","parameters":{schema}}}"#),
        &format!(r#"{{"strict":false,"type":"function","name":"T","parameters":{expect}}}"#),
    );
}

#[test]
fn what_is_not_there_is_reported() {
    let item = r#"{"name":"T","input_schema":{"type":"object","properties":{"away":{}},"required":["away"]}}"#;
    let expect = r#"{"name":"T","input_schema":{"type":"object","properties":{}}}"#;
    let absent = narrowed(M, LIMITS, item, expect);
    assert_eq!(absent.len(), 4, "{absent:?}");
    assert_eq!(absent[0], "the tool `T` has no property `count` that could be narrowed");
    let none = r#"{"name":"T"}"#;
    assert_eq!(narrowed(M, LIMITS, none, none).len(), 5);
    let odd = r#"{"name":"T","input_schema":{"properties":[]}}"#;
    assert_eq!(narrowed(M, LIMITS, odd, odd).len(), 5);
}

#[test]
fn a_tool_that_comes_in_mid_conversation_is_narrowed_too() {
    let body = |description: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"system","content":[{{"type":"tool_addition","tool":{{"type":"tool_definition","definition":{{"name":"T","description":"{description}"}}}}}}]}}]}}"#
        )
    };
    let rules = rules("T: { description: { append: x } }");
    let offer = |tool: &Tool| rules.change(tool).map_or(Offer::Keep, Offer::Change);
    assert_eq!(reshelved(M, &body("d"), &offer, &[]).0, body("d\\n\\nx"));
}

#[test]
fn nothing_is_changed_inside_of_what_goes() {
    let block = r#"{"type":"tool_removal","tool_name":"away","content":[{"type":"tool_addition","tool":{"definition":{"name":"T","description":"d"}}}]}"#;
    let body = |block: &str| format!(r#"{{"model":"m","messages":[{{"role":"system","content":[{block}]}}]}}"#);
    let rules = rules("T: { description: { append: x } }");
    let offer = |tool: &Tool| match tool.name.as_deref() {
        Some("away") => Offer::Drop,
        _ => rules.change(tool).map_or(Offer::Keep, Offer::Change),
    };
    let (out, report) = reshelved(M, &body(block), &offer, &[]);
    assert_eq!(out, body(r#"{"type":"text","text":"(A tool is withheld here.)"}"#));
    assert_eq!(report.dropped.len(), 2);
}

fn digest(dialect: Dialect, item: &str) -> String {
    let request = read(dialect, &body_of(dialect, &format!(r#""tools":[{item}]"#)));
    request.tools()[0].digest(&request.json).to_string()
}

#[test]
fn a_digest_is_of_what_a_tool_says() {
    let first = digest(
        M,
        r#"{"name":"T","description":"D\u00e9","input_schema":{"type":"object","properties":{"a":{"minimum":1.0}}}}"#,
    );
    assert_eq!(first.len(), "sha256:".len() + 64);
    for same in [
        r#"{ "input_schema": {"properties":{ "a": {"minimum":1}}, "type":"object"},"description":"Dé","type":"custom","name":"T","cache_control":{"type":"ephemeral"},"defer_loading":true}"#,
        r#"{"name":"\u0054","description":"D\u00E9","input_schema":{"t\u0079pe":"object","properties":{"a":{"minimum":1e0}}}}"#,
    ] {
        assert_eq!(digest(M, same), first, "{same}");
    }
    for other in [
        r#"{"name":"U","description":"Dé","input_schema":{"type":"object","properties":{"a":{"minimum":1}}}}"#,
        r#"{"name":"T","description":"Dé ","input_schema":{"type":"object","properties":{"a":{"minimum":1}}}}"#,
        r#"{"name":"T","input_schema":{"type":"object","properties":{"a":{"minimum":1}}}}"#,
        r#"{"name":"T","description":"Dé","input_schema":{"type":"object","properties":{"a":{"minimum":2}}}}"#,
        r#"{"name":"T","description":"Dé","input_schema":{"type":"object","properties":{"a":{"minimum":1},"cache_control":{}}}}"#,
        r#"{"name":"T","description":"Dé"}"#,
    ] {
        assert_ne!(digest(M, other), first, "{other}");
    }
    let items = |order: &str| format!(r#"{{"name":"T","input_schema":{{"enum":[{order}]}}}}"#);
    assert_ne!(digest(M, &items("1,2")), digest(M, &items("2,1")));
    assert_ne!(digest(M, &items("9007199254740993")), digest(M, &items("9007199254740992")));
    let parameters = r#"{"type":"function","function":{"name":"T","description":"D","parameters":{}}}"#;
    assert_eq!(digest(C, parameters), digest(M, r#"{"name":"T","description":"D","input_schema":{}}"#));
    let grammar = |text: &str| format!(r#"{{"type":"custom","name":"T","format":{{"definition":"{text}"}}}}"#);
    assert_ne!(digest(R, &grammar("a")), digest(R, &grammar("b")));
    let dated = |date: &str| format!(r#"{{"type":"bash_{date}","name":"bash"}}"#);
    assert_ne!(digest(M, &dated("20250124")), digest(M, &dated("20260124")));
}

#[test]
fn a_pin_refuses_a_tool_that_says_something_else() {
    let item = r#"{"name":"T","description":"D","input_schema":{}}"#;
    let rules = rules(&format!("T: {{ pin: '{}' }}", digest(M, item)));
    let check = |item: &str| {
        let request = read(M, &body_of(M, &format!(r#""tools":[{item}]"#)));
        rules.check_pin(request.tools()[0], &request.json)
    };
    assert_eq!(check(item), Ok(()));
    assert_eq!(check(r#"{"name":"Other"}"#), Ok(()));
    let changed = r#"{"name":"T","description":"E","input_schema":{}}"#;
    let unfit = check(changed).unwrap_err();
    assert_eq!(unfit.rule(), "pin T");
    assert!(unfit.to_string().contains(&digest(M, changed)), "{unfit}");
    assert!(check(r#"{"type":"shiny","name":"T"}"#).is_ok(), "a shape of no name is not this rule's to refuse");
}

#[test]
fn what_the_provider_runs_unseen_cannot_be_narrowed() {
    let check = |dialect, yaml: &str, item: &str, expect: Option<&str>| {
        let request = read(dialect, &body_of(dialect, &format!(r#""tools":[{item}]"#)));
        let found = rules(yaml).check_pin(request.tools()[0], &request.json).map_err(|unfit| unfit.rule());
        assert_eq!(found.err().as_deref(), expect, "{item}");
    };
    let search = r#"{"type":"web_search_20250305","name":"web_search"}"#;
    check(M, "web_search: { properties: { query: { max_length: 9 } } }", search, Some("narrow web_search"));
    check(M, "web_search: { description: { append: x } }", search, None);
    let server = r#"{"type":"mcp","server_label":"g"}"#;
    check(R, "mcp__g__a: { properties: { x: { remove: true } } }", server, Some("narrow mcp__g__a"));
    check(R, &format!("mcp__g__a: {{ pin: 'sha256:{}' }}", "0".repeat(64)), server, Some("narrow mcp__g__a"));
    check(R, "mcp__h__a: { properties: { x: { remove: true } } }", server, None);
    let one = r#"{"type":"mcp","server_label":"g","allowed_tools":["a"]}"#;
    check(R, "mcp__g__a: { properties: { x: { remove: true } } }", one, Some("narrow mcp__g__a"));
    let bash = r#"{"type":"bash_20250124","name":"bash"}"#;
    check(M, "bash: { properties: { restart: { remove: true } } }", bash, None);
}
