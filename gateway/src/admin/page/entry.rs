//! Who may look at the page: whoever began a session with the admin token. Given the cookie of a
//! session that was used a minute ago → it goes on; of one that rested for an hour → the page asks
//! for the token again.
//!
//! A session is worth no more than looking: what changes something takes the token itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::secret;

/// The cookie. It holds a random number, and never the token.
pub(super) const COOKIE: &str = "jetway_session";
/// How long a session lasts at the most, and how long it may rest.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 3600);
const REST: Duration = Duration::from_secs(3600);
/// The most sessions; one more ends the one that rested longest.
const MOST: usize = 64;
/// Wrong tokens in so long a time, from all together, before others are told to wait.
const TRIES: usize = 10;
const TRIED: Duration = Duration::from_secs(60);

/// What became of a try to sign in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// It is right.
    Right,
    Wrong,
    /// It is wrong, and too many were; so long there is no use in another try.
    Later(Duration),
}

/// The sessions, and the tries that failed.
#[derive(Debug, Default)]
pub(super) struct Entry {
    sessions: Mutex<HashMap<Vec<u8>, Session>>,
    failed: Mutex<VecDeque<Instant>>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    begun: Instant,
    used: Instant,
}

impl Session {
    fn lives(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) < LONGEST && now.saturating_duration_since(self.used) < REST
    }
}

impl Entry {
    /// Whether this is the token.
    pub(super) fn tried(&self, shown: &str, token: &str, now: Instant) -> Tried {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        while failed.front().is_some_and(|first| now.saturating_duration_since(*first) >= TRIED) {
            failed.pop_front();
        }
        // First: others who try must not keep out whoever has it.
        if shown.as_bytes().ct_eq(token.as_bytes()).into() {
            return Tried::Right;
        }
        if let Some(first) = failed.front().filter(|_| failed.len() >= TRIES) {
            return Tried::Later(TRIED.saturating_sub(now.saturating_duration_since(*first)));
        }
        failed.push_back(now);
        Tried::Wrong
    }

    /// Begins a session, and gives what its cookie holds.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn begin(&self, now: Instant) -> std::io::Result<String> {
        let text = secret::token("")?;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.lives(now));
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used).map(|(digest, _)| digest.clone());
            oldest.and_then(|digest| sessions.remove(&digest));
        }
        sessions.insert(secret::sha256(text.as_bytes()), Session { begun: now, used: now });
        Ok(text)
    }

    /// Whether these headers come with a session; with what a person does it is used, and not with what a
    /// page asks for by itself.
    pub(super) fn knows(&self, headers: &HeaderMap, (now, is_person): (Instant, bool)) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        cookies(headers).any(|text| match sessions.get_mut(&secret::sha256(text.as_bytes())) {
            Some(session) if session.lives(now) => {
                session.used = if is_person { now } else { session.used };
                true
            }
            _ => false,
        })
    }

    /// Ends the session that these headers come with.
    pub(super) fn end(&self, headers: &HeaderMap) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        for text in cookies(headers) {
            sessions.remove(&secret::sha256(text.as_bytes()));
        }
    }
}

/// What our cookies hold. Another program on this machine may have set one of the same name: a
/// browser tells ports apart for everything else.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, text)| text)
}

/// Whether a form was sent from a page of ours. A browser says where one comes from, in a header
/// that no script can set; what is no browser has no cookie that could be misused, and says it too.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    // Browsers leave that out where a page is neither in TLS nor of this machine.
    let (origin, host) = (text("origin").and_then(|origin| origin.split_once("://")), text("host"));
    origin.zip(host).is_some_and(|((_, origin), host)| origin == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_never_longer_than_its_time() {
        let (entry, begun) = (Entry::default(), Instant::now());
        let headers = with("cookie", &format!("a=b; {COOKIE}={}; c=d", entry.begin(begun).unwrap()));
        let minutes = |count: u64| begun + Duration::from_secs(60 * count);
        for at in [0, 59, 118] {
            assert!(entry.knows(&headers, (minutes(at), true)), "after {at} minutes");
        }
        assert!(entry.knows(&headers, (minutes(118 + 59), false)), "a page that is left open asks");
        assert!(!entry.knows(&headers, (minutes(118 + 60), true)), "it rested for an hour");
        let headers = with("cookie", &format!("{COOKIE}={}", entry.begin(begun).unwrap()));
        for at in (0..720).step_by(30) {
            assert!(entry.knows(&headers, (minutes(at), true)), "after {at} minutes");
        }
        assert!(!entry.knows(&headers, (minutes(720), true)), "twelve hours are over");
    }

    #[test]
    fn a_session_is_known_by_its_cookie_alone_and_ends_with_it() {
        let (entry, now) = (Entry::default(), Instant::now());
        let text = entry.begin(now).unwrap();
        let mine = with("cookie", &format!("{COOKIE}=of-another-port; {COOKIE}={text}"));
        for other in ["", "jetway_session=", "jetway_session=x", "other=", &format!("x{COOKIE}={text}")] {
            assert!(!entry.knows(&with("cookie", other), (now, true)), "{other}");
        }
        assert!(!entry.knows(&with("authorization", &format!("Bearer {text}")), (now, true)));
        assert!(entry.knows(&mine, (now, true)));
        entry.end(&mine);
        assert!(!entry.knows(&mine, (now, true)));
    }

    #[test]
    fn sessions_are_bounded_and_the_one_that_rested_longest_goes() {
        let (entry, begun) = (Entry::default(), Instant::now());
        let at = |count: usize| begun + Duration::from_secs(count as u64);
        let made: Vec<_> =
            (0..=MOST).map(|count| with("cookie", &format!("{COOKIE}={}", entry.begin(at(count)).unwrap()))).collect();
        let known = made.iter().map(|headers| entry.knows(headers, (at(MOST), true))).collect::<Vec<_>>();
        assert_eq!(known.iter().position(|known| *known), Some(1), "{known:?}");
        assert_eq!(known.iter().filter(|known| **known).count(), MOST);
    }

    #[test]
    fn after_ten_wrong_tokens_others_wait_until_the_minute_is_over_and_the_right_one_does_not() {
        let (entry, begun) = (Entry::default(), Instant::now());
        assert_eq!(entry.tried("right", "right", begun), Tried::Right);
        for _ in 0..TRIES {
            assert_eq!(entry.tried("righ", "right", begun), Tried::Wrong);
        }
        let later = begun + Duration::from_secs(20);
        assert_eq!(entry.tried("righ", "right", later), Tried::Later(Duration::from_secs(40)));
        assert_eq!(entry.tried("right", "right", later), Tried::Right);
        assert_eq!(entry.tried("righ", "right", begun + TRIED), Tried::Wrong);
    }

    #[test]
    fn forms_are_taken_from_our_own_pages() {
        let check = |site: Option<&str>, origin: Option<&str>, expected: bool| {
            let mut headers = with("host", "127.0.0.1:9787");
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                headers.extend(value.map(|value| (http::HeaderName::from_static(name), value.parse().unwrap())));
            }
            assert_eq!(is_from_here(&headers), expected, "{site:?} {origin:?}");
        };
        check(Some("same-origin"), Some("http://127.0.0.1:9787"), true);
        check(Some("same-site"), Some("http://127.0.0.1:9787"), false);
        check(Some("cross-site"), None, false);
        check(Some("none"), None, false);
        check(None, Some("http://127.0.0.1:9787"), true);
        check(None, Some("https://127.0.0.1:9787"), true);
        check(None, Some("http://127.0.0.1:3000"), false);
        check(None, Some("http://evil.example"), false);
        check(None, Some("null"), false);
        check(None, None, false);
    }
}
