//! Documentation that a model asks for. Given the call `search_docs` with
//! `{"query": "capture an exception"}`: the sections that fit, within the same allowance as those
//! that it is given unasked.

use std::sync::LazyLock;

use jiff::Timestamp;

use super::{Asked, Rules, decide, passage, shown};
use crate::policy::desk::{Answer, By};
use crate::retrieval::profile::Profile;
use crate::retrieval::search::Index;
use crate::wire::json::Json;
use crate::wire::tools::offer::NewTool;

/// The name of the tool by which a model searches.
pub const SEARCH_DOCS: &str = "search_docs";

/// The same bytes in every request, for the provider's cache.
static TOOL: LazyLock<Option<NewTool>> = LazyLock::new(|| {
    let description = "Searches the current documentation for this task. It is newer than what you remember: \
                       search before you use an API, and again when something does not work as you expect.";
    let schema = r#"{"type":"object","properties":{"query":{"type":"string","description":"What you want to know, in words or identifiers, such as `capture an exception in a route handler`."}},"required":["query"],"additionalProperties":false}"#;
    NewTool::new(SEARCH_DOCS, description, schema).ok()
});

/// The tool by which a model searches.
#[must_use]
pub fn search_tool() -> Option<NewTool> {
    TOOL.clone()
}

/// Answers a call of it.
///
/// # Errors
/// A sentence for the model, when the call has no query.
pub fn search(
    rules: &Rules,
    index: &Index,
    call: &Json,
    (profile, now): (&Profile, Timestamp),
) -> Result<Answer, String> {
    let query = call.root().get("query").and_then(|query| query.text().map(|query| query.trim().to_owned()));
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Err(format!("`{SEARCH_DOCS}` needs a text `query`: what you want to know."));
    };
    // By words alone: a call is answered at once, and asks nobody what it means.
    let chosen = decide(rules, index, Asked { task: &query, profile, now, nearness: None });
    if chosen.is_empty() {
        let text = String::from("Nothing in the documentation fits this query. Ask in other words, or go on without.");
        return Ok(Answer { text, shown: Vec::new() });
    }
    let answer = Answer { text: chosen.iter().map(|hit| passage(hit, now)).collect(), shown: shown(&chosen) };
    Ok(answer.by(By::Search))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::chunk::cut;

    #[track_caller]
    fn check(call: &str, expect: Result<&str, &str>) {
        let rules: Rules = serde_saphyr::from_str("{ docs: docs, min_score: 0.1 }").unwrap();
        let index = Index::new(cut("errors.md", "# Errors\nCall `captureException`.\n# Names\nUse the past tense.\n"));
        let call = Json::read(call.to_owned().into()).unwrap();
        let found = search(&rules, &index, &call, (&Profile::default(), Timestamp::UNIX_EPOCH));
        match (&found, expect) {
            (Ok(answer), Ok(part)) => assert!(answer.text.contains(part), "{answer:?}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            _ => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_query_is_answered_with_what_fits() {
        check(r#"{"query":"capture an exception"}"#, Ok("captureException"));
        check(r#"{"query":"zebra"}"#, Ok("Nothing in the documentation fits"));
        check(r#"{"query":" "}"#, Err("needs a text `query`"));
        check(r#"{"query":7}"#, Err("needs a text `query`"));
        check("{}", Err("needs a text `query`"));
    }

    #[test]
    fn the_tool_can_be_offered() {
        assert_eq!(search_tool().unwrap().name(), SEARCH_DOCS);
    }
}
