//! Documentation that a model asks for. Given the call `search_docs` with
//! `{"query": "capture an exception"}`: the sections that fit, within the same allowance as those
//! that it is given unasked, and other ones than those that the conversation has already.

use std::sync::LazyLock;

use jiff::Timestamp;

use super::{Asked, Known, Rules, besides, named, passage, shown};
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

/// Answers a call of it. What stands in the prompt already is named and not said again.
///
/// # Errors
/// A sentence for the model, when the call has no query.
pub fn search(
    rules: &Rules,
    index: &Index,
    call: &Json,
    (profile, now): (&Profile, Timestamp),
    known: &Known,
) -> Result<Answer, String> {
    let query = call.root().get("query").and_then(|query| query.text().map(|query| query.trim().to_owned()));
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Err(format!("`{SEARCH_DOCS}` needs a text `query`: what you want to know."));
    };
    // By words alone: a call is answered at once, and asks nobody what it means.
    let asked = Asked { task: &[&query], behind: "", profile, now, nearness: None };
    let (chosen, again) = besides(rules, index, asked, &|hit| known.has(hit));
    let again: Vec<String> = again.iter().map(|hit| hit.chunk.path()).collect();
    let mut text: String = chosen.iter().map(|hit| passage(hit, now)).collect();
    text.push_str(&named(if chosen.is_empty() { "What fits this query" } else { "This fits too, and" }, &again));
    if text.is_empty() {
        text.push_str("Nothing in the documentation fits this query. Ask in other words, or go on without.");
    }
    Ok(Answer { text, shown: shown(&chosen) }.by(By::Search))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::context::frame::framed;
    use crate::retrieval::chunk::cut;

    #[track_caller]
    fn check(call: &str, expect: Result<&str, &str>) {
        let rules: Rules = serde_saphyr::from_str("{ docs: docs, min_score: 0.1 }").unwrap();
        let index = Index::new(cut("errors.md", "# Errors\nCall `captureException`.\n# Names\nUse the past tense.\n"));
        let call = Json::read(call.to_owned().into()).unwrap();
        let found = search(&rules, &index, &call, (&Profile::default(), Timestamp::UNIX_EPOCH), &Known::default());
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
    fn what_was_shown_before_is_named_and_not_said_again() {
        let index = Index::new(cut("p.md", "# Errors\nCapture one.\n# Crashes\nCapture two.\n"));
        let check = |known: &[&str], (shown, named): (&[&str], &str)| {
            let rules: Rules = serde_saphyr::from_str("{ docs: docs, min_score: 0.01 }").unwrap();
            let call = Json::read(r#"{"query":"capture"}"#.to_owned().into()).unwrap();
            let when = (&Profile::default(), Timestamp::UNIX_EPOCH);
            let before: String = known.iter().map(|text| framed("p", "", &format!("h\n\n{text}"))).collect();
            let answer = search(&rules, &index, &call, when, &Known::of(&before)).unwrap();
            let mut found: Vec<&str> = answer.shown.iter().map(|shown| shown.text.as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, shown, "{known:?}");
            assert!(answer.text.ends_with(named) && shown.iter().all(|text| answer.text.contains(text)), "{answer:?}");
            assert!(!known.iter().any(|text| answer.text.contains(text)), "{answer:?}");
        };
        check(&[], (&["Capture one.", "Capture two."], "</jetway_context>\n"));
        let one = "This fits too, and stands in the reference material that you were given before: `Errors`.\n";
        check(&["Capture one."], (&["Capture two."], one));
        check(&["Capture one.", "Capture two."], (&[], "given before: `Errors`, `Crashes`.\n"));
    }

    #[test]
    fn the_tool_can_be_offered() {
        assert_eq!(search_tool().unwrap().name(), SEARCH_DOCS);
    }
}
