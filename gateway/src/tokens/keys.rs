//! The keys of an issuer, as it publishes them (JWKS, RFC 7517), and how long they count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use jetway_core::policy::identity::Unfit;
use jetway_core::policy::identity::claims::Claims;
use jetway_core::policy::identity::jwt::{Algorithm, Signed};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};

use crate::tokens::later;

/// The most keys of one issuer that are looked at.
const MOST: usize = 100;
/// The fewest bytes of an RSA modulus: 2048 bits.
const SHORTEST_MODULUS: usize = 256;

/// The keys of one issuer. Those that no signature of ours could be by are not among them.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, where the issuer says so.
    algorithm: Option<String>,
    kind: Kind,
    key: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Kind {
    fn signs(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => self == Self::Rsa,
            Algorithm::Es256 => self == Self::P256,
            Algorithm::Es384 => self == Self::P384,
            Algorithm::EdDsa => self == Self::Ed25519,
        }
    }
}

impl KeySet {
    /// Reads a set; none when it is not one. A key that cannot be used is left out.
    pub(super) fn read(document: &Claims) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?;
        Some(Self(keys.iter().take(MOST).filter_map(key).collect()))
    }

    /// Whether a token could be signed with one of them.
    pub(super) fn fits(&self, signed: &Signed<'_>) -> bool {
        self.fitting(signed).next().is_some()
    }

    /// Checks the signature of a token.
    pub(super) fn check(&self, signed: &Signed<'_>) -> Result<(), Unfit> {
        let fitting: Vec<&Key> = self.fitting(signed).collect();
        // A token that does not say which key it is signed with is no reason to try them all.
        if fitting.is_empty() || signed.key.is_none() && fitting.len() > 1 {
            return Err(Unfit::UnknownKey);
        }
        let algorithm = signed.algorithm.name().parse().map_err(|_| Unfit::Signature)?;
        let verifies = |key: &&Key| {
            let result = jsonwebtoken::crypto::verify(signed.signature, signed.message.as_bytes(), &key.key, algorithm);
            result.is_ok_and(|is_right| is_right)
        };
        if fitting.iter().any(verifies) { Ok(()) } else { Err(Unfit::Signature) }
    }

    fn fitting(&self, signed: &Signed<'_>) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(|key| {
            let is_meant = signed.key.is_none() || key.id.as_deref() == signed.key;
            let is_for = key.algorithm.as_deref().is_none_or(|name| name == signed.algorithm.name());
            is_meant && is_for && key.kind.signs(signed.algorithm)
        })
    }
}

fn key(json: &serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(json.clone()).ok()?;
    let is_for_signing = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let verifies =
        jwk.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !is_for_signing || !verifies {
        return None;
    }
    let kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Kind::Rsa,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Kind::P256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Kind::P384,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Kind::Ed25519,
        // A shared secret that is published is none, and must never check anything.
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    if let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind()
        && n.iter().skip_while(|byte| **byte == 0).count() < SHORTEST_MODULUS
    {
        return None;
    }
    let algorithm = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
    Some(Key { id: jwk.common.key_id, algorithm, kind, key })
}

/// Keys count at least so long before they are asked for again, whatever their issuer says.
const LEAST: Duration = Duration::from_secs(60);
/// And so long at most.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// And so long where it says nothing.
const UNSAID: Duration = Duration::from_secs(900);
/// How long they count beyond that while the issuer cannot be reached.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long an issuer is left alone that could not be reached, or was asked for a key that it did
/// not list: else anybody could make us ask by making tokens up.
const REST: Duration = Duration::from_secs(10);
/// The same while there is no key at all, so that nobody can be let in.
const SHORT_REST: Duration = Duration::from_secs(2);

/// How long an answer counts, by its own headers.
pub(super) fn lifetime(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> =
        values.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| matches!(directive.as_str(), "no-store" | "no-cache")) {
        return LEAST;
    }
    let said =
        directives.iter().find_map(|directive| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok());
    said.map_or(UNSAID, Duration::from_secs).clamp(LEAST, LONGEST)
}

/// What is kept of an issuer's keys, and when it may be asked for them.
#[derive(Debug, Default)]
pub(super) struct Kept {
    keys: Option<Fetched>,
    /// The issuer is not asked before.
    rests: Option<Instant>,
    /// How often it was asked.
    asked: u64,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    fresh: Instant,
    usable: Instant,
}

/// What to do about a token.
#[derive(Debug)]
pub(super) enum Next {
    /// Judge it by these keys.
    Judge(Arc<KeySet>),
    /// Ask the issuer first. `forced` when there are fresh keys, and none of them fits.
    Ask { asked: u64, forced: bool },
    /// There is nothing to judge it by.
    Unreachable,
}

impl Kept {
    pub(super) fn next(&self, signed: &Signed<'_>, now: Instant) -> Next {
        let is_fresh = self.keys.as_ref().is_some_and(|fetched| now < fetched.fresh);
        if let Some(fetched) = &self.keys
            && is_fresh
            && fetched.keys.fits(signed)
        {
            return Next::Judge(Arc::clone(&fetched.keys));
        }
        if self.rests.is_none_or(|until| now >= until) {
            return Next::Ask { asked: self.asked, forced: is_fresh };
        }
        self.settled(now)
    }

    /// What to do when the issuer was just asked, or is left alone.
    pub(super) fn settled(&self, now: Instant) -> Next {
        match &self.keys {
            Some(fetched) if now < fetched.usable => Next::Judge(Arc::clone(&fetched.keys)),
            _ => Next::Unreachable,
        }
    }

    /// Whether the issuer was asked since.
    pub(super) fn was_asked_since(&self, asked: u64) -> bool {
        self.asked != asked
    }

    /// Notes what came of asking.
    pub(super) fn note(&mut self, answer: Option<(KeySet, Duration)>, forced: bool, now: Instant) {
        self.asked += 1;
        let rest = match answer {
            Some((keys, lifetime)) => {
                let fresh = later(now, lifetime);
                self.keys = Some(Fetched { keys: Arc::new(keys), fresh, usable: later(fresh, GRACE) });
                forced.then_some(REST)
            }
            None if self.keys.as_ref().is_some_and(|fetched| now < fetched.usable) => Some(REST),
            None => Some(SHORT_REST),
        };
        self.rests = rest.map(|rest| later(now, rest));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(ids: &[&str]) -> KeySet {
        let key = |id: &&str| json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": id });
        let document = json!({ "keys": ids.iter().map(key).collect::<Vec<_>>() });
        KeySet::read(document.as_object().unwrap()).unwrap()
    }

    fn signed<'a>(key: &'a str, claims: &'a Claims) -> Signed<'a> {
        Signed { algorithm: Algorithm::Es256, key: Some(key), message: "m", signature: "AA", claims }
    }

    /// What is to be done about a token of this key, in a word.
    fn next(kept: &Kept, key: &str, now: Instant) -> &'static str {
        let claims = Claims::new();
        match kept.next(&signed(key, &claims), now) {
            Next::Judge(_) => "judge",
            Next::Ask { forced: true, .. } => "ask, forced",
            Next::Ask { forced: false, .. } => "ask",
            Next::Unreachable => "unreachable",
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn keys_are_asked_for_when_they_are_not_fresh() {
        let (mut kept, begin) = (Kept::default(), Instant::now());
        assert_eq!(next(&kept, "a", begin), "ask");
        kept.note(Some((set(&["a"]), MINUTE)), false, begin);
        assert!(kept.was_asked_since(0) && !kept.was_asked_since(1));
        assert_eq!(next(&kept, "a", begin + MINUTE / 2), "judge");
        assert_eq!(next(&kept, "a", begin + MINUTE), "ask");
    }

    #[test]
    fn an_unknown_key_is_asked_for_at_once_and_then_not_again_for_a_while() {
        let (mut kept, begin) = (Kept::default(), Instant::now());
        kept.note(Some((set(&["a"]), DAY)), false, begin);
        assert_eq!(next(&kept, "b", begin), "ask, forced");
        kept.note(Some((set(&["a"]), DAY)), true, begin);
        // Judged by the keys that there are: refused.
        assert_eq!(next(&kept, "b", begin + REST / 2), "judge");
        assert_eq!(next(&kept, "a", begin + REST / 2), "judge");
        assert_eq!(next(&kept, "b", begin + REST), "ask, forced");
    }

    #[test]
    fn keys_outlive_an_issuer_that_is_down_by_a_day_and_no_longer() {
        let (mut kept, begin) = (Kept::default(), Instant::now());
        kept.note(Some((set(&["a"]), MINUTE)), false, begin);
        let stale = begin + MINUTE;
        kept.note(None, false, stale);
        assert_eq!(next(&kept, "a", stale), "judge");
        assert_eq!(next(&kept, "a", stale + REST), "ask");
        let last = begin + MINUTE + GRACE;
        kept.note(None, false, last - REST / 2);
        assert_eq!(next(&kept, "a", last - Duration::from_millis(1)), "judge");
        assert_eq!(next(&kept, "a", last), "unreachable");
        assert!(matches!(kept.settled(last), Next::Unreachable));
    }

    #[test]
    fn an_issuer_that_was_never_reached_is_left_alone_for_a_moment() {
        let (mut kept, begin) = (Kept::default(), Instant::now());
        kept.note(None, false, begin);
        assert_eq!(next(&kept, "a", begin), "unreachable");
        assert_eq!(next(&kept, "a", begin + SHORT_REST), "ask");
    }

    #[test]
    fn an_issuer_says_how_long_its_keys_count_within_bounds() {
        let check = |value: &str, seconds: u64| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, value.parse().unwrap());
            assert_eq!(lifetime(&headers).as_secs(), seconds, "{value}");
        };
        check("public, max-age=3600", 3600);
        check("Max-Age=3600", 3600);
        check("max-age=5", 60);
        check("max-age=0", 60);
        check("max-age=99999999999", 24 * 3600);
        check("max-age=-1", 900);
        check("max-age=soon", 900);
        check("no-store, max-age=3600", 60);
        check("no-cache", 60);
        assert_eq!(lifetime(&HeaderMap::new()).as_secs(), 900);
    }

    #[test]
    fn a_key_that_no_signature_of_ours_could_be_by_is_left_out() {
        let usable = |key: serde_json::Value| {
            let document = json!({ "keys": [key] });
            KeySet::read(document.as_object().unwrap()).unwrap().0.len() == 1
        };
        let modulus = |zeros: usize, ones: usize| format!("{}{}w", "A".repeat(zeros), "_".repeat(ones));
        assert!(usable(json!({ "kty": "RSA", "n": modulus(0, 341), "e": "AQAB" })));
        assert!(!usable(json!({ "kty": "RSA", "n": modulus(0, 169), "e": "AQAB" })), "1020 bits");
        assert!(!usable(json!({ "kty": "RSA", "n": modulus(171, 170), "e": "AQAB" })));
        assert!(!usable(json!({ "kty": "RSA", "n": "no base64!", "e": "AQAB" })));
        assert!(!usable(json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" })));
        assert!(!usable(json!({ "kty": "OKP", "crv": "X25519", "x": "AA" })));
        assert!(!usable(json!({ "kty": "oct", "k": "c2VjcmV0" })));
        assert!(!usable(json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "use": "enc" })));
        assert!(!usable(json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "key_ops": ["sign"] })));
        assert!(KeySet::read(json!({ "keys": {} }).as_object().unwrap()).is_none());
    }
}
