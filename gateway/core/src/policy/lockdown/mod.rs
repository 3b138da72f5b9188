//! Which tools the model may see and call. Given `allow: [Read, Edit]` and a request that offers
//! `Read` and `Bash`: the model sees `Read`. Given a reply that calls `Bash` all the same: a
//! sentence stands in the place of the call.

pub mod narrow;
pub mod replace;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::glob::{Glob, first_match};
use crate::stream::guard::{Judge, Ruling};
use crate::wire::event::Call;
use crate::wire::request::Tool;

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
    /// What becomes of a call that is refused.
    #[serde(default)]
    on_denied: OnDenied,
    /// Whether the rules are in force.
    #[serde(default)]
    mode: Mode,
}

/// What becomes of a call that is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDenied {
    /// The model is told why and what to do instead, and goes on within the same reply.
    #[default]
    Correct,
    /// A sentence takes the call's place.
    Explain,
    /// The reply ends there, with a sentence.
    Stop,
}

/// Whether rules are in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Enforce,
    /// Nothing changes on the wire; what would have been done is in the run log.
    Shadow,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Document")]
pub struct Rules {
    allow: Vec<Glob>,
    deny: Vec<Glob>,
    advice: Option<String>,
    on_denied: OnDenied,
    pub mode: Mode,
}

schema_of_document!(Rules, Document);

impl From<Document> for Rules {
    fn from(Document { allow, deny, advice, on_denied, mode }: Document) -> Self {
        Self { allow, deny, advice, on_denied, mode }
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

/// Judges the calls of one reply.
#[derive(Debug)]
pub struct Warden {
    rules: Rules,
    policy: String,
    refused: Vec<Refused>,
}

impl Warden {
    #[must_use]
    pub fn new(rules: Rules, policy: &str) -> Self {
        Self { rules, policy: policy.to_owned(), refused: Vec::new() }
    }

    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }
}

impl Judge for Warden {
    fn needs_input(&self, _: &Call) -> bool {
        false
    }

    fn judge(&mut self, call: &Call, _: Option<&str>) -> Ruling {
        match decide(&self.rules, Some(&call.name), call.namespace.as_deref()) {
            Decision::Allow => Ruling::Pass,
            Decision::Refuse { rule } => {
                let sentence = self.rules.sentence(&self.policy, call, &rule);
                self.refused.push(Refused { tool: call.name.clone(), rule });
                match (self.rules.mode, self.rules.on_denied) {
                    (Mode::Shadow, _) => Ruling::Pass,
                    (Mode::Enforce, OnDenied::Correct) => Ruling::Correct(sentence),
                    (Mode::Enforce, OnDenied::Explain) => Ruling::Say(sentence),
                    (Mode::Enforce, OnDenied::Stop) => Ruling::Stop(sentence),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allow: &[&str], deny: &[&str], tool: &str, expect: Option<&str>) {
        let globs = |patterns: &[&str]| patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect();
        let rules = Rules { allow: globs(allow), deny: globs(deny), advice: None, on_denied: OnDenied::Explain, mode: Mode::Enforce };
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
            let rules = Rules { allow: globs(&[allow]), deny: globs(deny), advice: None, on_denied: OnDenied::Explain, mode: Mode::Enforce };
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
        let rules = Rules { allow: vec![Glob::parse("*").unwrap()], deny: vec![], advice: None, on_denied: OnDenied::Explain, mode: Mode::Enforce };
        assert!(matches!(decide(&rules, None, None), Decision::Refuse { .. }));
    }
}
