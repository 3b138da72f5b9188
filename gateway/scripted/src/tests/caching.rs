//! The simulated prompt cache over real sockets: what a reply says, is billed and is seen.

use serde_json::{Value, json};

use super::sockets::{last, post};
use crate::{Cache, Provider, Script, Served};

fn provider(script: &str) -> Provider {
    Provider::start(Script::parse(script).unwrap()).unwrap()
}

/// About 1000 tokens of prompt a turn, the last block of which is marked.
fn conversation(turns: usize, rest: &str) -> String {
    let block = |at: usize| {
        let marker = if at + 1 == turns { json!({ "type": "ephemeral" }) } else { Value::Null };
        json!({ "type": "text", "text": format!("{at} ").repeat(2000), "cache_control": marker })
    };
    let blocks: Vec<_> = (0..turns).map(block).collect();
    let messages = json!([{ "role": "user", "content": blocks }]);
    format!(r#"{{"model":"m","max_tokens":9{rest},"messages":{messages}}}"#)
}

#[tokio::test]
async fn a_reply_tells_what_was_read_and_written_and_the_sum_is_the_count() {
    let provider = provider("caching: true");
    let mut before = 0;
    for turns in 2..5 {
        let body = conversation(turns, "");
        let usage = post(&provider, "/v1/messages", body.clone()).await.json()["usage"].clone();
        let count = |key: &str| usage[key].as_u64().unwrap();
        let (read, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
        assert_eq!(read + written + count("input_tokens"), body.len() as u64 / 4);
        assert_eq!(read, before);
        assert_eq!(
            usage["cache_creation"],
            json!({ "ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0 })
        );
        before = read + written;
        let seen = last(&provider);
        assert_eq!(seen.cache, Some(Cache { read, written, ..Cache::default() }));
        let Served { input, cache_read, cache_write, .. } = seen.served;
        assert_eq!((input, cache_read, cache_write), (count("input_tokens"), read, written));
    }
    let body = conversation(5, "").replacen("1 1 1", "1 2 1", 1);
    post(&provider, "/v1/messages", body).await;
    let expect = Some("messages[0].content[1]".to_owned());
    assert_eq!(last(&provider).cache.map(|cache| (cache.read, cache.broke_at)), Some((0, expect)));
}

#[tokio::test]
async fn openai_counts_what_was_cached_as_a_part_of_the_input() {
    let provider = provider("caching: true");
    let text = "word ".repeat(2000);
    let chat = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] }).to_string();
    let responses = json!({ "model": "m", "input": text }).to_string();
    for (path, body, input, details) in [
        ("/v1/chat/completions", chat, "prompt_tokens", "prompt_tokens_details"),
        ("/v1/responses", responses, "input_tokens", "input_tokens_details"),
    ] {
        for cached in [0, 2432] {
            let usage = post(&provider, path, body.clone()).await.json()["usage"].clone();
            let all = body.len() as u64 / 4;
            assert_eq!((&usage[input], &usage[details]["cached_tokens"]), (&all.into(), &cached.into()));
            let served = last(&provider).served;
            assert_eq!((served.input, served.cache_read, served.cache_write), (all - cached, cached, 0));
        }
    }
}

#[tokio::test]
async fn a_turn_that_says_its_own_usage_keeps_it() {
    let script = "{ caching: true, scenarios: [{ name: n, turns: [
        { text: a, usage: { input: 7, cache_read: 5 } }] }] }";
    let provider = provider(script);
    for read in [0, 2001] {
        let usage = post(&provider, "/v1/messages", conversation(2, "")).await.json()["usage"].clone();
        let told =
            ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].map(|key| usage[key].clone());
        assert_eq!(told, [7, 5, 0]);
        assert_eq!(last(&provider).cache.unwrap().read, read, "the cache works all the same");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_cached() {
    let script = "{ caching: true, scenarios: [{ name: n, by: request, turns: [{ status: 529 }, { text: hi }] }] }";
    let provider = provider(script);
    let five =
        r#","system":[1,2,3,4]"#.replace(['1', '2', '3', '4'], r#"{"type":"text","text":"s","cache_control":{}}"#);
    let got = post(&provider, "/v1/messages", conversation(2, &five)).await;
    assert_eq!(got.json()["error"]["message"], "A maximum of 4 blocks with cache_control may be provided. Found 5.");
    post(&provider, "/v1/messages", conversation(2, "")).await;
    post(&provider, "/v1/messages", conversation(2, "")).await;
    let caches: Vec<_> = provider.seen().into_iter().map(|seen| seen.cache.map(|cache| cache.read)).collect();
    assert_eq!(caches, [None, None, Some(0)]);
}

#[tokio::test]
async fn a_restart_is_a_fresh_cache_and_without_caching_there_is_none() {
    let read = async |provider: &Provider| {
        post(provider, "/v1/messages", conversation(2, "")).await;
        last(provider).cache.map(|cache| cache.read)
    };
    let first = provider("caching: true");
    assert_eq!((read(&first).await, read(&first).await), (Some(0), Some(2001)));
    first.play(Script::parse("caching: { minimum: 2001 }").unwrap());
    first.forget();
    assert_eq!(read(&first).await, Some(2001), "another script is the same provider");
    first.play(Script::parse("caching: { minimum: 2002 }").unwrap());
    assert_eq!(read(&first).await, Some(0));
    assert_eq!(read(&provider("caching: true")).await, Some(0));
    let without = provider("caching: false");
    assert_eq!((read(&without).await, read(&without).await), (None, None));
    assert_eq!(last(&without).served.cache_read, 0);
}
