//! A request body, read into offsets (`wire::json`, `wire::request`). Holds of any bytes:
//!
//! - What serde's parser refuses is refused, and what it takes is taken but for our own rules:
//!   depth, number, no key twice. Where both take it they see the same values.
//! - Every span lies in the bytes, inside of its parent's, and at the edges of characters.
//! - Without a change the same bytes come back. Items and members taken out, values replaced, in
//!   whatever places: valid JSON again.
//! - A request with all that stages change in it (tools, system text, model, limit, usage) is a
//!   request again, which says what was asked for; and asking again changes nothing more.

#![no_main]

use bytes::Bytes;
use jetway_core::wire::Dialect;
use jetway_core::wire::json::{Json, Kind, MAX_DEPTH, MAX_NODES, Value, What};
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::{Request, Tool};
use jetway_fuzz::choice::Numbers;
use jetway_fuzz::keys::Seen;
use jetway_fuzz::{DIALECTS, request, shown};
use serde::de::IgnoredAny;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    // Values that serde's parser cannot hold (`1e999`, half a surrogate pair) are JSON all the same.
    let grammar = std::str::from_utf8(&bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let seen: Option<Seen> = serde_json::from_slice(&bytes).ok();
    match Json::read(bytes.clone()) {
        Ok(json) => {
            assert!(grammar, "taken: {}", shown(&bytes));
            assert!(
                seen.is_none_or(|seen| !seen.has_duplicates && seen.depth <= MAX_DEPTH && seen.values <= MAX_NODES)
            );
            if let Ok(theirs) = serde_json::from_slice(&bytes) {
                check_same(json.root(), &theirs);
            }
            check_spans(json.root(), 0..bytes.len());
            assert_eq!(Patch::default().apply(&json).unwrap(), bytes);
            check_patches(&json);
            DIALECTS.iter().filter_map(|dialect| request(*dialect, &bytes)).for_each(|request| check_request(&request));
        }
        Err(error) => {
            assert!(error.at <= bytes.len());
            match (error.what, seen) {
                (What::TooDeep | What::TooMany, None) => {}
                (What::TooDeep, Some(seen)) => assert!(seen.depth > MAX_DEPTH),
                (What::TooMany, Some(seen)) => assert!(seen.values > MAX_NODES),
                (What::Duplicate(_), seen) => assert!(seen.is_none_or(|seen| seen.has_duplicates)),
                _ => assert!(!grammar, "refused: {}", shown(&bytes)),
            }
        }
    }
});

fn check_same(ours: Value<'_>, theirs: &serde_json::Value) {
    match theirs {
        serde_json::Value::Null => assert!(ours.is_null()),
        serde_json::Value::Bool(is_true) => assert!(ours.kind() == Kind::Bool && ours.is_true() == *is_true),
        serde_json::Value::Number(number) => assert_eq!(ours.integer().filter(|_| number.is_u64()), number.as_u64()),
        serde_json::Value::String(text) => assert_eq!(ours.text().as_deref(), Some(text.as_str())),
        serde_json::Value::Array(items) => {
            assert_eq!(ours.items().count(), items.len());
            ours.items().zip(items).for_each(|(ours, theirs)| check_same(ours, theirs));
        }
        serde_json::Value::Object(members) => {
            assert_eq!(ours.members().count(), members.len());
            for member in ours.members() {
                check_same(member.value, &members[&*member.name()]);
                assert_eq!(ours.get(&member.name()).map(Value::index), Some(member.value.index()));
            }
        }
    }
}

fn check_spans(value: Value<'_>, within: std::ops::Range<usize>) {
    let span = value.span();
    assert!(within.start <= span.start && span.start < span.end && span.end <= within.end);
    // `raw` is empty where the span is not at the edges of characters.
    assert_eq!(value.raw().len(), span.len());
    value.items().for_each(|item| check_spans(item, span.clone()));
    for member in value.members() {
        check_spans(member.key, member.span());
        check_spans(member.value, member.span());
        assert!(member.span().end < span.end);
    }
}

fn check_patches(json: &Json) {
    let mut numbers = Numbers::of(json.bytes());
    let mut patch = Patch::default();
    change(json.root(), &mut numbers, &mut patch);
    let changed = patch.apply(json).expect("no two changes meet");
    assert!(Json::read(changed.clone()).is_ok(), "{} from {}", shown(&changed), shown(json.bytes()));
}

/// Changes nothing inside of what goes.
fn change(value: Value<'_>, numbers: &mut Numbers, patch: &mut Patch) {
    match (value.kind(), numbers.below(8)) {
        (_, 0) => patch.replace(value.span(), "{\"new\":[1.0]}"),
        (Kind::Array, 1) => patch.add_item(value, "\"new\""),
        (Kind::Array, 2..5) => {
            let gone: Vec<bool> = value.items().map(|_| numbers.below(2) == 0).collect();
            patch.remove_items(value, |at| gone[at]);
            let kept = value.items().zip(&gone).filter(|(_, gone)| !**gone);
            kept.for_each(|(item, _)| change(item, numbers, patch));
        }
        (Kind::Object, 2..5) => {
            let gone: Vec<_> = value.members().map(|member| member.name()).filter(|_| numbers.below(2) == 0).collect();
            patch.remove_members(value, &gone.iter().map(|name| &**name).collect::<Vec<_>>());
            let kept = value.members().filter(|member| !gone.contains(&member.name()));
            kept.for_each(|member| change(member.value, numbers, patch));
        }
        _ => {
            value.items().for_each(|item| change(item, numbers, patch));
            value.members().for_each(|member| change(member.value, numbers, patch));
        }
    }
}

fn check_request(request: &Request) {
    const TEXT: &str = "stand\"ing\\\ntext é";
    let most = Numbers::of(request.json.bytes()).below(5_000) as u64;
    let keep = |tool: &Tool| tool.name.as_ref().is_some_and(|name| Numbers::of(name.as_bytes()).below(2) == 0);
    let changed = |request: &Request, text: Option<&str>| {
        let mut patch = Patch::default();
        request.prune_tools(&keep, &mut patch);
        text.iter().for_each(|text| request.add_system_text(text, false, &mut patch));
        request.call_model("other/model", &mut patch);
        request.ask_for_usage(&mut patch);
        let limit = request.limit_output(most, &mut patch);
        (patch.apply(&request.json).expect("no two changes meet"), limit)
    };
    let (out, limit) = changed(request, Some(TEXT));
    let show = || format!("{}: {}\nfrom {}", request.dialect.name(), shown(&out), shown(request.json.bytes()));
    let again = jetway_fuzz::request(request.dialect, &out).unwrap_or_else(|| panic!("no request: {}", show()));
    assert_eq!(again.model, "other/model");
    assert_eq!(again.output_limit, Some(limit), "{}", show());
    assert!(limit <= most || request.dialect == Dialect::Messages, "{}", show());
    assert!(again.tools().iter().all(|tool| keep(tool)), "{}", show());
    assert!(again.json.bytes().windows(3).any(|part| part == b"ing"), "{}", show());
    assert_eq!(shown(&changed(&again, None).0), shown(&out), "{}", show());
}
