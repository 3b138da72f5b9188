//! Tools dropped and added, and all that points at them.

use jetway_core::wire::Dialect;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Tool;
use jetway_core::wire::tools::Shape;
use jetway_core::wire::tools::offer::{NewTool, Offer};

use crate::{C, M, R, body_of, offered, ours, read, reshelved};

#[track_caller]
fn dropped(dialect: Dialect, rest: &str, drop: &[&str], expect: &str) {
    let expect = if expect.is_empty() { body_of(dialect, "").replace(",}", "}") } else { body_of(dialect, expect) };
    assert_eq!(offered(dialect, &body_of(dialect, rest), drop, &[]).0, expect);
}

#[track_caller]
fn added(dialect: Dialect, body: &str, drop: &[&str], expect: &str) {
    let (out, _) = offered(dialect, body, drop, &[ours("one"), ours("two"), ours("one")]);
    assert_eq!(out, expect);
    // Ours are found again, dropped, and put where they were.
    let (again, _) = offered(dialect, &out, drop, &[ours("one"), ours("two")]);
    assert_eq!(again, out);
}

const ONE_M: &str = r#"{"name":"one","description":"Says \"hi\".","input_schema":{"type":"object"}}"#;
const TWO_M: &str = r#"{"name":"two","description":"Says \"hi\".","input_schema":{"type":"object"}}"#;

#[test]
fn tools_of_ours_go_where_the_agent_keeps_its_own() {
    let m = |tools: &str| format!(r#"{{"model":"m","tools":[{tools}],"messages":[]}}"#);
    added(M, &m(r#"{"name":"a"} , {"name":"b"}"#), &["a"], &m(&format!(r#"{{"name":"b"}},{ONE_M},{TWO_M}"#)));
    added(M, &m(r#"{"name":"a"},{"name":"b"}"#), &["b"], &m(&format!(r#"{{"name":"a"}},{ONE_M},{TWO_M}"#)));
    added(M, &m(r#"{"name":"a"}"#), &["a"], &m(&format!("{ONE_M},{TWO_M}")));
    added(M, &m(""), &[], &m(&format!("{ONE_M},{TWO_M}")));
    added(
        M,
        &m(r#"{"name":"one","description":"theirs"},{"name":"b"}"#),
        &[],
        &m(&format!(r#"{{"name":"b"}},{ONE_M},{TWO_M}"#)),
    );
    added(
        M,
        r#"{"model":"m","messages":[]}"#,
        &[],
        &format!(r#"{{"tools":[{ONE_M},{TWO_M}],"model":"m","messages":[]}}"#),
    );
    added(
        M,
        r#"{"model":"m","tools":null,"messages":[]}"#,
        &[],
        &format!(r#"{{"model":"m","tools":[{ONE_M},{TWO_M}],"messages":[]}}"#),
    );
    let bare =
        |name: &str| format!(r#"{{"name":"{name}","description":"Says \"hi\".","parameters":{{"type":"object"}}}}"#);
    let chat = |name: &str| format!(r#"{{"type":"function","function":{}}}"#, bare(name));
    let (one, two) = (chat("one"), chat("two"));
    added(
        C,
        r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"a"}}]}"#,
        &[],
        &format!(
            r#"{{"model":"m","messages":[],"tools":[{{"type":"function","function":{{"name":"a"}}}},{one},{two}]}}"#
        ),
    );
    added(
        C,
        r#"{"model":"m","messages":[],"functions":[{"name":"a"}]}"#,
        &["a"],
        &format!(r#"{{"model":"m","messages":[],"functions":[{},{}]}}"#, bare("one"), bare("two")),
    );
    let flat = |name: &str| {
        format!(
            r#"{{"type":"function","name":"{name}","description":"Says \"hi\".","strict":false,"parameters":{{"type":"object"}}}}"#
        )
    };
    let (one, two) = (flat("one"), flat("two"));
    added(
        R,
        r#"{"model":"m","input":"x","tools":[{"type":"local_shell"}]}"#,
        &["local_shell"],
        &format!(r#"{{"model":"m","input":"x","tools":[{one},{two}]}}"#),
    );
    added(R, r#"{"model":"m","input":"x"}"#, &[], &format!(r#"{{"tools":[{one},{two}],"model":"m","input":"x"}}"#));
    let lite = |tools: &str| {
        format!(
            r#"{{"model":"m","input":[{{"type":"additional_tools","role":"developer","tools":[{tools}]}},{{"role":"user","content":"x"}}]}}"#
        )
    };
    let group = r#"{"type":"namespace","name":"n","tools":[{"type":"function","name":"a"}]}"#;
    added(R, &lite(group), &[], &lite(&format!("{group},{one},{two}")));
    added(R, &lite(group), &["a"], &lite(&format!("{one},{two}")));
}

#[test]
fn our_tools_are_what_a_provider_takes() {
    let refused = |name: &str, schema: &str| NewTool::new(name, "", schema).unwrap_err().to_string();
    assert!(refused("", r#"{"type":"object"}"#).contains("cannot be offered"));
    assert!(refused("a b", r#"{"type":"object"}"#).contains("cannot be offered"));
    assert!(refused(&"a".repeat(65), r#"{"type":"object"}"#).contains("cannot be offered"));
    assert!(refused("a", r#"{"type":"object"},"#).contains("not JSON"));
    assert!(refused("a", r#"{"type":"array"}"#).contains("must be an object"));
    assert!(refused("a", "[]").contains("must be an object"));
}

#[test]
fn breakpoints_move_to_a_neighbour() {
    const ON: &str = r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#;
    let tools = |items: &[&str]| format!(r#""tools":[{}]"#, items.join(","));
    let on = |name: &str| format!(r#"{{"name":"{name}",{ON}}}"#);
    let moved = |name: &str| format!(r#"{{{ON},"name":"{name}"}}"#);
    let (a, b, c) = (r#"{"name":"a"}"#, r#"{"name":"b"}"#, r#"{"name":"c"}"#);
    dropped(M, &tools(&[a, b, &on("x")]), &["x"], &tools(&[a, &moved("b")]));
    dropped(M, &tools(&[&on("x"), a, b]), &["x"], &tools(&[&moved("a"), b]));
    dropped(M, &tools(&[a, b, &on("x"), c]), &["b", "x"], &tools(&[&moved("a"), c]));
    dropped(M, &tools(&[&on("a"), &on("x")]), &["x"], &tools(&[&on("a")]));
    dropped(M, &tools(&[a, &on("x"), &on("y")]), &["x", "y"], &tools(&[&moved("a")]));
    // Of two that meet, the first stays: a longer time to live comes before a shorter one.
    let short = r#"{"name":"y","cache_control":{"type":"ephemeral"}}"#;
    dropped(M, &tools(&[a, &on("x"), short]), &["x", "y"], &tools(&[&moved("a")]));
    dropped(M, &tools(&[&on("x")]), &["x"], "");
    let null = r#"{"name":"a","cache_control":null}"#;
    dropped(M, &tools(&[null, &on("x")]), &["x"], &tools(&[&on("a")]));
    dropped(M, &tools(&[a, r#"{"name":"x","cache_control":null}"#]), &["x"], &tools(&[a]));
    // A tool that is deferred takes none.
    let deferred = r#"{"name":"d","defer_loading":true}"#;
    dropped(M, &tools(&[a, deferred, &on("x")]), &["x"], &tools(&[&moved("a"), deferred]));
    let chat = |item: &str| format!(r#"{{{item}"type":"function","function":{{"name":"a"}}}}"#);
    let x = r#"{"type":"function","function":{"name":"x"},"cache_control":{"type":"ephemeral"}}"#;
    dropped(C, &tools(&[&chat(""), x]), &["x"], &tools(&[&chat(r#""cache_control":{"type":"ephemeral"},"#)]));
}

#[test]
fn what_is_deferred_can_still_be_found() {
    let tools = |items: &[&str]| format!(r#""tools":[{}]"#, items.join(","));
    let search = r#"{"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"}"#;
    let (late, early) = (r#"{"name":"a","defer_loading":true}"#, r#"{"name":"a","defer_loading":false}"#);
    let b = r#"{"name":"b"}"#;
    dropped(M, &tools(&[search, late, b]), &[], &tools(&[search, late, b]));
    dropped(M, &tools(&[search, late, b]), &["b"], &tools(&[search, late]));
    dropped(M, &tools(&[search, late, b]), &["tool_search_tool_regex"], &tools(&[early, b]));
    // Only deferred tools are no list that a provider takes.
    dropped(M, &tools(&[b, late]), &["b"], &tools(&[early]));
    dropped(M, &tools(&[b, late]), &[], &tools(&[b, late]));
    let set = |deferred: bool| {
        format!(r#"{{"type":"mcp_toolset","mcp_server_name":"g","default_config":{{"defer_loading":{deferred}}}}}"#)
    };
    dropped(M, &tools(&[b, &set(true)]), &["b"], &tools(&[&set(false)]));
    let group = |deferred: bool| {
        format!(
            r#"{{"type":"namespace","name":"n","tools":[{{"type":"function","name":"a","defer_loading":{deferred}}}]}}"#
        )
    };
    dropped(R, &tools(&[r#"{"type":"tool_search"}"#, &group(true)]), &["tool_search"], &tools(&[&group(false)]));
}

#[test]
fn what_programs_were_to_call_is_called_directly() {
    let code = r#"{"type":"code_execution_20260120","name":"code_execution"}"#;
    let a = |callers: &str| format!(r#"{{"name":"a","allowed_callers":[{callers}]}}"#);
    let only = a(r#""code_execution_20260120""#);
    let rest = format!(r#""tools":[{code},{only}],"container":"c""#);
    dropped(M, &rest, &["b"], &rest);
    dropped(M, &rest, &["code_execution"], &format!(r#""tools":[{}]"#, a(r#""direct""#)));
}

#[test]
fn servers_stay_as_long_as_one_of_their_tools() {
    let body = |configs: &str| {
        format!(
            r#""tools":[{{"type":"mcp_toolset","mcp_server_name":"g","default_config":{{"enabled":false}},"configs":{{{configs}}}}}],"mcp_servers":[{{"name":"g","url":"u"}}]"#
        )
    };
    let both = body(r#""a":{"enabled":true},"b":{"enabled":true}"#);
    dropped(M, &both, &[], &both);
    dropped(M, &both, &["mcp__g__b"], &body(r#""a":{"enabled":true},"b":{"enabled":false}"#));
    dropped(M, &both, &["mcp__g__a", "mcp__g__b"], "");
    let older =
        |names: &str| format!(r#""mcp_servers":[{{"name":"g","tool_configuration":{{"allowed_tools":[{names}]}}}}]"#);
    dropped(M, &older(r#""a","b","c""#), &["mcp__g__a", "mcp__g__c"], &older(r#""b""#));
    dropped(M, &older(r#""a""#), &["mcp__g__a"], "");
    let mcp = |names: &str| format!(r#""tools":[{{"type":"mcp","server_label":"g","allowed_tools":[{names}]}}]"#);
    dropped(R, &mcp(r#""a","b""#), &["mcp__g__a"], &mcp(r#""b""#));
    let (out, _) = offered(
        M,
        &body_of(M, r#""tools":[{"type":"mcp_toolset","mcp_server_name":"g"}]"#),
        &[],
        &[NewTool::new("mcp__g__a", "", r#"{"type":"object"}"#).unwrap()],
    );
    assert!(!out.contains("mcp_toolset"), "{out}");
}

#[test]
fn choices_follow_what_is_left() {
    let check = |dialect, before: &str, drop: &[&str], after: &str| {
        let tools = match dialect {
            M => r#"{"name":"a"},{"name":"b"}"#,
            C => r#"{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}"#,
            R => r#"{"type":"function","name":"a"},{"type":"function","name":"b"},{"type":"mcp","server_label":"g"}"#,
        };
        let body = |choice: &str| body_of(dialect, &format!(r#""tools":[{tools}],"tool_choice":{choice}"#));
        let (out, _) = offered(dialect, &body(before), drop, &[]);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let expect: serde_json::Value = serde_json::from_str(after).unwrap();
        assert_eq!(json["tool_choice"], expect, "{before}");
    };
    check(M, r#"{"type":"tool","name":"b"}"#, &["a"], r#"{"type":"tool","name":"b"}"#);
    check(
        M,
        r#"{"name":"b","disable_parallel_tool_use":true,"type":"tool"}"#,
        &["b"],
        r#"{"type":"auto","disable_parallel_tool_use":true}"#,
    );
    check(M, r#"{"type":"any"}"#, &["b"], r#"{"type":"any"}"#);
    check(M, r#"{"type":"custom","custom":{"name":"b"}}"#, &["b"], r#"{"type":"auto"}"#);
    check(C, r#""required""#, &["b"], r#""required""#);
    check(C, r#""b""#, &["b"], r#""auto""#);
    check(C, r#"{"type":"function","function":{"name":"b"}}"#, &["b"], r#""auto""#);
    let both = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}]}}"#;
    let a = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"a"}}]}}"#;
    check(C, both, &["b"], a);
    check(R, r#"{"type":"mcp","server_label":"g"}"#, &["a"], r#"{"type":"mcp","server_label":"g"}"#);
    check(
        R,
        r#"{"type":"mcp","server_label":"g","name":"x"}"#,
        &["a"],
        r#"{"type":"mcp","server_label":"g","name":"x"}"#,
    );
    check(R, r#"{"type":"mcp","server_label":"g"}"#, &["mcp__g__"], r#""auto""#);
    check(R, r#"{"type":"web_search_preview"}"#, &[], r#""auto""#);
    check(R, r#"{"type":"function","name":"b"}"#, &["b"], r#""auto""#);
}

#[test]
fn a_choice_of_a_tool_that_ours_replaces_stays_where_its_kind_does() {
    let choice = |dialect, tools: &str, choice: &str| {
        let body = body_of(dialect, &format!(r#""tools":[{tools}],"tool_choice":{choice}"#));
        let (out, _) = offered(dialect, &body, &[], &[ours("one")]);
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["tool_choice"].to_string()
    };
    let same = r#"{"name":"one","type":"tool"}"#;
    assert_eq!(choice(M, r#"{"name":"one"}"#, same), same);
    let function = r#"{"name":"one","type":"function"}"#;
    assert_eq!(choice(R, function, function), function);
    let custom = r#"{"name":"one","type":"custom"}"#;
    assert_eq!(choice(R, custom, custom), r#""auto""#);
    let custom = r#"{"custom":{"name":"one"},"type":"custom"}"#;
    assert_eq!(choice(C, custom, custom), r#""auto""#);
}

#[test]
fn each_list_of_chat_has_its_own_choice() {
    dropped(
        C,
        r#""tools":[{"type":"function","function":{"name":"a"}}],"functions":[{"name":"b"}],"tool_choice":"auto","parallel_tool_calls":true,"function_call":{"name":"b"}"#,
        &["a"],
        r#""functions":[{"name":"b"}],"function_call":{"name":"b"}"#,
    );
    dropped(
        C,
        r#""functions":[{"name":"a"},{"name":"b"}],"function_call":{"name":"b"}"#,
        &["b"],
        r#""functions":[{"name":"a"}],"function_call":"auto""#,
    );
}

#[test]
fn what_messages_say_of_tools_follows_their_definitions() {
    let body = |tools: &str, blocks: &str| {
        format!(r#"{{"model":"m","tools":[{tools}],"messages":[{{"role":"user","content":[{blocks}]}}]}}"#)
    };
    let check = |before: (&str, &str), drop: &[&str], after: (&str, &str)| {
        assert_eq!(offered(M, &body(before.0, before.1), drop, &[ours("one")]).0, body(after.0, after.1));
    };
    let (a, b) = (r#"{"name":"a"}"#, r#"{"name":"b"}"#);
    let kept = format!("{a},{ONE_M}");
    let text = r#"{"type":"text","text":"(A tool is withheld here.)"}"#;
    let found = |names: &[&str]| {
        let references: Vec<_> =
            names.iter().map(|name| format!(r#"{{"type":"tool_reference","tool_name":"{name}"}}"#)).collect();
        format!(
            r#"{{"type":"tool_search_tool_result","content":{{"type":"tool_search_tool_search_result","tool_references":[{}]}}}}"#,
            references.join(",")
        )
    };
    // Nothing but references may stand there.
    check((&format!("{a},{b}"), &found(&["b", "a", "b"])), &["b"], (&kept, &found(&["a"])));
    check((&format!("{a},{b}"), &found(&["b"])), &["b"], (&kept, &found(&[])));
    let defines = |name: &str| {
        format!(r#"{{"type":"tool_addition","tool":{{"type":"tool_definition","definition":{{"name":"{name}"}}}}}}"#)
    };
    check((a, &defines("c")), &[], (&kept, &defines("c")));
    check((a, &defines("c")), &["c"], (&kept, text));
    check((a, &defines("one")), &[], (&kept, text));
    let nested = format!(r#"{{"type":"tool_removal","tool_name":"b","content":[{}]}}"#, defines("c"));
    check((a, &nested), &["b"], (&kept, text));
    check((a, &nested), &["c"], (&kept, &nested.replace(&defines("c"), text)));
}

#[test]
fn a_reference_stays_while_its_definition_does() {
    let body = r#"{"model":"m","tools":[{"name":"a"}],"messages":[{"role":"user","content":[{"type":"tool_reference","tool_name":"a"}]}]}"#;
    // A rule that looks at definitions says nothing of what only names one.
    let offer = |tool: &Tool| if tool.shape == Shape::Named { Offer::Drop } else { Offer::Keep };
    assert_eq!(reshelved(M, body, &offer, &[]).0, body);
}

#[test]
fn an_item_that_offers_nothing_any_more_becomes_a_note() {
    let body = r#"{"model":"m","input":[{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"exec"}]},{"role":"user","content":"x"}],"tool_choice":"auto","parallel_tool_calls":false}"#;
    let request = read(R, body);
    let mut patch = Patch::default();
    let report = request.reshelve(&|_| Offer::Drop, &[], &mut patch);
    request.add_system_text("S", false, &mut patch);
    let out = patch.apply(&request.json).unwrap();
    let note = |text: &str| {
        format!(r#"{{"type":"message","role":"developer","content":[{{"type":"input_text","text":"{text}"}}]}}"#)
    };
    let expect = format!(
        r#"{{"model":"m","input":[{},{},{{"role":"user","content":"x"}}]}}"#,
        note("(Tools are withheld here.)"),
        note("S")
    );
    assert_eq!(std::str::from_utf8(&out).unwrap(), expect);
    assert_eq!(report.dropped, [Some("exec".to_owned())]);
}

#[test]
fn other_stages_change_the_same_request() {
    let body = r#"{"tools":[{"type":"function","function":{"name":"a"}}],"stream_options":null,"tool_choice":"auto","model":"m","messages":[],"stream":true}"#;
    let request = read(C, body);
    let mut patch = Patch::default();
    request.reshelve(&|_| Offer::Drop, &[], &mut patch);
    request.ask_for_usage(&mut patch);
    request.limit_output(9, &mut patch);
    let out = patch.apply(&request.json).unwrap();
    let expect = r#"{"max_completion_tokens":9,"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true}"#;
    assert_eq!(std::str::from_utf8(&out).unwrap(), expect);
}
