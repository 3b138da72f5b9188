//! Every page, filled with text from somebody who means ill.

use std::collections::BTreeMap;

use jetway_core::policy::interrogation::{Group, Kind, Severity, Status};
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde_json::json;

use super::ask::FILTERS;
use super::html::Parts;
use super::story::{self, Story};
use super::view::{self, InForce, Told};
use crate::runs::read::{Line, Part, Place};

/// Would run, or close what it stands in, were it not made harmless.
const EVIL: &str = "<script>top.hit=1</script>\"'><img src=x onerror=top.hit=1>\u{202e}\u{1b}[31m";

fn line(value: &serde_json::Value) -> Line {
    value.as_object().unwrap().clone()
}

fn run() -> Line {
    line(&json!({
        "id": EVIL, "policy": EVIL, "user": EVIL, "team": EVIL, "agent": EVIL, "started": EVIL, "ended": EVIL, "turns": 1,
        "outcome": EVIL, "ended_by": EVIL, "asked": EVIL, "tokens": 5, "cost_micros": 1_000_000, "tools_refused": 1,
    }))
}

fn exchange(turn: i64) -> Line {
    let mut exchange = line(&json!({
        "id": EVIL, "turn": turn, "at": EVIL, "dialect": EVIL, "model": EVIL, "sent_model": format!("{EVIL}1"), "served_model": format!("{EVIL}2"),
        "provider": EVIL, "outcome": EVIL, "status": 403, "detail": EVIL.repeat(20), "input": 100, "cache_read": 800,
        "cache_write": 50, "output": 50, "estimated": 1, "cost_micros": 12_300, "held_micros": 1, "total_millis": 1_500,
        "decide_micros": 700, "first_byte_millis": 200, "tools_offered": 9, "tools_removed": [EVIL],
        "calls_refused": [{ "tool": EVIL, "rule": EVIL }], "calls_replaced": [{ "tool": EVIL, "became": EVIL }],
        "calls": ["Read", EVIL, "Read"], "role": "sub", "calls_answered": [EVIL], "redactions": [{ "kind": EVIL, "name": EVIL, "call": EVIL, "count": 2, "replaced": true }],
        "inner_turns": 2, "passages": [{ "source": format!("{EVIL}#{EVIL}"), "hash": "1" }],
        "profile": { "frameworks": [EVIL], "languages": [] }, "step": EVIL,
        "steps_left": [{ "step": EVIL, "how": "completed", "turns": 3, "millis": 4_000 }],
    }));
    let inner = json!([{
        "from_micros": 1_000, "to_micros": 42_000, "served_model": EVIL, "stop": EVIL, "input": 7, "cache_read": 1_203,
        "cache_write": 0, "output": 19, "estimated": true, "cost_micros": 2_000,
    }]);
    exchange.insert(String::from("inner"), inner);
    for name in ["again_of", "prefix_break", "speaker", "retried_by", "ended_before"] {
        exchange.insert(name.to_owned(), EVIL.into());
    }
    let refused = |noted: bool| json!({ "what": "refused", "of": EVIL, "rule": EVIL, "reason": EVIL, "noted": noted });
    let hidden = json!({ "what": "hidden", "of": EVIL, "rule": EVIL });
    let narrowed = json!({ "what": "narrowed", "of": "Plain", "rule": EVIL });
    exchange.insert(String::from("decisions"), json!([hidden, narrowed, refused(false), refused(true)]));
    exchange
}

/// A run with these exchanges behind so many, and what they came to.
fn part(exchanges: &[Line], earlier: i64) -> Part {
    let sums = json!({ "input": 100, "cache_read": 800, "cache_write": 50, "output": 50, "inner_turns": 2, "steps": 1, "longest": 1_000 });
    let list = |name: &str| {
        line(&json!({ "name": name, "items": exchanges.first().unwrap()[name].to_string(), "times": exchanges.len() }))
    };
    let lists = ["calls", "calls_refused", "calls_replaced", "redactions", "passages"].map(list).to_vec();
    Part { run: run(), exchanges: exchanges.to_vec(), earlier, sums: line(&sums), lists }
}

fn finding() -> Line {
    line(&json!({
        "at": EVIL, "run": EVIL, "exchange": EVIL, "policy": EVIL, "policy_version": EVIL, "kind": EVIL,
        "severity": EVIL, "document": EVIL, "tool": EVIL, "step": EVIL, "text": EVIL,
    }))
}

/// Nothing of it is markup, and nothing that cannot be seen is left.
#[track_caller]
fn check(page: &Value, least: usize) {
    let html = page.to_string();
    // By the number of times that it is seen, it was not just left out.
    let seen = html.matches("&lt;script&gt;").count();
    assert!(seen >= least, "it is shown {seen} times: {html}");
    for part in ["<script>", "<img src=x", "\"'>", "\u{202e}", "\u{1b}", "style=", " onerror=top.hit=1>"] {
        assert!(!html.contains(part), "{part:?} in {html}");
    }
}

/// What agents said, in one group.
fn group() -> Group {
    let own = || BTreeMap::from([(EVIL.to_owned(), 2)]);
    let at = "2026-11-25T10:00:00Z".parse().unwrap();
    Group {
        status: Status::New,
        policy: EVIL.to_owned(),
        kind: Kind::Wrong,
        severity: Severity::High,
        count: 2,
        runs: 1,
        examples: vec![EVIL.to_owned()],
        text: EVIL.to_owned(),
        tools: own(),
        steps: own(),
        documents: own(),
        document_hashes: [EVIL.to_owned()].into(),
        versions: own(),
        first: at,
        last: at,
    }
}

#[test]
fn no_page_obeys_what_it_shows() {
    let parts = Parts::new().unwrap();
    let fill = |name: &str, facts: Value| parts.fill(name, facts).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let runs = context! { runs => Serde([run()]), more => Some(EVIL), is_filtered => true };
    check(&fill("runs-list", runs), 7);
    let filter = context! {
        list => "", etag => "", live => EVIL, policies => [EVIL], wrong => Some(EVIL), is_filtered => true,
        is_rare => true, endings => [EVIL], wanted => BTreeMap::from(FILTERS.map(|name| (name, EVIL))),
    };
    check(&fill("runs", filter), 10);
    let story = Story::of(part(&[exchange(1)], 0), &[finding()]);
    let told = fill("story", context! { story => Serde(&story), is_live => true, is_past => true });
    check(&told, 47);
    check(&fill("run", context! { told, etag => "", live => Some(EVIL), id => EVIL }), 48);
    let facts = context! {
        groups => Serde([Told::of(&group())]), more => 1, policies => [EVIL], kinds => [EVIL], policy => Some("p"),
        kind => Some("k"), status => Some(EVIL), since => Some(EVIL), wrong => Some(EVIL),
    };
    check(&fill("feedback", facts), 11);
    for page in ["error", "sign-in"] {
        let facts =
            context! { title => EVIL, sentence => EVIL, is_in => false, next => Some(EVIL), wrong => Some(EVIL) };
        check(&fill(page, facts), 2);
    }
    check(&fill("layout", context! { title => EVIL, place => "runs", content => EVIL }), 2);
}

#[test]
fn budgets_and_policies_do_not_either() {
    let parts = Parts::new().unwrap();
    let account = crate::amend::Shown {
        account: format!("p/user={}/usd/{}", EVIL.replace('/', "%2F"), EVIL.replace('/', "")),
        unit: "usd",
        limit: 5.0,
        used: 4.5,
        held: 0.0,
        owed: 0.0,
        left: 0.5,
        share: 0.9,
        state: "close",
        resets_at: None,
    };
    let scopes = view::scopes(&[account], |_, _, _| true);
    let facts = context! {
        scopes => Serde(&scopes), abandoned => 1, policies => [EVIL], policy => Some(EVIL), user => Some(EVIL), is_close => true,
    };
    check(&parts.fill("budgets", facts).unwrap(), 4);
    let version = line(&json!({ "policy": "p", "policy_version": EVIL, "at": EVIL, "last": EVIL, "exchanges": 3 }));
    let finding =
        jetway_core::lint::Finding { file: EVIL.to_owned(), line: 3, rule: "links", sentence: EVIL.to_owned() };
    let policy = plain();
    let unread = Err(EVIL.to_owned());
    for (doubts, least) in [(Ok(vec![finding]), 4), (unread, 3)] {
        let facts = InForce::of(&policy, (3, 1), std::slice::from_ref(&version), Some(&doubts));
        let card = context! { policy => Serde(&facts), is_default => true, days => 30 };
        check(&parts.fill("policy", card).unwrap(), least);
    }
}

/// A policy, which is an operator's, with prose that is not.
fn plain() -> crate::config::Policy {
    let file = jetway_support::root().join("config/gateway.yaml");
    let mut config = crate::config::Config::load(&file, crate::config::Secrets::Leave).unwrap();
    let mut policy = config.policies.remove("wizard").unwrap();
    policy.name = String::from("p");
    policy.about = EVIL.to_owned();
    policy
}

#[test]
fn a_turn_says_what_is_new_and_a_long_run_has_pages() {
    let parts = Parts::new().unwrap();
    let told = |exchanges: &[Line], earlier: i64| {
        let story = Story::of(part(exchanges, earlier), &[]);
        let facts = context! { story => Serde(&story), is_live => false, is_past => false };
        parts.fill("story", facts).unwrap().to_string()
    };
    let two = told(&[exchange(1), exchange(2)], 0);
    assert!(two.contains("1, the same as before") && two.contains(">Read × 2, "), "{two}");
    assert_eq!(two.matches("class=\"step\"").count(), 1);
    assert_eq!(two.matches(", retried</span>").count(), 2, "{two}");
    assert_eq!((two.matches("> would be refused<").count(), two.matches(">Plain<").count()), (0, 1), "{two}");
    assert!(two.contains("<dt>Within, 1</dt><dd>41 ms, 1,210 read (1,203 cached), 19 written"), "{two}");

    assert!(!two.contains("earlier turns"), "{two}");
    let mut first = exchange(351);
    first.insert("at".to_owned(), "2026-11-25T10:00:00.123Z".into());
    let later = told(&[first, exchange(352)], 350);
    assert!(later.contains("id=\"turn-351\"") && later.contains("\">350 earlier turns"), "{later}");
    assert!(later.contains("?before=1795600800123.%3Cscript%3E"), "{later}");
}

#[test]
fn a_place_in_a_run_is_read_as_it_is_written() {
    let check = |text: &str, expect: Option<(i64, &str)>| {
        let place = expect.map(|(at, id)| Place { at, id: id.to_owned() });
        assert_eq!(story::place(text), place, "{text}");
    };
    check("1795600800123.x_1.2", Some((1_795_600_800_123, "x_1.2")));
    check("-5.", Some((-5, "")));
    check("351", None);
    check("a.x_1", None);
}

#[test]
fn bars_are_as_long_as_they_are_of_the_longest() {
    let parts = Parts::new().unwrap();
    let mut small = exchange(2);
    for (name, tokens) in [("input", 250), ("cache_read", 0), ("cache_write", 0), ("output", 1)] {
        small.insert(name.to_owned(), tokens.into());
    }
    let story = Story::of(part(&[exchange(1), small], 0), &[]);
    let html = parts
        .fill("story", context! { story => Serde(&story), is_live => false, is_past => false })
        .unwrap()
        .to_string();
    let rects: Vec<&str> = html.split("<rect ").skip(1).map(|rest| rest.split("/>").next().unwrap()).collect();
    let expected = [
        ("cached", 0, 800),
        ("written", 800, 50),
        ("input", 850, 100),
        ("output", 950, 50),
        ("input", 0, 250),
        ("output", 250, 4),
    ];
    let expected =
        expected.map(|(kind, x, width)| format!("class=\"{kind}\" x=\"{x}\" y=\"0\" width=\"{width}\" height=\"10\""));
    assert_eq!(rects, expected);
}
