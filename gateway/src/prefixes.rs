//! How far conversations had come, as they were sent last: to count where a prompt does not begin
//! as the one before it did. Of this process alone, for it is counted and decides nothing.

use std::sync::{Mutex, PoisonError};

use jetway_core::overlay::prefix::{Break, Mark, Prefix};

use crate::recent::Recent;

/// Conversations that are followed at once.
const MOST: usize = 20_000;

#[derive(Debug)]
pub struct Prefixes(Mutex<Recent<String, Mark>>);

impl Default for Prefixes {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(MOST)))
    }
}

impl Prefixes {
    /// Takes the next prompt of a conversation; says where it breaks off from the one before.
    pub fn go_on(&self, conversation: &str, prefix: &Prefix) -> Option<Break> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = recent.find(conversation.to_owned(), |_| 1);
        recent.keep(conversation.to_owned(), prefix.mark(), usize::from(before.is_none()));
        prefix.break_from(&before?)
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
}
