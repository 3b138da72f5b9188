//! What a token says of its bearer, and which of it counts. Given `{ "sub": "ada", "groups":
//! { "team": "core" } }` and the mapping `{ user: sub, team: groups.team }`: Ada, of the team core.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::policy::identity::{Person, Unfit};

/// What a token says, or what is said of one: checked by whoever hands it to this module.
pub type Claims = serde_json::Map<String, Value>;

/// Which claims say who somebody is. A dot leads into a claim: `realm.team` is `team` in `realm`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Claims")]
pub struct Mapping {
    /// The claim that names the user. A token without it is refused.
    #[serde(default = "subject")]
    user: Name,
    /// The claim that names the user's team. Who has no such claim has no team.
    #[serde(default)]
    team: Option<Name>,
    /// A claim that must name this policy: a text, or a list that holds it. Leave it out, and
    /// every token that is accepted at all opens the policy.
    #[serde(default)]
    policy: Option<Name>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self { user: subject(), team: None, policy: None }
    }
}

fn subject() -> Name {
    Name(String::from("sub"))
}

/// The name of a claim, or the path to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a claim; write one such as `sub`, or a path such as `realm.team`")]
pub struct BadName(String);

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        let is_whole = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_whole { Ok(Self(text)) } else { Err(BadName(text)) }
    }
}

impl JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Claim".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "The name of a claim, or a path to it: `sub`, `realm.team`.",
        })
    }
}

impl Name {
    /// The claim of this name. A claim that has the whole text as its name comes before a path,
    /// for some issuers name claims by URLs, which have dots in them.
    fn of<'a>(&self, claims: &'a Claims) -> Option<&'a Value> {
        walk(claims, &self.0).filter(|value| !value.is_null())
    }

    fn unfit(&self, why: fn(String) -> Unfit) -> Unfit {
        why(self.0.clone())
    }
}

fn walk<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        walk(claims.get(first)?.as_object()?, rest)
    })
}

impl Mapping {
    /// Whether it reads anything of a claim.
    pub(super) fn uses(&self, claim: &str) -> bool {
        let names = [Some(&self.user), self.team.as_ref(), self.policy.as_ref()];
        names.into_iter().flatten().any(|Name(path)| path == claim || path.split('.').next() == Some(claim))
    }

    /// Who is meant by these claims.
    pub(super) fn person(&self, policy: &str, claims: &Claims) -> Result<Person, Unfit> {
        if let Some(name) = &self.policy
            && !name.of(claims).is_some_and(|value| names(value, policy))
        {
            return Err(Unfit::OtherPolicy { asked: policy.to_owned() });
        }
        let text = |name: &Name, value: &Value| -> Result<String, Unfit> {
            let text = value.as_str().ok_or_else(|| name.unfit(Unfit::NoText))?;
            if is_name(text) { Ok(text.to_owned()) } else { Err(name.unfit(Unfit::BadName)) }
        };
        let user = self.user.of(claims).ok_or_else(|| self.user.unfit(Unfit::NoClaim))?;
        let team = self.team.as_ref().and_then(|name| Some((name, name.of(claims)?)));
        Ok(Person { user: text(&self.user, user)?, team: team.map(|(name, value)| text(name, value)).transpose()? })
    }
}

/// Whether a claim is this text, or a list that holds it.
pub(super) fn names(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(wanted)),
        _ => false,
    }
}

/// Whether a text of somebody else's can name a user or a team. What begins as the names do that
/// Jetway gives to callers who are passed through would spend from their accounts.
pub(super) fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=200).contains(&length)
        && text.trim() == text
        && !text.contains(char::is_control)
        && !text.starts_with(super::PASSED_THROUGH)
}

/// A moment in a claim, in seconds since 1970; none when the claim is not there.
pub(super) fn moment(claims: &Claims, claim: &'static str) -> Result<Option<i64>, Unfit> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let whole = value.as_i64();
    // Fractions of a second are cut off, and a moment beyond all numbers is the last one.
    #[expect(clippy::cast_possible_truncation, reason = "the cast goes to the nearest number that there is")]
    let seconds = whole.or_else(|| value.as_f64().map(|seconds| seconds as i64));
    seconds.map(Some).ok_or(Unfit::Time(claim))
}

/// Refuses what is over, with so many seconds of grace.
pub(super) fn check_expiry(expires: i64, now: Timestamp, grace: i64) -> Result<(), Unfit> {
    if now.as_second() >= expires.saturating_add(grace) { Err(Unfit::Expired) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mapping: &str, claims: &str, expect: Result<(&str, Option<&str>), Unfit>) {
        let mapping: Mapping = serde_json::from_str(mapping).unwrap();
        let claims: Claims = serde_json::from_str(claims).unwrap();
        let found = mapping.person("wizard", &claims).map(|person| (person.user, person.team));
        assert_eq!(found, expect.map(|(user, team)| (user.to_owned(), team.map(str::to_owned))));
    }

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        check("{}", r#"{"sub":"ada"}"#, Ok(("ada", None)));
        check(r#"{"user":"a.b.c"}"#, r#"{"a":{"b":{"c":"ada"}}}"#, Ok(("ada", None)));
        check(r#"{"user":"a.b","team":"a.t"}"#, r#"{"a":{"b":"ada","t":"core"}}"#, Ok(("ada", Some("core"))));
        let url = r#"{"user":"https://id.example.com/user"}"#;
        check(url, r#"{"https://id.example.com/user":"ada"}"#, Ok(("ada", None)));
        check(r#"{"user":"a.b"}"#, r#"{"a.b":"whole","a":{"b":"path"}}"#, Ok(("whole", None)));
    }

    #[test]
    fn a_token_that_does_not_name_its_user_is_refused() {
        let no_claim = || Err(Unfit::NoClaim("sub".into()));
        check("{}", "{}", no_claim());
        check("{}", r#"{"sub":null}"#, no_claim());
        check("{}", r#"{"sub":7}"#, Err(Unfit::NoText("sub".into())));
        check("{}", r#"{"sub":["ada"]}"#, Err(Unfit::NoText("sub".into())));
        for bad in ["", " ada", "a\\u0000b", "a\\nb", "pass:0123456789abcdef", &"a".repeat(201)] {
            check("{}", &format!("{{\"sub\":\"{bad}\"}}"), Err(Unfit::BadName("sub".into())));
        }
        check(r#"{"user":"a.b"}"#, r#"{"a":"ada"}"#, Err(Unfit::NoClaim("a.b".into())));
    }

    #[test]
    fn a_team_may_be_missing_but_not_be_unclear() {
        check(r#"{"team":"team"}"#, r#"{"sub":"ada"}"#, Ok(("ada", None)));
        check(r#"{"team":"team"}"#, r#"{"sub":"ada","team":"core"}"#, Ok(("ada", Some("core"))));
        check(r#"{"team":"team"}"#, r#"{"sub":"ada","team":["a","b"]}"#, Err(Unfit::NoText("team".into())));
        check(r#"{"team":"team"}"#, r#"{"sub":"ada","team":""}"#, Err(Unfit::BadName("team".into())));
    }

    #[test]
    fn where_a_claim_names_policies_this_one_must_be_among_them() {
        let mapping = r#"{"policy":"p"}"#;
        let other = || Err(Unfit::OtherPolicy { asked: "wizard".into() });
        check(mapping, r#"{"sub":"ada","p":"wizard"}"#, Ok(("ada", None)));
        check(mapping, r#"{"sub":"ada","p":["coding","wizard"]}"#, Ok(("ada", None)));
        check(mapping, r#"{"sub":"ada","p":"coding"}"#, other());
        check(mapping, r#"{"sub":"ada","p":"coding wizard"}"#, other());
        check(mapping, r#"{"sub":"ada","p":[]}"#, other());
        check(mapping, r#"{"sub":"ada","p":true}"#, other());
        check(mapping, r#"{"sub":"ada"}"#, other());
    }

    #[test]
    fn a_mapping_names_claims() {
        let fails = |text: &str| serde_json::from_str::<Mapping>(text).unwrap_err().to_string();
        assert!(fails(r#"{"user":""}"#).contains("not the name of a claim"));
        assert!(fails(r#"{"usr":"sub"}"#).contains("unknown field `usr`"));
    }

    #[test]
    fn moments_are_numbers() {
        let at = |claims: &str| moment(&serde_json::from_str(claims).unwrap(), "exp");
        assert_eq!(at(r#"{"exp":12}"#), Ok(Some(12)));
        assert_eq!(at(r#"{"exp":12.9}"#), Ok(Some(12)));
        assert_eq!(at(r#"{"exp":1e300}"#), Ok(Some(i64::MAX)));
        assert_eq!(at("{}"), Ok(None));
        assert_eq!(at(r#"{"exp":"12"}"#), Err(Unfit::Time("exp")));
        assert_eq!(at(r#"{"exp":null}"#), Err(Unfit::Time("exp")));
    }
}
