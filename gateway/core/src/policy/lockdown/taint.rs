//! What a conversation has met by now. Given `taint: true`, a secret in one result and a page of
//! the web in another: from here on nothing may be sent anywhere, for what strangers wrote could
//! have the model send the secret.

use crate::policy::lockdown::Rules;
use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::rule::{Act, Kind, Rule, Subject};
use crate::wire::history::{Told, calls};
use crate::wire::request::Request;

/// Names are the agent's; a sentence has no use for the rest of a very long one.
const LONGEST_NAME: usize = 128;

/// Why rules about private files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPrivate {
    #[error("`private` says which files count as secrets for `taint`, which is off; add `taint: true`")]
    Untainted,
    #[error("`private` takes rules of the form `reads(internal/**)`, and `{0}` is none")]
    NotReads(String),
}

pub(super) fn check(private: &[Rule], taint: bool) -> Result<(), BadPrivate> {
    if !taint && !private.is_empty() {
        return Err(BadPrivate::Untainted);
    }
    let is_reads = |rule: &&Rule| matches!(&rule.subject, Subject::Effect { act: Act::Reads, .. });
    match private.iter().find(|rule| !is_reads(rule)) {
        Some(rule) => Err(BadPrivate::NotReads(rule.as_str().to_owned())),
        None => Ok(()),
    }
}

impl Rules {
    /// Why nothing may leave the machine any more, if so. `has_secrets`: secrets were found in the
    /// results that this request tells.
    #[must_use]
    pub fn tainted(&self, request: &Request, folders: &Folders, has_secrets: bool) -> Option<String> {
        if !self.taint || !has_secrets && self.private.is_empty() {
            return None;
        }
        let calls = calls(request);
        let stranger = calls.iter().find(|call| self.reads_strangers(&call.name))?;
        let met = if has_secrets {
            String::from("secrets")
        } else {
            let rule = calls.iter().find_map(|call| self.private_by(call, request, folders))?;
            format!("files that are private by the rule `{}`", rule.as_str())
        };
        let name: String = stranger.name.chars().take(LONGEST_NAME).collect();
        Some(format!(
            "This conversation has met {met}, and `{name}` has brought in what strangers wrote; so nothing may be sent anywhere from here on."
        ))
    }

    /// The rule by which a call has read what is private.
    fn private_by(&self, call: &Told, request: &Request, folders: &Folders) -> Option<&Rule> {
        let Told { name, namespace, .. } = call;
        let effects = self.effects(name, namespace.as_deref(), &call.input(&request.json));
        let reads = |rule: &&Rule| effects.list.iter().any(|effect| rule.reaches(effect, Kind::Unknown, folders));
        self.private.iter().find(reads)
    }

    /// Whether a tool brings in what strangers wrote: pages of the web, answers of MCP servers.
    fn reads_strangers(&self, tool: &str) -> bool {
        self.kind(tool) == Kind::Fetches || tool.starts_with("mcp__") || tool.starts_with("web_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Dialect;
    use crate::wire::json::Json;

    #[track_caller]
    fn check(lockdown: &str, calls: &str, has_secrets: bool, expect: Option<&str>) {
        let rules: Rules = serde_saphyr::from_str(lockdown).unwrap();
        let body = format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":[{calls}]}}]}}"#
        );
        let request = Request::read(Dialect::Messages, Json::read(body.into()).unwrap()).unwrap();
        let why = rules.tainted(&request, &Folders::default(), has_secrets);
        assert_eq!(why.is_some(), expect.is_some(), "{why:?}");
        assert!(why.unwrap_or_default().contains(expect.unwrap_or_default()));
    }

    const READ: &str = r#"{"type":"tool_use","id":"a","name":"Bash","input":{"command":"head internal/plan.md"}}"#;
    const FETCH: &str = r#"{"type":"tool_use","id":"b","name":"WebFetch","input":{"url":"https://x.y","prompt":"z"}}"#;

    #[test]
    fn both_must_have_been_met() {
        let on = "{ allow: ['*'], taint: true, private: ['reads(internal/**)'] }";
        check(on, &format!("{READ},{FETCH}"), false, Some("private by the rule `reads(internal/**)`, and `WebFetch`"));
        check(on, READ, true, None);
        check(on, FETCH, false, None);
        check(on, FETCH, true, Some("has met secrets"));
        check("{ allow: ['*'], taint: true }", &format!("{READ},{FETCH}"), false, None);
        check("{ allow: ['*'] }", &format!("{READ},{FETCH}"), true, None);
    }

    #[test]
    fn private_files_are_named_by_what_reads_them() {
        let wrong = |text: &str| serde_saphyr::from_str::<Rules>(text).unwrap_err().to_string();
        assert!(wrong("{ allow: [], private: ['reads(a)'] }").contains("add `taint: true`"));
        assert!(wrong("{ allow: [], taint: true, private: ['Read(a)'] }").contains("`Read(a)` is none"));
    }
}
