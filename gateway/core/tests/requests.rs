//! Requests of every dialect: what is read out of them, and that changes touch nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use bytes::Bytes;
use jetway_core::wire::Dialect;
use jetway_core::wire::effort::{Asked, Effort};
use jetway_core::wire::facts::Caching;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::{Malformed, Request};

fn read(dialect: Dialect, body: &str) -> Result<Request, Malformed> {
    let json = Json::read(Bytes::copy_from_slice(body.as_bytes()))?;
    Request::read(dialect, json)
}

#[track_caller]
fn pruned(dialect: Dialect, body: &str, keep: &[&str], expect: &str) {
    let request = read(dialect, body).unwrap();
    let mut patch = Patch::default();
    request.prune_tools(&|tool| tool.name.as_deref().is_some_and(|name| keep.contains(&name)), &mut patch);
    let out = patch.apply(&request.json).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap(), expect);
    serde_json::from_slice::<serde_json::Value>(&out).unwrap();
}

const MESSAGES: &str = r#"{"model":"m", "tools":[{"name":"Read" },
 {"name":"Bash","input_schema":{"x":1.0}}, {"type":"web_search_20250305","name":"web_search"}],"messages":[]}"#;

#[test]
fn untouched_tools_keep_their_bytes() {
    pruned(Dialect::Messages, MESSAGES, &["Read", "Bash", "web_search"], MESSAGES);
    pruned(
        Dialect::Messages,
        MESSAGES,
        &["Bash"],
        "{\"model\":\"m\", \"tools\":[{\"name\":\"Bash\",\"input_schema\":{\"x\":1.0}}],\"messages\":[]}",
    );
    pruned(Dialect::Messages, MESSAGES, &[], "{\"model\":\"m\",\"messages\":[]}");
}

#[test]
fn a_choice_of_a_removed_tool_is_mended() {
    let choice = |name: &str| {
        format!(
            r#"{{"model":"m","tools":[{{"name":"Read"}},{{"name":"Bash"}}],"tool_choice":{{"type":"tool","name":"{name}"}},"messages":[]}}"#
        )
    };
    pruned(
        Dialect::Messages,
        &choice("Bash"),
        &["Read"],
        r#"{"model":"m","tools":[{"name":"Read"}],"tool_choice":{"type":"auto"},"messages":[]}"#,
    );
    pruned(
        Dialect::Messages,
        &choice("Read"),
        &["Read"],
        r#"{"model":"m","tools":[{"name":"Read"}],"tool_choice":{"type":"tool","name":"Read"},"messages":[]}"#,
    );
    pruned(Dialect::Messages, &choice("Bash"), &[], r#"{"model":"m","messages":[]}"#);
}

#[test]
fn an_empty_list_with_a_stale_choice_is_mended() {
    pruned(
        Dialect::Messages,
        r#"{"model":"m","tools":[],"tool_choice":{"type":"any"},"messages":[]}"#,
        &[],
        r#"{"model":"m","messages":[]}"#,
    );
    pruned(
        Dialect::Chat,
        r#"{"tools":[],"tool_choice":"required","parallel_tool_calls":true,"model":"m","messages":[]}"#,
        &[],
        r#"{"model":"m","messages":[]}"#,
    );
}

#[test]
fn servers_of_tools_are_judged_by_their_name() {
    let body = r#"{"model":"m","mcp_servers":[{"type":"url","name":"github","url":"u"},{"type":"url","name":"x","url":"u"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}],"messages":[]}"#;
    pruned(
        Dialect::Messages,
        body,
        &["mcp__github__"],
        r#"{"model":"m","mcp_servers":[{"type":"url","name":"github","url":"u"}],"messages":[]}"#,
    );
}

#[test]
fn chat_tools_of_every_shape() {
    let body = r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"a"}},{"type":"custom","custom":{"name":"b"}},{"type":"odd","odd":{"name":"a"}},{"name":"a"}],"functions":[{"name":"c"}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"a"}}]}}}"#;
    pruned(
        Dialect::Chat,
        body,
        &["b"],
        r#"{"model":"m","messages":[],"tools":[{"type":"custom","custom":{"name":"b"}}],"tool_choice":"auto"}"#,
    );
}

#[test]
fn responses_tools_in_lists_groups_and_items() {
    let body = r#"{"model":"m","input":[{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"exec"},{"type":"namespace","name":"collab","tools":[{"type":"function","name":"spawn"},{"type":"function","name":"wait"}]},{"type":"namespace","name":"clock","tools":[{"type":"function","name":"sleep"}]}]},{"role":"user","content":"hi"}],"tools":[{"type":"web_search"},{"type":"local_shell"}],"tool_choice":{"type":"function","name":"spawn"}}"#;
    pruned(
        Dialect::Responses,
        body,
        &["exec", "wait", "local_shell"],
        r#"{"model":"m","input":[{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"exec"},{"type":"namespace","name":"collab","tools":[{"type":"function","name":"wait"}]}]},{"role":"user","content":"hi"}],"tools":[{"type":"local_shell"}],"tool_choice":"auto"}"#,
    );
    let request = read(Dialect::Responses, body).unwrap();
    let names: Vec<_> = request.tools().iter().map(|tool| tool.name.clone().unwrap()).collect();
    assert_eq!(names, ["web_search", "local_shell", "exec", "spawn", "wait", "sleep"]);
    assert_eq!(request.tools()[3].namespace.as_deref(), Some("collab"));
}

#[track_caller]
fn informed(dialect: Dialect, body: &str, expect: &str) {
    let request = read(dialect, body).unwrap();
    let mut patch = Patch::default();
    request.add_system_text("say \"hi\"\\", false, &mut patch);
    let out = patch.apply(&request.json).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap(), expect);
    serde_json::from_slice::<serde_json::Value>(&out).unwrap();
}

#[test]
fn text_comes_behind_the_agent_s_own_system_text() {
    let m = Dialect::Messages;
    informed(m, r#"{"messages":[],"model":"m"}"#, r#"{"system":"say \"hi\"\\","messages":[],"model":"m"}"#);
    informed(
        m,
        r#"{"system":"S","messages":[],"model":"m"}"#,
        r#"{"system":"S\n\nsay \"hi\"\\","messages":[],"model":"m"}"#,
    );
    informed(
        m,
        r#"{"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}} ],"messages":[],"model":"m"}"#,
        r#"{"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}},{"type":"text","text":"say \"hi\"\\"} ],"messages":[],"model":"m"}"#,
    );
    let c = Dialect::Chat;
    informed(
        c,
        r#"{"messages":[{"role":"developer","content":"S"},{"role":"user","content":"x"}],"model":"m"}"#,
        r#"{"messages":[{"role":"developer","content":"S"},{"role":"developer","content":"say \"hi\"\\"},{"role":"user","content":"x"}],"model":"m"}"#,
    );
    informed(
        c,
        r#"{"messages":[],"model":"m"}"#,
        r#"{"messages":[{"role":"system","content":"say \"hi\"\\"}],"model":"m"}"#,
    );
    let r = Dialect::Responses;
    informed(r, r#"{"input":"x","model":"m"}"#, r#"{"instructions":"say \"hi\"\\","input":"x","model":"m"}"#);
    informed(
        r,
        r#"{"instructions":"S","input":[],"model":"m"}"#,
        r#"{"instructions":"S\n\nsay \"hi\"\\","input":[],"model":"m"}"#,
    );
    informed(
        r,
        r#"{"input":[{"role":"developer","content":"S"},{"role":"user","content":"x"}],"model":"m"}"#,
        r#"{"input":[{"role":"developer","content":"S"},{"type":"message","role":"developer","content":[{"type":"input_text","text":"say \"hi\"\\"}]},{"role":"user","content":"x"}],"model":"m"}"#,
    );
}

/// With a breakpoint behind it, and one for all.
#[track_caller]
fn cached(dialect: Dialect, body: &str, expect: &str) {
    let request = read(dialect, body).unwrap();
    let mut patch = Patch::default();
    request.add_system_text("P", request.lacks_breakpoint(), &mut patch);
    assert_eq!(std::str::from_utf8(&patch.apply(&request.json).unwrap()).unwrap(), expect);
}

#[test]
fn the_last_block_of_what_the_user_says_takes_a_breakpoint() {
    const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;
    let check = |messages: &str, expect: &str| {
        let body = |messages: &str| format!(r#"{{"model":"m","messages":[{messages}]}}"#);
        let request = read(Dialect::Messages, &body(messages)).unwrap();
        let mut patch = Patch::default();
        request.add_breakpoint(&mut patch);
        assert_eq!(std::str::from_utf8(&patch.apply(&request.json).unwrap()).unwrap(), body(expect));
    };
    let user = |content: &str| format!(r#"{{"role":"user","content":{content}}}"#);
    check(&user("\"hi\""), &user(&format!(r#"[{{"type":"text","text":"hi",{MARK}}}]"#)));
    let result = |mark: &str| {
        user(&format!(
            r#"[{{"type":"text","text":"a"}},{{{mark}"type":"tool_result","tool_use_id":"t","content":"b"}}]"#
        ))
    };
    check(&result(""), &result(&format!("{MARK},")));
    check(&result("\"cache_control\":null,"), &result(&format!("{MARK},")));
    for odd in [
        user("\" \""),
        user("[]"),
        user(r#"[{"type":"text","text":""}]"#),
        user(r#"[{"type":"new"}]"#),
        r#"{"role":"assistant","content":"a"}"#.into(),
    ] {
        check(&odd, &odd);
    }
}

#[test]
fn breakpoints_are_added_where_an_agent_with_tools_sets_none() {
    const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;
    let body = |more: &str| format!(r#"{{{more}"tools":[{{"name":"a"}}],"messages":[],"model":"m"}}"#);
    let check = |more: &str, expect: &str| cached(Dialect::Messages, &body(more), &body(expect));
    let block = format!(r#"{{"type":"text","text":"P",{MARK}}}"#);
    check("", &format!(r#""system":[{block}],"#));
    check(r#""system":"","#, &format!(r#""system":[{block}],"#));
    check(r#""system":" \n","#, &format!(r#""system":[{block}],"#));
    check(r#""system":"S","#, &format!(r#""system":[{{"type":"text","text":"S"}},{block}],"#));
    check(r#""system":[{"type":"text","text":"S"}],"#, &format!(r#""system":[{{"type":"text","text":"S"}},{block}],"#));
    // A null is nobody's mark.
    check(r#""cache_control":null,"#, &format!(r#""system":[{block}],"cache_control":null,"#));
    // It has its own.
    let own = format!(r#""system":[{{"type":"text","text":"S",{MARK}}}"#);
    check(&format!("{own}],"), &format!(r#"{own},{{"type":"text","text":"P"}}],"#));
    // No agent; and a dialect that caches by itself.
    cached(Dialect::Messages, r#"{"messages":[],"model":"m"}"#, r#"{"system":"P","messages":[],"model":"m"}"#);
    cached(
        Dialect::Responses,
        r#"{"tools":[{"type":"local_shell"}],"input":"x","model":"m"}"#,
        r#"{"instructions":"P","tools":[{"type":"local_shell"}],"input":"x","model":"m"}"#,
    );
}

#[track_caller]
fn tasked(dialect: Dialect, body: &str, expect: &str) {
    let request = read(dialect, body).unwrap();
    let mut patch = Patch::default();
    if !request.add_task_text("a \"page\"", (request.before_task, false), &mut patch) {
        request.add_system_text("a \"page\"", false, &mut patch);
    }
    let found = patch.apply(&request.json).unwrap();
    assert_eq!(std::str::from_utf8(&found).unwrap(), expect);
}

#[test]
fn text_for_the_task_comes_behind_the_message_that_sets_it() {
    let m = |messages: &str| format!(r#"{{"model":"m","messages":[{messages}]}}"#);
    let block = r#"{"type":"text","text":"a \"page\""}"#;
    let (said, system) = (r#",{"role":"assistant","content":"b"}"#, r#"{"role":"system","content":"s"}"#);
    for behind in ["", said] {
        // A list and a text come to the same blocks.
        let mark = r#","cache_control":{"type":"ephemeral"}"#;
        tasked(
            Dialect::Messages,
            &m(&format!(r#"{{"role":"user","content":[{{"type":"text","text":"one"{mark}}}]}},{system}{behind}"#)),
            &m(&format!(
                r#"{{"role":"user","content":[{{"type":"text","text":"one"{mark}}},{block}]}},{system}{behind}"#
            )),
        );
        tasked(
            Dialect::Messages,
            &m(&format!(r#"{{"role":"user","content":"one"}},{system}{behind}"#)),
            &m(&format!(r#"{{"role":"user","content":[{{"type":"text","text":"one"}},{block}]}},{system}{behind}"#)),
        );
        tasked(
            Dialect::Chat,
            &m(&format!(r#"{system},{{"role":"user","content":"one"}}{behind}"#)),
            &m(&format!(r#"{system},{{"role":"user","content":"one\n\na \"page\""}}{behind}"#)),
        );
        tasked(
            Dialect::Chat,
            &m(&format!(r#"{system},{{"role":"user","content":[{{"type":"text","text":"one"}}]}}{behind}"#)),
            &m(&format!(r#"{system},{{"role":"user","content":[{{"type":"text","text":"one"}},{block}]}}{behind}"#)),
        );
    }
    let r = |input: &str| format!(r#"{{"model":"m","input":{input}}}"#);
    let part = r#"{"type":"input_text","text":"a \"page\""}"#;
    let tools = r#"{"type":"additional_tools","role":"developer","tools":[]}"#;
    let surroundings =
        r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context/>"}]}"#;
    tasked(
        Dialect::Responses,
        &r(r#""one""#),
        &r(&format!(r#"[{{"type":"message","role":"user","content":[{{"type":"input_text","text":"one"}},{part}]}}]"#)),
    );
    tasked(
        Dialect::Responses,
        &r(&format!(r#"[{tools},{surroundings},{{"role":"user","content":"one"}},{{"type":"reasoning"}}]"#)),
        &r(&format!(
            r#"[{tools},{surroundings},{{"role":"user","content":[{{"type":"input_text","text":"one"}},{part}]}},{{"type":"reasoning"}}]"#
        )),
    );
    // Where the model was set up first, the task comes after that; unless nothing does.
    let set_up = r#"{"role":"user","content":"All about us."},{"role":"assistant","content":"Got it."}"#;
    let (task, behind) = (r#"{"role":"user","content":[{"type":"text","text":"one"}"#, "]},");
    let tail = said.trim_start_matches(',');
    for dialect in [Dialect::Messages, Dialect::Chat] {
        tasked(
            dialect,
            &m(&format!("{set_up},{task}{behind}{tail}")),
            &m(&format!("{set_up},{task},{block}{behind}{tail}")),
        );
    }
    tasked(
        Dialect::Responses,
        &r(&format!(r#"[{set_up},{{"role":"user","content":[]}},{{"type":"reasoning"}}]"#)),
        &r(&format!(
            r#"[{{"role":"user","content":[{{"type":"input_text","text":"All about us."}},{part}]}},{{"role":"assistant","content":"Got it."}},{{"role":"user","content":[]}},{{"type":"reasoning"}}]"#
        )),
    );
    tasked(
        Dialect::Responses,
        &r(&format!(r#"[{set_up},{task}]}},{{"type":"reasoning"}}]"#)),
        &r(&format!(r#"[{set_up},{task},{part}]}},{{"type":"reasoning"}}]"#)),
    );
    // Nobody has set one.
    tasked(Dialect::Messages, &m(""), r#"{"system":"a \"page\"","model":"m","messages":[]}"#);
}

#[track_caller]
fn limited(dialect: Dialect, body: &str, expect: &str, holds: u64) {
    let request = read(dialect, body).unwrap();
    let mut patch = Patch::default();
    assert_eq!(request.limit_output(1000, &mut patch), holds);
    let out = patch.apply(&request.json).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap(), expect);
}

#[test]
fn output_limits_are_lowered_never_raised() {
    let m = Dialect::Messages;
    limited(
        m,
        r#"{"model":"m","messages":[],"max_tokens":128000}"#,
        r#"{"model":"m","messages":[],"max_tokens":1000}"#,
        1000,
    );
    limited(m, r#"{"model":"m","messages":[],"max_tokens":10}"#, r#"{"model":"m","messages":[],"max_tokens":10}"#, 10);
    limited(
        m,
        r#"{"model":"m","messages":[],"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":4000}}"#,
        r#"{"model":"m","messages":[],"max_tokens":2048,"thinking":{"type":"enabled","budget_tokens":1024}}"#,
        2048,
    );
    let c = Dialect::Chat;
    limited(c, r#"{"model":"m","messages":[]}"#, r#"{"max_completion_tokens":1000,"model":"m","messages":[]}"#, 1000);
    limited(
        c,
        r#"{"model":"m","messages":[],"max_tokens":5000}"#,
        r#"{"model":"m","messages":[],"max_tokens":1000}"#,
        1000,
    );
    let r = Dialect::Responses;
    limited(r, r#"{"model":"m","input":"x"}"#, r#"{"max_output_tokens":1000,"model":"m","input":"x"}"#, 1000);
}

#[test]
fn usage_is_asked_for_once() {
    let check = |body: &str, asked: bool, expect: &str| {
        let request = read(Dialect::Chat, body).unwrap();
        let mut patch = Patch::default();
        assert_eq!(request.ask_for_usage(&mut patch), asked, "{body}");
        assert_eq!(std::str::from_utf8(&patch.apply(&request.json).unwrap()).unwrap(), expect);
    };
    check(
        r#"{"model":"m","messages":[],"stream":true}"#,
        true,
        r#"{"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true}"#,
    );
    check(
        r#"{"model":"m","messages":[],"stream":true,"stream_options":{}}"#,
        true,
        r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#,
    );
    let own = r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
    check(own, false, own);
    check(r#"{"model":"m","messages":[]}"#, false, r#"{"model":"m","messages":[]}"#);
}

/// What is read as the task of messages, or of items: each with its role, and its texts in a list, or as
/// a string where it is one.
#[test]
fn sessions_are_found_in_bodies() {
    let body = r#"{"model":"m","messages":[],"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s-1\"}"}}"#;
    assert_eq!(read(Dialect::Messages, body).unwrap().session.as_deref(), Some("s-1"));
    let body = r#"{"model":"m","input":"x","prompt_cache_key":"k"}"#;
    assert_eq!(read(Dialect::Responses, body).unwrap().session.as_deref(), Some("k"));
}

#[test]
fn effort_is_read_in_every_dialect() {
    let check = |dialect, members: &str, expect: Effort| {
        let body = format!(r#"{{"model":"m","messages":[],"input":"x",{members}}}"#);
        assert_eq!(read(dialect, &body).unwrap().effort, Asked::Known(expect), "{members}");
    };
    check(Dialect::Messages, r#""output_config":{"effort":"medium"},"thinking":{"type":"adaptive"}"#, Effort::Medium);
    check(Dialect::Chat, r#""reasoning_effort":"low""#, Effort::Low);
    check(Dialect::Responses, r#""reasoning":{"effort":"xhigh"}"#, Effort::Xhigh);
    for dialect in [Dialect::Messages, Dialect::Chat, Dialect::Responses] {
        check(dialect, r#""stream":true"#, Effort::Default);
    }
}

#[test]
fn the_effort_of_a_single_message_counts_too() {
    let body = |inner: &str| {
        format!(
            r#"{{"model":"m","output_config":{{"effort":"low"}},"messages":[{{"role":"user","content":"x"}},{{"role":"system","content":[],"output_config":{inner}}},{{"role":"user","content":"y"}}]}}"#
        )
    };
    let effort = |inner: &str| read(Dialect::Messages, &body(inner)).map(|request| request.effort);
    assert_eq!(effort(r#"{"effort":"max"}"#), Ok(Asked::Known(Effort::Max)));
    assert_eq!(effort(r#"{"effort":"minimal"}"#), Ok(Asked::Known(Effort::Low)));
    assert_eq!(effort("{}"), Ok(Asked::Known(Effort::Low)));
    assert_eq!(effort(r#"{"effort":"ultra"}"#), Ok(Asked::Unknown("ultra".into())));
    assert!(effort(r#"{"Effort":"max"}"#).unwrap_err().to_string().contains("could be read as `effort`"));
    let outside = body("{}").replace("[],\"output_config\"", "[],\"Output_Config\"");
    assert!(read(Dialect::Messages, &outside).unwrap_err().to_string().contains("`output_config`"));
}

#[test]
fn a_second_model_is_refused_wherever_one_is_named() {
    for dialect in [Dialect::Messages, Dialect::Chat, Dialect::Responses] {
        for (members, field) in [
            (r#""models":["a","b"]"#, "`models`"),
            (r#""fallbacks":[{"model":"b"}]"#, "`fallbacks`"),
            (r#""fallbacks":"default""#, "`fallbacks`"),
            (r#""route":"fallback""#, "`route`"),
            (r#""Models":["a"]"#, "could be read as `models`"),
        ] {
            let body = format!(r#"{{"model":"m","messages":[],"input":"x",{members}}}"#);
            let found = read(dialect, &body).unwrap_err().to_string();
            assert!(found.contains(field), "{found}");
            let none = body.replace(members, r#""models":null,"fallbacks":null"#);
            assert!(read(dialect, &none).is_ok());
        }
    }
    let advisor = r#"{"type":"advisor_20260301","name":"advisor","model":"claude-opus-5-5"}"#;
    let tool = format!(r#"{{"model":"m","messages":[],"tools":[{advisor}]}}"#);
    let added = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"tool_addition","tool":{{"type":"tool_definition","definition":{advisor}}}}}]}}]}}"#
    );
    for body in [tool, added] {
        let found = read(Dialect::Messages, &body).unwrap_err().to_string();
        assert!(found.contains("`tools.model` must be left out"), "{found}");
    }
}

#[test]
fn facts_of_the_price_are_read_in_every_dialect() {
    let check = |dialect, members: &str, expect: (Caching, Option<&str>, u64)| {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        let request = read(dialect, &body).unwrap();
        assert_eq!((request.caching, request.tier.as_deref(), request.remote), expect, "{body}");
    };
    let (m, c, r) = (Dialect::Messages, Dialect::Chat, Dialect::Responses);
    check(m, r#""messages":[]"#, (Caching::None, None, 0));
    let marked = r#""messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"},"cache_control":{"type":"ephemeral","ttl":"1h"}}]}],"speed":"fast""#;
    check(m, marked, (Caching::Hour, Some("fast"), 1));
    check(c, r#""messages":[],"service_tier":"flex""#, (Caching::Minutes, Some("flex"), 0));
    let picture = r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#;
    check(c, picture, (Caching::Minutes, None, 1));
    check(r, r#""input":"x","service_tier":"priority""#, (Caching::Minutes, Some("priority"), 0));
    let kept = r#""input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}],"prompt_cache_options":{"ttl":"12h"}"#;
    check(r, kept, (Caching::Hour, None, 1));
}

#[test]
fn malformed_requests_say_what_is_wrong() {
    let check = |dialect, body: &str, expect: &str| {
        let found = read(dialect, body).unwrap_err().to_string();
        assert!(found.contains(expect), "{found}");
    };
    let m = Dialect::Messages;
    check(m, "[]", "must be a JSON object");
    check(m, r#"{"messages":[]}"#, "has no `model`");
    check(m, r#"{"model":"","messages":[]}"#, "has no `model`");
    check(m, r#"{"model":7,"messages":[]}"#, "`model` must be a string");
    check(m, r#"{"model":"m"}"#, "has no `messages`");
    check(m, r#"{"model":"m","messages":{}}"#, "`messages` must be a list");
    check(m, r#"{"model":"m","messages":[],"tools":[],"Tools":[]}"#, "\"Tools\" could be read as `tools`");
    check(m, r#"{"model":"m","messages":[],"t\u006fols":[]}"#, "could be read as `tools`");
    check(m, r#"{"model":"m","messages":[],"tools":[{"Name":"Bash"}]}"#, "could be read as `name`");
    let block = |block: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{block}]}}]}}"#);
    check(m, &block(r#"{"Type":"tool_addition","tool":{"definition":{"name":"a"}}}"#), "could be read as `type`");
    check(m, &block(r#"{"type":"tool_reference","tool_name":"a","Tool_Name":"b"}"#), "could be read as `tool_name`");
    check(m, r#"{"model":"m","messages":[],"tools":[],"tools":[]}"#, "\"tools\" stands twice");
    check(m, r#"{"model":"m","messages":["#, "ends in the middle");
    check(m, r#"{"model":"m","messages":[],"stream":"yes"}"#, "`stream` must be true or false");
    check(m, r#"{"model":"m","messages":[],"max_tokens":-1}"#, "`max_tokens` must be a whole number");
    let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    check(m, &deep, "nested deeper than 64");
    check(Dialect::Responses, r#"{"model":"m","input":"x","background":true}"#, "`background`");
    check(Dialect::Responses, r#"{"model":"m","input":"x","prompt":{"id":"p"}}"#, "`prompt`");
    check(Dialect::Responses, r#"{"model":"m","input":"x","previous_response_id":"r"}"#, "`previous_response_id`");
    check(Dialect::Responses, r#"{"model":"m","input":[{"type":"item_reference","id":"i"}]}"#, "`item_reference`");
    check(
        Dialect::Responses,
        r#"{"model":"m","input":[{"type":"additional_tools","Tools":[]}]}"#,
        "could be read as `tools`",
    );
    check(m, r#"{"model":"m","messages":[],"thread":{"type":"continue"}}"#, "`thread` must be left out");
    check(Dialect::Chat, r#"{"model":"m","messages":[],"preset":"p"}"#, "`preset` must be left out");
    check(Dialect::Chat, r#"{"model":"m","messages":[],"stream_options":5}"#, "`stream_options`");
    check(m, "{\"model\":\"m\",\"messages\":[],\"tool\u{17f}\":[]}", "could be read as `tools`");
    let long = format!("{{\"{0}\":1,\"{0}\":2}}", "k".repeat(1 << 20));
    assert!(read(m, &long).unwrap_err().to_string().len() < 400);
}

#[test]
fn tools_that_come_by_other_ways_are_pruned_too() {
    let withheld = r#"{"type":"text","text":"(A tool is withheld here.)"}"#;
    let body = |block: &str, inner: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"system","content":[{block}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":[{inner}]}}]}}]}}"#
        )
    };
    let bash = r#"{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"name":"Bash"}}}"#;
    let read = r#"{"type":"tool_reference","tool_name":"Read"}"#;
    let other = r#"{"type":"tool_reference","tool_name":"Other"}"#;
    pruned(Dialect::Messages, &body(bash, read), &["Read"], &body(withheld, read));
    pruned(Dialect::Messages, &body(bash, other), &["Bash"], &body(bash, withheld));

    // With two names, which counts depends on the reader.
    for two in [
        r#"{"type":"tool_reference","tool_name":"Read","name":"Bash"}"#,
        r#"{"type":"tool_addition","tool_name":"Bash","tool":{"definition":{"name":"Read"}}}"#,
        r#"{"type":"tool_addition","definition":{"name":"Bash"},"tool":{"definition":{"name":"Read"}}}"#,
    ] {
        pruned(Dialect::Messages, &body(two, two), &["Read", "Bash"], &body(withheld, withheld));
    }

    let search = r#"{"model":"m","web_search_options":{},"messages":[]}"#;
    pruned(Dialect::Chat, search, &["web_search"], search);
    pruned(Dialect::Chat, search, &[], r#"{"model":"m","messages":[]}"#);

    for member in ["plugins", "search_parameters"] {
        let body = format!(r#"{{"model":"m","{member}":[{{"id":"web"}}],"messages":[]}}"#);
        pruned(Dialect::Chat, &body, &["Read"], r#"{"model":"m","messages":[]}"#);
    }
    let both = r#"{"model":"m","tools":[{"type":"function","function":{"name":"Read"},"custom":{"name":"Bash"}}],"messages":[]}"#;
    pruned(Dialect::Chat, both, &["Read", "Bash"], r#"{"model":"m","messages":[]}"#);
    let disguised = r#"{"model":"m","tools":[{"name":"Bash","type":"custom","mcp_server_name":"g"}],"messages":[]}"#;
    pruned(Dialect::Messages, disguised, &["mcp__g__"], r#"{"model":"m","messages":[]}"#);
    let listed = r#"{"model":"m","input":[{"type":"mcp_list_tools","server_label":"g","tools":[{"name":"search"}]}]}"#;
    pruned(Dialect::Responses, listed, &["mcp__g__search"], listed);
    let group = r#"{"model":"m","input":[{"type":"mcp_list_tools","server_label":"g","tools":[{"type":"namespace","name":"search","tools":[{"type":"function","name":"Bash"}]}]}]}"#;
    let none = r#"{"model":"m","input":[{"type":"mcp_list_tools","server_label":"g","tools":[]}]}"#;
    pruned(Dialect::Responses, group, &["mcp__g__search"], none);
    let preview = r#"{"model":"m","input":"x","tools":[{"type":"web_search_preview_2025_03_11"}],"tool_choice":{"type":"web_search_preview_2025_03_11"}}"#;
    pruned(Dialect::Responses, preview, &["web_search"], preview);

    let found = |tools: &str| format!(r#"{{"model":"m","input":[{{"type":"tool_search_output","tools":[{tools}]}}]}}"#);
    let (a, b) = (r#"{"type":"function","name":"a"}"#, r#"{"type":"function","name":"b"}"#);
    pruned(Dialect::Responses, &found(&format!("{a},{b}")), &["b"], &found(b));
}

#[test]
fn many_tools_and_a_long_choice_cost_no_more_than_their_length() {
    let tools: Vec<_> = (0..20_000).map(|n| format!(r#"{{"name":"t{n}"}}"#)).collect();
    let names: Vec<_> = (0..20_000).map(|n| format!(r#"{{"type":"function","name":"t{n}"}}"#)).collect();
    let body = format!(
        r#"{{"model":"m","messages":[],"tools":[{}],"tool_choice":{{"type":"allowed_tools","tools":[{}]}}}}"#,
        tools.join(","),
        names.join(",")
    );
    let request = read(Dialect::Messages, &body).unwrap();
    let mut patch = Patch::default();
    let asked = std::cell::Cell::new(0_usize);
    let keep = |_: &jetway_core::wire::request::Tool| {
        asked.set(asked.get() + 1);
        true
    };
    request.prune_tools(&keep, &mut patch);
    assert!(asked.get() <= 6 * 20_000, "asked {} times", asked.get());
    assert!(patch.is_empty());
}
