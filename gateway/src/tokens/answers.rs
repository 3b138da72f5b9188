//! What issuers answered about tokens (RFC 7662), kept for a moment: by a keyed digest, never by
//! the token itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use jetway_core::policy::identity::claims::Claims;
use jetway_core::policy::identity::introspection::is_active;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::tokens::ask::{About, Asker};
use crate::tokens::{Question, Unreachable, later};

/// The most answers that are kept.
const MOST_KEPT: usize = 10_000;
/// The most questions that are under way at once.
const MOST_ASKED: usize = 256;
/// The largest answer.
const LARGEST: usize = 64 << 10;

type Outcome = Result<Arc<Claims>, Unreachable>;

#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    known: HashMap<String, Known>,
    /// Which answer goes first when there are too many: that a token does not count, for anybody
    /// can make those up; then the one that ends soonest.
    order: BTreeSet<(bool, Instant, String)>,
    asked: HashMap<String, watch::Receiver<Option<Outcome>>>,
}

#[derive(Debug)]
struct Known {
    answer: Arc<Claims>,
    until: Instant,
}

/// What is there about a token.
enum Found {
    Known(Arc<Claims>),
    Asked(watch::Receiver<Option<Outcome>>),
    Ask(watch::Sender<Option<Outcome>>, watch::Receiver<Option<Outcome>>),
    Full,
}

impl Answers {
    /// What the issuer says of a token. However many ask at once, the issuer is asked once.
    pub(super) async fn ask(
        self: Arc<Self>,
        asker: &Asker,
        question: Question<'_>,
        digest: String,
        tasks: &TaskTracker,
    ) -> Result<Claims, Unreachable> {
        let mut waits = match self.kept().find(&digest, Instant::now()) {
            Found::Known(answer) => return Ok(Claims::clone(&answer)),
            Found::Asked(waits) => waits,
            Found::Full => {
                tracing::warn!("so many tokens are being asked about that no more can be");
                return Err(Unreachable);
            }
            Found::Ask(tell, waits) => {
                let request = request(question);
                let (asker, rules) = (asker.clone(), question.rules.clone());
                let answers = Arc::clone(&self);
                tasks.spawn(async move {
                    let answer = match request {
                        Ok(request) => asker.ask(request, LARGEST).await,
                        Err(error) => Err(error.to_string()),
                    };
                    asker.count(About::Token, answer.is_ok());
                    let url = rules.endpoint().url.as_str();
                    let outcome = match answer {
                        Ok(answer) => Ok(Arc::new(rules.relevant(answer.document))),
                        Err(why) => {
                            tracing::warn!(url, why, "a token cannot be asked about");
                            Err(Unreachable)
                        }
                    };
                    let keeps = outcome.as_ref().ok().map(|answer| rules.keeps(answer, Timestamp::now()));
                    let until = keeps.map(|keeps| later(Instant::now(), keeps));
                    answers.kept().note(digest, outcome.as_ref().ok().zip(until));
                    tell.send_replace(Some(outcome));
                });
                waits
            }
        };
        // Nobody tells only when the one who asked broke.
        let outcome = waits.wait_for(Option::is_some).await.map_err(|_| Unreachable)?.clone();
        outcome.unwrap_or(Err(Unreachable)).map(|answer| Claims::clone(&answer))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, digest: &str, now: Instant) -> Found {
        match self.known.get(digest) {
            Some(known) if now < known.until => return Found::Known(Arc::clone(&known.answer)),
            Some(_) => self.forget(digest),
            None => {}
        }
        if let Some(waits) = self.asked.get(digest)
            && waits.has_changed().is_ok()
        {
            return Found::Asked(waits.clone());
        }
        if self.asked.len() >= MOST_ASKED {
            self.asked.retain(|_, waits| waits.has_changed().is_ok());
        }
        if self.asked.len() >= MOST_ASKED {
            return Found::Full;
        }
        let (tell, waits) = watch::channel(None);
        self.asked.insert(digest.to_owned(), waits.clone());
        Found::Ask(tell, waits)
    }

    /// Notes what came of a question; an answer is kept until then.
    fn note(&mut self, digest: String, answer: Option<(&Arc<Claims>, Instant)>) {
        self.asked.remove(&digest);
        let Some((answer, until)) = answer.filter(|(_, until)| Instant::now() < *until) else { return };
        self.forget(&digest);
        while self.known.len() >= MOST_KEPT
            && let Some((_, _, first)) = self.order.pop_first()
        {
            self.known.remove(&first);
        }
        self.order.insert((is_active(answer), until, digest.clone()));
        self.known.insert(digest, Known { answer: Arc::clone(answer), until });
    }

    fn forget(&mut self, digest: &str) {
        if let Some(known) = self.known.remove(digest) {
            self.order.remove(&(is_active(&known.answer), known.until, digest.to_owned()));
        }
    }
}

fn request(question: Question<'_>) -> http::Result<Request<Full<Bytes>>> {
    let endpoint = question.rules.endpoint();
    let (client, secret) = (encoded(&endpoint.client), encoded(question.secret.expose_secret()));
    let mut credential = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{client}:{secret}"))))?;
    credential.set_sensitive(true);
    let form = format!("token={}&token_type_hint=access_token", encoded(question.token));
    Request::post(endpoint.url.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, credential)
        .body(Full::new(Bytes::from(form)))
}

/// As a form wants it (RFC 6749, appendix B).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn answer(active: bool) -> Arc<Claims> {
        Arc::new(json!({ "active": active }).as_object().unwrap().clone())
    }

    fn is_known(kept: &mut Kept, digest: &str, now: Instant) -> bool {
        let found = matches!(kept.find(digest, now), Found::Known(_));
        kept.asked.clear();
        found
    }

    #[test]
    fn no_more_answers_are_kept_than_there_is_room_for_and_those_that_count_stay() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        let until = now + Duration::from_secs(60);
        let (good, bad) = (answer(true), answer(false));
        kept.note("good".into(), Some((&good, until)));
        kept.note("first".into(), Some((&bad, until - Duration::from_secs(1))));
        for number in 0..MOST_KEPT {
            kept.note(format!("bad{number}"), Some((&bad, until)));
        }
        assert_eq!((kept.known.len(), kept.order.len()), (MOST_KEPT, MOST_KEPT));
        assert!(is_known(&mut kept, "good", now) && !is_known(&mut kept, "first", now));
        for number in 0..MOST_KEPT {
            kept.note(format!("good{number}"), Some((&good, until + Duration::from_secs(1))));
        }
        assert_eq!((kept.known.len(), kept.order.len()), (MOST_KEPT, MOST_KEPT));
        assert!(!is_known(&mut kept, "good", now), "the one that ends soonest makes room");
    }

    #[test]
    fn an_answer_counts_until_its_end_and_a_new_one_takes_its_place() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        let until = now + Duration::from_secs(60);
        kept.note("a".into(), Some((&answer(true), until)));
        kept.note("a".into(), Some((&answer(false), until)));
        assert_eq!((kept.known.len(), kept.order.len()), (1, 1));
        let Found::Known(found) = kept.find("a", now) else { panic!("it is known") };
        assert!(!is_active(&found));
        assert!(!is_known(&mut kept, "a", until));
        assert_eq!((kept.known.len(), kept.order.len()), (0, 0));
        kept.note("b".into(), Some((&answer(true), now)));
        assert!(kept.known.is_empty(), "what is over is not kept");
    }

    #[test]
    fn one_asks_and_the_others_wait_and_too_many_are_turned_away() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        let mut asking = Vec::new();
        for number in 0..MOST_ASKED {
            let Found::Ask(tell, _) = kept.find(&number.to_string(), now) else { panic!("there is room") };
            asking.push(tell);
        }
        assert!(matches!(kept.find("0", now), Found::Asked(_)));
        assert!(matches!(kept.find("one more", now), Found::Full));
        kept.note("0".into(), None);
        let Found::Ask(_tell, _) = kept.find("one more", now) else { panic!("there is room again") };
        assert!(matches!(kept.find("another", now), Found::Full));
        // One that broke tells nobody, and holds no place.
        drop(asking.pop());
        assert!(matches!(kept.find("another", now), Found::Ask(..)));
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(encoded("aZ9-_.*"), "aZ9-_.*");
        assert_eq!(encoded("a b+c/=&%ä~"), "a+b%2Bc%2F%3D%26%25%C3%A4%7E");
    }
}
