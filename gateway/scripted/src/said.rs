//! A scripted reply as it is said to one request: ids given out, tokens counted.

use crate::ask::{Ask, Dialect};
use crate::script::{Reply, Usage};
use crate::seen::Cache;

#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) reply: &'a Reply,
    pub(crate) calls: Vec<SaidCall<'a>>,
    pub(crate) tokens: Tokens,
    pub(crate) ids: Ids,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

#[derive(Debug)]
pub(crate) struct SaidCall<'a> {
    pub(crate) id: String,
    pub(crate) tool: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) arguments: &'a str,
    pub(crate) custom: bool,
    pub(crate) pieces: usize,
}

/// What the reply costs. `input` is what was neither read from the cache nor written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_write: u64,
    /// The part of it that is kept for an hour.
    pub(crate) cache_write_1h: u64,
    pub(crate) output: u64,
    /// The part of the output that is thinking.
    pub(crate) reasoning: u64,
}

impl<'a> Said<'a> {
    /// `place` names the turn that is played and `serial` the request: a call keeps its id when
    /// its request is sent again, the reply does not.
    pub(crate) fn new(ask: &'a Ask, reply: &'a Reply, cache: Option<&Cache>, place: &str, serial: u64) -> Self {
        let prefix = if ask.dialect == Dialect::Messages { "toolu_01" } else { "call_" };
        let ids = Ids::new(place);
        let calls = reply.calls.iter().enumerate().map(|(index, call)| SaidCall {
            id: call.id.clone().unwrap_or_else(|| ids.id(prefix, index)),
            tool: &call.tool,
            namespace: ask.namespace_of(&call.tool),
            arguments: &call.arguments,
            custom: call.custom,
            pieces: call.pieces,
        });
        Self {
            ask,
            reply,
            calls: calls.collect(),
            tokens: Tokens::of(ask, reply, cache),
            ids: Ids::new(&serial.to_string()),
            created: now(),
        }
    }

    /// The thinking, if there is any to show.
    pub(crate) fn thinking(&self) -> Option<&'a str> {
        self.reply.thinking.as_deref().filter(|thinking| !thinking.is_empty())
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        self.reply.text.as_deref().filter(|text| !text.is_empty())
    }
}

impl Tokens {
    fn of(ask: &Ask, reply: &Reply, cache: Option<&Cache>) -> Self {
        let Usage { input, cache_read, cache_write, output } = reply.usage;
        let is_told = cache_read.is_some() || cache_write.is_some();
        let (read, written, written_1h) =
            cache.filter(|_| !is_told).map_or((0, 0, 0), |cache| (cache.read, cache.written, cache.written_1h));
        let thinking = reply.thinking.as_deref().unwrap_or_default().len() as u64;
        let text = reply.text.as_deref().unwrap_or_default().len() as u64;
        let arguments = reply.calls.iter().map(|call| call.arguments.len() as u64).sum::<u64>();
        let output = output.unwrap_or(((thinking + text + arguments) / 4).max(1));
        Self {
            input: input.unwrap_or_else(|| ask.size_in_tokens().saturating_sub(read + written)),
            cache_read: cache_read.unwrap_or(read),
            cache_write: cache_write.unwrap_or(written),
            cache_write_1h: written_1h,
            output,
            reasoning: (thinking / 4).min(output),
        }
    }

    /// OpenAI's input count has all of it: what was read from the cache and what was written too.
    pub(crate) fn all_input(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}

/// Ids that look real, and are the same for the same seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids(u64);

impl Ids {
    pub(crate) fn new(seed: &str) -> Self {
        Self(mix(0xcbf2_9ce4_8422_2325, seed.as_bytes()))
    }

    /// A prefix and 22 letters and digits.
    pub(crate) fn id(&self, prefix: &str, index: usize) -> String {
        prefix.to_owned() + &self.letters(prefix, index, 22)
    }

    pub(crate) fn letters(&self, salt: &str, index: usize, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut state = mix(mix(self.0, salt.as_bytes()), &index.to_le_bytes());
        let letters = (0..length).map(|_| {
            state = mix(state, b"+");
            // The high bits of this hash are the well-mixed ones.
            char::from(ALPHABET[(state >> 40) as usize % ALPHABET.len()])
        });
        letters.collect()
    }
}

/// FNV-1a: small, and the same in every build.
fn mix(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|age| age.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Cache, Ids, Said, Tokens, Usage};
    use crate::ask::{Ask, Dialect};
    use crate::script::{Call, Reply};

    fn ask(dialect: Dialect) -> Ask {
        let body = format!(r#"{{"model":"m","padding":"{}"}}"#, "x".repeat(375));
        Ask::read(dialect, body.into_bytes().into()).unwrap()
    }

    fn call(id: Option<&str>) -> Call {
        Call { tool: "Read".into(), id: id.map(str::to_owned), arguments: "{}".into(), custom: false, pieces: 3 }
    }

    #[test]
    fn tokens_are_four_bytes_unless_the_script_says() {
        let reply = Reply {
            thinking: Some("12345678".into()),
            text: Some("1234".into()),
            calls: vec![call(None), call(None)],
            ..Reply::default()
        };
        let expect = Tokens { input: 100, cache_read: 0, cache_write: 0, cache_write_1h: 0, output: 4, reasoning: 2 };
        assert_eq!(Tokens::of(&ask(Dialect::Messages), &reply, None), expect);
        assert_eq!(Tokens::of(&ask(Dialect::Messages), &Reply::default(), None).output, 1);
    }

    #[track_caller]
    fn input_read_and_written(usage: Usage, expect: (u64, u64, u64, u64)) {
        let cache = Cache { read: 30, written: 20, written_1h: 5, broke_at: None };
        let tokens = Tokens::of(&ask(Dialect::Messages), &Reply { usage, ..Reply::default() }, Some(&cache));
        assert_eq!((tokens.input, tokens.cache_read, tokens.cache_write, tokens.cache_write_1h), expect);
    }

    #[test]
    fn what_the_script_says_of_the_cache_stands() {
        input_read_and_written(Usage::default(), (50, 30, 20, 5));
        input_read_and_written(Usage { input: Some(7), ..Usage::default() }, (7, 30, 20, 5));
        input_read_and_written(Usage { cache_read: Some(7), ..Usage::default() }, (100, 7, 0, 0));
        input_read_and_written(Usage { cache_write: Some(7), ..Usage::default() }, (100, 0, 7, 0));
    }

    #[test]
    fn a_call_has_its_own_id_which_outlives_a_retry() {
        let reply = Reply { calls: vec![call(None), call(None), call(Some("c"))], ..Reply::default() };
        let messages = ask(Dialect::Messages);
        let ids = |place, serial| -> Vec<String> {
            let said = Said::new(&messages, &reply, None, place, serial);
            said.calls.into_iter().map(|call| call.id).collect()
        };
        let first = ids("fix/0", 1);
        assert_eq!(first, ids("fix/0", 2));
        assert_ne!(first[0], first[1]);
        assert_ne!(first[0], ids("fix/1", 1)[0]);
        assert_eq!(first[2], "c");
        assert!(first[0].starts_with("toolu_01") && first[0].len() == 30, "{}", first[0]);
    }

    #[test]
    fn ids_do_not_collide() {
        let mut seen = HashSet::new();
        for seed in 0..2000 {
            assert!(seen.insert(Ids::new(&seed.to_string()).id("msg_01", seed % 3)));
        }
    }
}
