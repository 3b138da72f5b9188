//! How far conversations had come, as they were sent last: to count where a prompt does not begin
//! as the one before it did, and to tell a request that is sent again from one that goes on. Of this
//! process alone, for it is counted and decides nothing.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use jetway_core::overlay::prefix::{Break, Mark, Prefix, digest};

use crate::recent::Recent;

/// Conversations that are followed at once.
const MOST: usize = 20_000;

#[derive(Debug)]
pub struct Prefixes {
    marks: Mutex<Recent<String, Mark>>,
    /// The last request of each, as its agent sent it: a digest, and its exchange.
    asked: Mutex<Recent<String, (u128, String)>>,
    /// What digests are made with, so that nobody can send two requests of one digest.
    secret: u64,
}

impl Default for Prefixes {
    fn default() -> Self {
        let (marks, asked) = (Mutex::new(Recent::new(MOST)), Mutex::new(Recent::new(MOST)));
        Self { marks, asked, secret: RandomState::new().hash_one(MOST) }
    }
}

impl Prefixes {
    /// Takes the next prompt of a conversation; says where it breaks off from the one before.
    pub fn go_on(&self, conversation: &str, prefix: &Prefix) -> Option<Break> {
        let mut recent = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = recent.find(conversation.to_owned(), |_| 1);
        recent.keep(conversation.to_owned(), prefix.mark(), usize::from(before.is_none()));
        prefix.break_from(&before?)
    }

    /// Takes the next request of a conversation; says which exchange it repeats, where its bytes are those of
    /// the one before.
    pub fn again(&self, conversation: &str, bytes: &[u8], exchange: &str) -> Option<String> {
        let now = (digest(bytes, self.secret), exchange.to_owned());
        let mut recent = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = recent.find(conversation.to_owned(), |_| 1);
        recent.keep(conversation.to_owned(), now.clone(), usize::from(before.is_none()));
        before.filter(|(digest, _)| *digest == now.0).map(|(_, exchange)| exchange)
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
        assert_eq!(prefixes.go_on("one", &prefix("a")), None);
        assert_eq!(prefixes.go_on("two", &prefix("b")), None);
        assert_eq!(prefixes.go_on("one", &prefix("a")), None);
        assert_eq!(prefixes.go_on("two", &prefix("a")), Some(Break::Agent));
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
        // Nobody outside knows what bytes come to.
        assert_ne!(prefixes.secret, Prefixes::default().secret);
    }
}
