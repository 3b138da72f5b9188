//! Callers who are known by the certificate that their connection was opened with. Given one of
//! `CN=ada, OU=core` and `{ user: subject_cn, team: subject_ou }`: Ada, of the team core. Given one
//! with two common names: refused, for nobody can say which one counts.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::identity::Person;
use crate::policy::identity::claims::is_name;

/// As written: `certificates:` under `identity:`. Which certificates count is said in
/// `config/gateway.yaml`: those that `tls.client_ca` signed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Certificates")]
pub struct Rules {
    /// What names the user. A certificate that has none of it, or several, is refused.
    user: User,
    /// What names the user's team. Who has none of it has no team; who has several is refused.
    #[serde(default)]
    team: Option<Team>,
}

/// The part of a certificate that names a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum User {
    /// The common name of its subject (CN).
    SubjectCn,
    /// The e-mail address among its alternative names.
    Email,
    /// The DNS name among its alternative names.
    Dns,
    /// The URI among its alternative names, such as `spiffe://example.com/ada`.
    Uri,
}

/// The part of a certificate that names a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Team {
    /// The organizational unit of its subject (OU).
    SubjectOu,
}

/// What stands in a certificate whose chain was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub common_names: Vec<String>,
    pub units: Vec<String>,
    pub emails: Vec<String>,
    pub dns: Vec<String>,
    pub uris: Vec<String>,
    /// When it runs out.
    pub ends: Timestamp,
}

/// Why a certificate does not say who calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it has run out; renew it and connect again")]
    Over,
    #[error("its authority is no longer the one that is trusted here; connect again, with one of the new authority")]
    Retired,
    #[error("it has no {0}, which names the user here")]
    NoUser(&'static str),
    #[error("it has more than one {0}, so it is not clear who is meant")]
    Several(&'static str),
    #[error("its {0} is not a name: 1 to 200 characters, none of them a control character")]
    BadName(&'static str),
}

impl Rules {
    /// Judges a certificate that was verified when its connection was opened.
    pub(super) fn judge(&self, certificate: &Certificate, now: Timestamp) -> Result<Person, Unfit> {
        // A connection may outlive the certificate that opened it.
        if now >= certificate.ends {
            return Err(Unfit::Over);
        }
        let (what, users) = match self.user {
            User::SubjectCn => ("common name", &certificate.common_names),
            User::Email => ("e-mail address", &certificate.emails),
            User::Dns => ("DNS name", &certificate.dns),
            User::Uri => ("URI", &certificate.uris),
        };
        let user = one(what, users)?.ok_or(Unfit::NoUser(what))?;
        let team = match self.team {
            Some(Team::SubjectOu) => one("organizational unit", &certificate.units)?,
            None => None,
        };
        Ok(Person { user, team })
    }
}

fn one(what: &'static str, names: &[String]) -> Result<Option<String>, Unfit> {
    match names {
        [] => Ok(None),
        [name] if is_name(name) => Ok(Some(name.clone())),
        [_] => Err(Unfit::BadName(what)),
        _ => Err(Unfit::Several(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Certificate {
            common_names: list(&["ada"]),
            units: list(&["core"]),
            emails: list(&["ada@example.com"]),
            dns: list(&["a.example.com", "b.example.com"]),
            uris: list(&[]),
            ends: Timestamp::from_second(100).unwrap(),
        }
    }

    #[track_caller]
    fn check(rules: &str, certificate: &Certificate, now: i64, expect: Result<(&str, Option<&str>), Unfit>) {
        let rules: Rules = serde_json::from_str(rules).unwrap();
        let found = rules.judge(certificate, Timestamp::from_second(now).unwrap());
        let expect = expect.map(|(user, team)| Person { user: user.to_owned(), team: team.map(str::to_owned) });
        assert_eq!(found, expect);
    }

    #[test]
    fn the_configured_part_names_the_user() {
        let whole = certificate();
        check(r#"{"user":"subject_cn"}"#, &whole, 0, Ok(("ada", None)));
        check(r#"{"user":"email","team":"subject_ou"}"#, &whole, 0, Ok(("ada@example.com", Some("core"))));
        check(r#"{"user":"dns"}"#, &whole, 0, Err(Unfit::Several("DNS name")));
        check(r#"{"user":"uri"}"#, &whole, 0, Err(Unfit::NoUser("URI")));
    }

    #[test]
    fn a_team_may_be_missing_but_not_be_unclear() {
        let rules = r#"{"user":"subject_cn","team":"subject_ou"}"#;
        check(rules, &Certificate { units: Vec::new(), ..certificate() }, 0, Ok(("ada", None)));
        let two = Certificate { units: vec!["core".into(), "web".into()], ..certificate() };
        check(rules, &two, 0, Err(Unfit::Several("organizational unit")));
    }

    #[test]
    fn a_certificate_counts_until_it_runs_out_however_old_its_connection() {
        check(r#"{"user":"subject_cn"}"#, &certificate(), 99, Ok(("ada", None)));
        check(r#"{"user":"subject_cn"}"#, &certificate(), 100, Err(Unfit::Over));
    }

    #[test]
    fn names_are_names() {
        let named = |name: &str| Certificate { common_names: vec![name.into()], ..certificate() };
        for bad in ["", " ", "a\nb", "pass:0123456789abcdef"] {
            check(r#"{"user":"subject_cn"}"#, &named(bad), 0, Err(Unfit::BadName("common name")));
        }
        check(r#"{"user":"subject_cn"}"#, &named("Ada Lovelace"), 0, Ok(("Ada Lovelace", None)));
    }

    #[test]
    fn only_parts_that_there_are_can_be_named() {
        let fails = |text: &str| serde_json::from_str::<Rules>(text).unwrap_err().to_string();
        assert!(fails(r#"{"user":"cn"}"#).contains("unknown variant `cn`"));
        assert!(fails("{}").contains("missing field `user`"));
    }
}
