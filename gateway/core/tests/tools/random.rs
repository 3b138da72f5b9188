//! Random lists and random offers: the request holds together.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{collection, prop_assert, prop_assert_eq};

use bytes::Bytes;
use jetway_core::wire::Dialect;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::{Request, Tool};
use jetway_core::wire::tools::offer::{NewTool, Offer};

use crate::{C, M, R, body_of, ours, read, rules};

#[derive(Debug, Clone)]
struct One {
    kind: u8,
    cached: bool,
    deferred: bool,
    spaced: bool,
    /// 0: dropped, 1: changed, else kept.
    fate: u8,
}

fn ones() -> impl Strategy<Value = Vec<One>> {
    let one = (0..4_u8, any::<bool>(), any::<bool>(), any::<bool>(), 0..4_u8);
    let one = one.prop_map(|(kind, cached, deferred, spaced, fate)| One { kind, cached, deferred, spaced, fate });
    collection::vec(one, 0..7)
}

fn item(dialect: Dialect, at: usize, one: &One) -> String {
    let schema = r#"{"type":"object","properties":{"p":{"type":"string"},"q":{}},"required":["p"]}"#;
    let gap = if one.spaced { " " } else { "" };
    let mut extra = String::new();
    if one.cached && dialect != R {
        extra.push_str(&format!(r#","cache_control":{gap}{{"type":"ephemeral"}}"#));
    }
    if one.deferred && dialect != C {
        extra.push_str(r#","defer_loading":true"#);
    }
    let function = match dialect {
        M => format!(r#"{{{gap}"name":"t{at}","description":"d","input_schema":{schema}{extra}{gap}}}"#),
        C => format!(r#"{{"type":"function","function":{{"name":"t{at}","parameters":{schema}}}{gap}{extra}}}"#),
        R => format!(r#"{{"type":"function","name":"t{at}",{gap}"parameters":{schema}{extra}}}"#),
    };
    match (dialect, one.kind) {
        (M, 1) => format!(r#"{{"type":"web_search_20250305","name":"web_search"{extra}}}"#),
        (M, 2) => format!(r#"{{"type":"tool_search_tool_bm25","name":"tool_search_tool_bm25"{extra}}}"#),
        (C, 1) => format!(r#"{{"type":"custom","custom":{{"name":"t{at}"}}{extra}}}"#),
        (R, 1) => {
            format!(r#"{{"type":"namespace","name":"n{at}","tools":[{function},{{"type":"custom","name":"u{at}"}}]}}"#)
        }
        (R, 2) => r#"{"type":"local_shell"}"#.to_owned(),
        _ => function,
    }
}

fn breakpoints(text: &str) -> usize {
    text.matches("\"cache_control\"").count()
}

proptest! {
    #[test]
    fn whatever_is_offered_the_request_holds_together(
        dialect in prop_oneof![Just(M), Just(C), Just(R)],
        ones in ones(),
        adds in 0..3_usize,
        chosen in 0..8_usize,
    ) {
        let items: Vec<String> = ones.iter().enumerate().map(|(at, one)| item(dialect, at, one)).collect();
        let choice = match dialect {
            M => format!(r#"{{"type":"tool","name":"t{chosen}"}}"#),
            C => format!(r#"{{"type":"function","function":{{"name":"t{chosen}"}}}}"#),
            R => format!(r#"{{"type":"function","name":"t{chosen}"}}"#),
        };
        let gap = if chosen % 2 == 0 { " , " } else { "," };
        let body = body_of(dialect, &format!(r#""tools":[{}],"tool_choice":{choice}"#, items.join(gap)));
        let rules = rules("x: { description: { append: more }, properties: { p: { pattern: a }, q: { remove: true } } }");
        let like = |tool: &Tool| rules.change(&Tool { name: Some("x".to_owned()), ..tool.clone() });
        let fate = |tool: &Tool| {
            let at = tool.name.as_deref().and_then(|name| name.get(1..)?.parse::<usize>().ok());
            at.and_then(|at| ones.get(at)).map_or(2, |one| one.fate)
        };
        let offer = |tool: &Tool| match fate(tool) {
            0 => Offer::Drop,
            1 => like(tool).map_or(Offer::Keep, Offer::Change),
            _ => Offer::Keep,
        };
        let added: Vec<NewTool> = (0..adds).map(|at| ours(&format!("ours{at}"))).collect();
        let request = read(dialect, &body);
        let run = |request: &Request| {
            let mut patch = Patch::default();
            request.reshelve(&offer, &added, &mut patch);
            request.limit_output(9, &mut patch);
            request.add_system_text("S", false, &mut patch);
            patch.apply(&request.json)
        };
        let out = run(&request).unwrap();
        prop_assert_eq!(&out, &run(&request).unwrap());
        let text = std::str::from_utf8(&out).unwrap();
        let again = Request::read(dialect, Json::read(Bytes::copy_from_slice(&out)).unwrap()).unwrap();

        let names = |request: &Request| -> Vec<String> {
            request.tools().iter().filter_map(|tool| tool.name.clone()).collect()
        };
        let mut expect: Vec<String> = request.tools().iter().filter(|tool| fate(tool) != 0).filter_map(|tool| tool.name.clone()).collect();
        expect.extend(added.iter().map(|tool| tool.name().to_owned()));
        prop_assert_eq!(names(&again), expect.clone());

        let root = again.json.root();
        if let Some(choice) = root.get("tool_choice") {
            prop_assert!(!expect.is_empty());
            let named = format!("\"t{chosen}\"");
            prop_assert_eq!(choice.raw().contains(&named), expect.contains(&format!("t{chosen}")));
        } else {
            prop_assert!(expect.is_empty());
        }
        prop_assert!(root.get("tools").is_none_or(|list| list.items().next().is_some()));
        prop_assert!(breakpoints(text) <= breakpoints(&body));

        // A tool that is kept whole stands there as it came, but for a breakpoint that it is given.
        let mut from = 0;
        for (one, item) in ones.iter().zip(&items) {
            let is_alone = !item.contains("namespace");
            if one.fate > 1 && is_alone && item.contains("\"t") && !(one.deferred && dialect != C) {
                let inside = &item[1..];
                let found = text[from..].find(inside);
                prop_assert!(found.is_some(), "{item} is not in {}", &text[from..]);
                from += found.unwrap_or_default() + inside.len();
            }
        }
    }
}
