//! Which tools the model may see and call. Given `allow: [Read, Edit]` and a request that offers
//! `Read` and `Bash`: the model sees `Read`. Given a reply that calls `Bash` all the same: a
//! sentence stands in the place of the call.

mod address;
pub mod cases;
mod command;
pub mod examples;
pub mod place;
pub mod rule;
pub mod rules;
mod say;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::glob::{Glob, first_match};
use crate::stream::Step;
use crate::wire::event::{Call, Frame};
use crate::wire::request::Tool;
use crate::wire::{Bar, Broken, Dialect};

/// As written: `lockdown:` in `policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Lockdown")]
pub struct Document {
    /// Tools that the model may see and call. An empty list allows none.
    allow: Vec<Glob>,
    /// Tools that it may not, even if `allow` names them.
    #[serde(default)]
    deny: Vec<Glob>,
    /// What to do instead: a sentence for the model and the person, shown behind a refusal.
    #[serde(default)]
    advice: Option<String>,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Document")]
pub struct Rules {
    allow: Vec<Glob>,
    deny: Vec<Glob>,
    advice: Option<String>,
}

schema_of_document!(Rules, Document);

impl From<Document> for Rules {
    fn from(Document { allow, deny, advice }: Document) -> Self {
        Self { allow, deny, advice }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// Refused, by this rule.
    Refuse {
        rule: String,
    },
}

/// Decides about a tool. In a group, its own name and its full one (`group.name`) count alike.
#[must_use]
pub fn decide(rules: &Rules, name: Option<&str>, namespace: Option<&str>) -> Decision {
    let refuse = |rule: &str| Decision::Refuse { rule: rule.to_owned() };
    let Some(name) = name else { return refuse("no rule can allow a kind of tool that is not known") };
    let full = namespace.map(|group| format!("{group}.{name}"));
    let hit = |globs| first_match(globs, name).or_else(|| first_match(globs, full.as_deref()?));
    if let Some(glob) = hit(&rules.deny) {
        return refuse(&format!("deny {}", glob.as_str()));
    }
    match hit(&rules.allow) {
        Some(_) => Decision::Allow,
        None => refuse("not in allow"),
    }
}

/// Decides about a whole server of tools, all of whose names begin with `prefix`. The provider
/// calls them unseen, so every one must be allowed and none may be denied.
#[must_use]
pub fn decide_server(rules: &Rules, prefix: &str) -> Decision {
    if let Some(glob) = rules.deny.iter().find(|glob| glob.may_match_below(prefix)) {
        return Decision::Refuse { rule: format!("deny {}", glob.as_str()) };
    }
    if rules.allow.iter().any(|glob| glob.matches_all_below(prefix)) {
        Decision::Allow
    } else {
        Decision::Refuse { rule: String::from("not all of this server's tools are in allow") }
    }
}

impl Rules {
    #[must_use]
    pub fn offers(&self, tool: &Tool) -> Decision {
        match &tool.name {
            Some(prefix) if tool.is_server => decide_server(self, prefix),
            name => decide(self, name.as_deref(), tool.namespace.as_deref()),
        }
    }

    fn sentence(&self, policy: &str, call: &Call, rule: &str) -> String {
        let advice = self.advice.as_deref().map(|advice| format!(" {advice}")).unwrap_or_default();
        format!("[Jetway] The call of the tool `{}` was refused by the policy `{policy}` ({rule}).{advice}", call.name)
    }
}

/// A call that was refused, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub tool: String,
    pub rule: String,
}

/// Watches a reply for calls that the rules do not allow.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    policy: String,
    bar: Bar,
    refused: Vec<Refused>,
}

impl Guard {
    #[must_use]
    pub fn new(rules: Rules, policy: &str, dialect: Dialect) -> Self {
        Self { rules, policy: policy.to_owned(), bar: Bar::new(dialect), refused: Vec::new() }
    }

    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }
}

impl Step for Guard {
    fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let Self { rules, policy, bar, refused } = self;
        let mut judge = |call: &Call| match decide(rules, Some(&call.name), call.namespace.as_deref()) {
            Decision::Allow => None,
            Decision::Refuse { rule } => {
                let sentence = rules.sentence(policy, call, &rule);
                refused.push(Refused { tool: call.name.clone(), rule });
                Some(sentence)
            }
        };
        bar.push(frame, &mut judge, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allow: &[&str], deny: &[&str], tool: &str, expect: Option<&str>) {
        let globs = |patterns: &[&str]| patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect();
        let rules = Rules { allow: globs(allow), deny: globs(deny), advice: None };
        let (namespace, name) = tool.split_once('.').map_or((None, tool), |(group, name)| (Some(group), name));
        let expect = expect.map_or(Decision::Allow, |rule| Decision::Refuse { rule: rule.to_owned() });
        assert_eq!(decide(&rules, Some(name), namespace), expect);
    }

    #[test]
    fn a_listed_tool_is_allowed() {
        check(&["Read"], &[], "Read", None);
        check(&["mcp__github__*"], &[], "mcp__github__search", None);
        check(&["*"], &[], "Bash", None);
    }

    #[test]
    fn an_unlisted_tool_is_refused() {
        check(&["Read"], &[], "Bash", Some("not in allow"));
        check(&["Read"], &[], "read", Some("not in allow"));
        check(&[], &[], "Read", Some("not in allow"));
    }

    #[test]
    fn deny_wins() {
        check(&["*"], &["Web*"], "WebFetch", Some("deny Web*"));
        check(&["WebFetch"], &["Web*"], "WebFetch", Some("deny Web*"));
    }

    #[test]
    fn a_tool_of_a_group_has_two_names() {
        check(&["spawn_agent"], &[], "collaboration.spawn_agent", None);
        check(&["collaboration.*"], &[], "collaboration.spawn_agent", None);
        check(&["*"], &["collaboration.*"], "collaboration.spawn_agent", Some("deny collaboration.*"));
    }

    #[test]
    fn a_server_is_allowed_as_a_whole_or_not_at_all() {
        let check = |allow: &str, deny: &[&str], allowed: bool| {
            let globs = |patterns: &[&str]| patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect();
            let rules = Rules { allow: globs(&[allow]), deny: globs(deny), advice: None };
            assert_eq!(decide_server(&rules, "mcp__github__") == Decision::Allow, allowed, "{allow} {deny:?}");
        };
        check("*", &[], true);
        check("mcp__*", &[], true);
        check("mcp__github__*", &["mcp__gitlab__*", "Web*"], true);
        check("mcp__github__?", &[], false);
        check("mcp__github__s*", &[], false);
        check("mcp__gitlab__*", &[], false);
        check("mcp__github__*", &["mcp__github__delete*"], false);
        check("mcp__github__*", &["*__delete_repo"], false);
        check("*", &["mcp__*"], false);
    }

    #[test]
    fn a_shape_that_is_not_known_is_refused() {
        let rules = Rules { allow: vec![Glob::parse("*").unwrap()], deny: vec![], advice: None };
        assert!(matches!(decide(&rules, None, None), Decision::Refuse { .. }));
    }
}
