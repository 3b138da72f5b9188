//! The tools of a request (`wire::tools`), locked by an allow-list. Holds of bodies with tools in
//! every shape, and in shapes that are not known:
//!
//! - By another reading of what leaves, every tool that is offered there is allowed, or is ours.
//! - The body is valid JSON and a request, and locking it again changes nothing.
//! - Every item of `tools` that is left is one that was there, in the same order and with the same
//!   bytes, but for the members that `Request::reshelve` says it mends.
//! - `tool_choice` names nothing but what is left.

#![no_main]

use bytes::Bytes;
use jetway_core::policy::lockdown::Rules;
use jetway_core::wire::Dialect;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::{Request, Tool};
use jetway_core::wire::tools::offer::{NewTool, Offer};
use jetway_fuzz::choice::Choices;
use jetway_fuzz::loose::{Offered, chosen, offered};
use jetway_fuzz::{DIALECTS, body, request, rules, shown};
use serde_json::Value;
use serde_json::value::RawValue;

const ALLOWED: [&[&str]; 5] = [
    &[],
    &["Read", "a", "local_shell"],
    &["Read", "mcp__g__*", "web_search", "bash"],
    &["mcp__g__a", "g.*", "ours"],
    &["*"],
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // A body as it stands, to begin from those of the tests, whichever dialect it is of; or one
    // that is built.
    if bytes.starts_with(b"{") {
        let text = Bytes::copy_from_slice(bytes);
        DIALECTS.iter().for_each(|dialect| try_one(*dialect, ALLOWED[bytes.len() % 5], &text));
    } else {
        let mut choices = Choices::new(bytes);
        let (dialect, allow) = (DIALECTS[choices.below(3)], ALLOWED[choices.below(5)]);
        try_one(dialect, allow, &Bytes::from(body::build(dialect, &mut choices)));
    }
});

fn try_one(dialect: Dialect, allow: &[&str], text: &Bytes) {
    let Some(request) = request(dialect, text) else { return };
    let ours = NewTool::new("ours", "Says \"hi\".", r#"{"type":"object"}"#).expect("a plain tool");
    let lock = rules(allow, &[], "explain");
    for added in [&[][..], &[ours]] {
        check(&request, &lock, allow, added);
    }
}

fn locked(request: &Request, lock: &Rules, added: &[NewTool]) -> Bytes {
    let offer = |tool: &Tool| lock.offer(tool, &request.json).unwrap_or(Offer::Drop);
    let mut patch = Patch::default();
    request.reshelve(&offer, added, &mut patch);
    patch.apply(&request.json).expect("no two changes meet")
}

fn check(request: &Request, lock: &Rules, allow: &[&str], added: &[NewTool]) {
    let out = locked(request, lock, added);
    let show = || {
        format!("{} under {allow:?}:\n{}\nfrom\n{}", request.dialect.name(), shown(&out), shown(request.json.bytes()))
    };
    let again = jetway_fuzz::request(request.dialect, &out).unwrap_or_else(|| panic!("no request: {}", show()));
    assert_eq!(shown(&locked(&again, lock, added)), shown(&out), "another time: {}", show());
    // What serde's parser cannot hold (`1e999`, half a surrogate pair) leaves nothing to compare.
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let (Some(_), Some(body)) = (read(request.json.bytes()), read(&out)) else { return };
    let left = offered(request.dialect, &body);
    let ours: Vec<&str> = added.iter().map(NewTool::name).collect();
    for tool in &left {
        assert!(tool.is_among(allow) || tool.is_among(&ours), "{tool:?} is offered: {}", show());
    }
    assert!(ours.iter().all(|name| left.iter().filter(|tool| tool.name == **name).count() == 1), "ours: {}", show());
    check_kept(request, &out, &ours).unwrap_or_else(|| panic!("not as it came: {}", show()));
    // Without any list there is nothing to mend it by, and the provider refuses it.
    let has_lists = !request.tools().is_empty() || !added.is_empty();
    let members =
        if request.dialect == Dialect::Chat { &["tool_choice", "function_call"][..] } else { &["tool_choice"] };
    for tool in members.iter().filter(|_| has_lists).filter_map(|name| body.get(name)).flat_map(chosen) {
        let is_left = |left: &Offered| {
            left.name == tool.name
                || left.is_server && tool.name.starts_with(&left.name)
                || tool.is_server && left.name.starts_with(&tool.name)
        };
        assert!(left.iter().any(is_left), "{tool:?} is chosen: {}", show());
    }
}

/// The items of the list at the top, as they are spelled.
fn items(bytes: &[u8]) -> Vec<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct View {
        tools: Option<Vec<Box<RawValue>>>,
    }
    serde_json::from_slice::<View>(bytes).ok().and_then(|view| view.tools).unwrap_or_default()
}

fn check_kept(request: &Request, out: &[u8], ours: &[&str]) -> Option<()> {
    let before = items(request.json.bytes());
    let mut before = before.iter();
    for item in items(out) {
        let ours = ours.iter().any(|name| item.get().contains(&format!("\"name\":\"{name}\",\"description\":\"Says")));
        if !ours {
            before.find(|before| before.get() == item.get() || mended(before) == mended(&item))?;
        }
    }
    Some(())
}

/// An item without what is mended in one that stays.
fn mended(item: &RawValue) -> Option<Value> {
    let mut value: Value = serde_json::from_str(item.get()).ok()?;
    let members = value.as_object_mut()?;
    for name in
        ["cache_control", "defer_loading", "allowed_callers", "default_config", "configs", "allowed_tools", "tools"]
    {
        members.remove(name);
    }
    Some(value)
}
