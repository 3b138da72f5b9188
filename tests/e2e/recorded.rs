//! Sessions of real agents, as they were recorded, with all on that changes a prompt: what is sent goes on
//! where what was sent before ended, wherever that is so of what the agent sends; so the provider's cache holds.

use jetway_scripted::Provider;
use jetway_support::client::{Ask, post};
use jetway_support::prompt::Prompt;
use jetway_support::provider;
use jetway_support::recorded::{Recorded, Sent, setup};

fn ask(sent: &Sent) -> Ask {
    let ask = post(&sent.path, sent.body.clone());
    sent.headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
}

/// What the provider was sent from a place on: prompts, and what was cached of each.
fn seen(provider: &Provider, from: usize) -> Vec<(Prompt, u64)> {
    let seen = provider.seen().split_off(from);
    let read = |seen: jetway_scripted::Seen| (Prompt::read(&seen.decoded), seen.cache.map_or(0, |cache| cache.read));
    seen.into_iter().map(read).collect()
}

/// `begins` are the requests with which the agent itself tells something new.
#[track_caller]
fn plays(name: &str, begins: &[usize]) {
    let recorded = Recorded::load(name);
    let alone = provider(
        r#"{ "caching": { "minimum": 128 }, "scenarios": [{ "name": "any", "turns": [{ "text": "Yes." }] }] }"#,
    );
    let provider = provider(&recorded.script.to_string());
    let jetway = setup(&provider.url()).start();
    let mut told: Vec<(Prompt, Vec<(Prompt, u64)>)> = Vec::new();
    let (mut sent, mut began) = (0, Vec::new());
    for (at, request) in recorded.requests.iter().enumerate() {
        assert_eq!(ask(request).send(alone.addr()).status, 200);
        let answered = ask(request).send(jetway.data);
        assert_eq!(answered.status, 200, "{name} {at}: {}", answered.text());
        let (prompt, prompts) = (Prompt::read(request.body.as_bytes()), seen(&provider, sent));
        sent += prompts.len();
        for (prompt, _) in &prompts {
            let count = prompt.said.matches("A greeting of Jetway counts its lines.").count();
            assert!(count <= 1, "{name} {at}: its page stands there {count} times: {prompt:?}");
        }
        for two in prompts.windows(2) {
            assert!(two[1].0.goes_on_from(&two[0].0), "{name}, within the reply to {at}: {two:?}");
        }
        match told.iter().rev().find(|(before, _)| prompt.goes_on_from(before)) {
            Some((_, before)) => {
                let (before, now) = (&before.last().unwrap().0, &prompts[0].0);
                assert!(now.goes_on_from(before), "{name} {at}: {before:?}\n\n{now:?}");
            }
            None => began.push(at),
        }
        told.push((prompt, prompts));
    }
    assert_eq!(began, begins, "{name}");
    let turns = recorded.script["scenarios"][0]["turns"].as_array().unwrap().len();
    assert!(sent == turns && sent > recorded.requests.len() + 2, "{name}: {sent} of {turns}");

    // What is cached is as much as without Jetway, but for what it put before the first turn.
    let first = |at: usize| &told[at].1[0].0;
    let bytes = |prompt: &Prompt| prompt.said.len() + prompt.front.iter().map(String::len).sum::<usize>();
    let block = (bytes(first(0)) - bytes(&told[0].0)) as u64 / 4;
    let without: Vec<u64> = seen(&alone, 0).into_iter().map(|(_, cached)| cached).collect();
    let with: Vec<u64> = told.iter().map(|(_, prompts)| prompts[0].1).collect();
    for (at, (with, without)) in with.iter().zip(&without).enumerate() {
        assert!(with + block >= *without, "{name} {at}: {with} cached, and {without} without Jetway ({block})");
    }
    let sum = |cached: &[u64]| cached.iter().sum::<u64>();
    assert!(sum(&without) > 0 && sum(&with) + block >= sum(&without), "{name}: {with:?} {without:?} {block}");
    let metrics = jetway.metrics();
    let breaks = metrics.lines().filter(|line| line.starts_with("jetway_prompt_prefix_breaks_total{"));
    let ours: Vec<&str> = breaks.filter(|line| !line.contains("cause=\"agent\"")).collect();
    assert!(ours.is_empty(), "{name}: {ours:?}");
}

#[test]
fn claude_code_s_prompt_goes_on_and_stays_cached() {
    // Its summary is asked for in place of its last turn, twice, and then it begins anew.
    plays("claude-code", &[0, 8]);
}

#[test]
fn codex_s_prompt_goes_on_and_stays_cached() {
    // Its summary is asked for without tools, and then it begins anew.
    plays("codex", &[0, 6, 7]);
}

#[test]
fn the_prompt_of_codex_in_code_goes_on_and_stays_cached() {
    plays("codex-in-code", &[0, 7]);
}

#[test]
fn a_prompt_of_openai_s_sdk_by_chat_goes_on_and_stays_cached() {
    plays("openai-sdk-chat", &[0]);
}
