//! How far conversations had come, as they were sent last: to count where a prompt does not begin
//! as the one before it did, and to tell a request that is sent again from one that goes on. Of this
//! process alone, for it is counted and decides nothing.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::overlay::prefix::{Break, Prefix, digest};

use crate::recent::Recent;

/// Conversations that are followed at once.
const MOST: usize = 20_000;
/// Their messages that are known, each by two digests.
const MESSAGES: usize = 500_000;

#[derive(Debug)]
pub struct Prefixes {
    sent: Mutex<Recent<String, Sent>>,
    /// The last request of each.
    asked: Mutex<Recent<String, Asked>>,
    /// What digests are made with, so that nobody can send two requests of one digest.
    secret: u64,
}

/// The last prompt of a conversation, and how many of its edits had found no place by then.
#[derive(Debug, Clone)]
struct Sent {
    prefix: Arc<Prefix>,
    lost: usize,
}

impl Sent {
    /// A conversation of few messages takes room too.
    fn weight(&self) -> usize {
        self.prefix.len() + MESSAGES / MOST
    }
}

/// A request, as its agent sent it: a digest, and its exchange.
#[derive(Debug, Clone)]
struct Asked {
    digest: u128,
    exchange: String,
    is_answered: bool,
}

impl Default for Prefixes {
    fn default() -> Self {
        let (sent, asked) = (Mutex::new(Recent::new(MESSAGES)), Mutex::new(Recent::new(MOST)));
        Self { sent, asked, secret: RandomState::new().hash_one(MOST) }
    }
}

impl Prefixes {
    /// Takes the next prompt of a conversation, and how many of its edits find no place; says where it breaks off
    /// from the one before. An edit whose turn is not told any more is found by no later prompt either, and
    /// counts once.
    pub fn go_on(&self, conversation: &str, prefix: &Prefix, lost: usize) -> Option<Break> {
        let mut recent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let before = recent.find(conversation.to_owned(), Sent::weight);
        let ever = before.as_ref().map_or(lost, |before| before.lost.max(lost));
        let now = Sent { prefix: Arc::new(prefix.clone()), lost: ever };
        let more = now.weight().saturating_sub(before.as_ref().map_or(0, Sent::weight));
        recent.keep(conversation.to_owned(), now, more);
        drop(recent);
        let before = before?;
        prefix.break_from(&before.prefix, ever - before.lost)
    }

    /// Takes the next request of a conversation; says which exchange it repeats, where its bytes are those of
    /// the one before, and that was not answered.
    pub fn again(&self, conversation: &str, bytes: &[u8], exchange: &str) -> Option<String> {
        let digest = digest(bytes, self.secret);
        let now = Asked { digest, exchange: exchange.to_owned(), is_answered: false };
        let mut recent = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = recent.find(conversation.to_owned(), |_| 1);
        recent.keep(conversation.to_owned(), now, usize::from(before.is_none()));
        before.filter(|before| before.digest == digest && !before.is_answered).map(|before| before.exchange)
    }

    /// The agent has got the whole answer to this exchange.
    pub fn answered(&self, conversation: &str, exchange: &str) {
        let mut recent = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = recent.find(conversation.to_owned(), |_| 1).filter(|asked| asked.exchange == exchange);
        if let Some(asked) = asked {
            recent.keep(conversation.to_owned(), Asked { is_answered: true, ..asked }, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use jetway_core::wire::Dialect;
    use jetway_core::wire::json::Json;
    use jetway_core::wire::patch::Patch;
    use jetway_core::wire::request::Request;

    use super::*;

    #[test]
    fn each_conversation_is_followed_for_itself() {
        let prefix = |text: &str| {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
            let request = Request::read(Dialect::Chat, Json::read(body.into()).unwrap()).unwrap();
            Prefix::of(&request, &Patch::default())
        };
        let prefixes = Prefixes::default();
        assert_eq!(prefixes.go_on("one", &prefix("a"), 0), None);
        assert_eq!(prefixes.go_on("two", &prefix("b"), 0), None);
        assert_eq!(prefixes.go_on("one", &prefix("a"), 0), None);
        assert_eq!(prefixes.go_on("two", &prefix("a"), 0), Some(Break::Agent));
        // What finds no place counts once, also where it is not known for a moment; and not what was lost before
        // this process knew of it.
        let lost = [1, 1, 0, 1, 2].map(|lost| prefixes.go_on("one", &prefix("a"), lost));
        assert_eq!(lost, [Some(Break::Agent), None, None, None, Some(Break::Agent)]);
        assert_eq!([5, 5].map(|lost| prefixes.go_on("three", &prefix("a"), lost)), [None, None]);
    }

    #[test]
    fn what_is_sent_again_is_told_from_what_goes_on() {
        let prefixes = Prefixes::default();
        let check = |(conversation, body, exchange): (&str, &str, &str), expect: Option<&str>| {
            assert_eq!(prefixes.again(conversation, body.as_bytes(), exchange).as_deref(), expect, "{exchange}");
        };
        check(("one", "a", "x_1"), None);
        check(("two", "a", "x_2"), None);
        check(("one", "a", "x_3"), Some("x_1"));
        // Each repeats the one before it.
        check(("one", "a", "x_4"), Some("x_3"));
        check(("one", "b", "x_5"), None);
        check(("one", "a", "x_6"), None);
        // What was answered is asked anew, and what it was answered with does not matter to another exchange.
        prefixes.answered("one", "x_6");
        check(("one", "a", "x_7"), None);
        prefixes.answered("one", "x_6");
        check(("one", "a", "x_8"), Some("x_7"));
        // Nobody outside knows what bytes come to.
        assert_ne!(prefixes.secret, Prefixes::default().secret);
    }
}
