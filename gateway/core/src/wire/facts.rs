//! What the price of a request depends on beside its length and its model.

use std::borrow::Cow;

use crate::wire::json::{self, Value};
use crate::wire::request::{Malformed, could_mean, refuse_misspelled};

/// How long the provider is asked to keep what it reads in its cache, at the longest. The longer,
/// the dearer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caching {
    /// Nothing is written to the cache.
    #[default]
    None,
    /// For minutes, as it does where it is not told.
    Minutes,
    /// For an hour or longer; also for a time that we do not know.
    Hour,
}

/// These facts of one request.
#[derive(Debug)]
pub(in crate::wire) struct Facts {
    pub caching: Caching,
    pub tier: Option<String>,
    pub remote: u64,
}

/// Members that hold other people's JSON, in which our words mean nothing.
const FOREIGN: &[&str] =
    &["input", "input_schema", "output_schema", "input_examples", "parameters", "annotations", "citations"];
/// The marks by which a provider is told to cache all that stands before.
const MARKS: &[&str] = &["cache_control", "prompt_cache_breakpoint"];
/// Top-level members that are judged here.
const KNOWN: &[&str] = &["cache_control", "prompt_cache_options", "service_tier", "speed"];

/// Reads the facts of a request whose content stands in these top-level members. `least` is what
/// the provider caches without being asked.
///
/// # Errors
/// [`Malformed::Misspelled`] for a key that another reader could take for one that is judged here.
pub(in crate::wire) fn read(root: Value<'_>, content: &[&str], least: Caching) -> Result<Facts, Malformed> {
    refuse_misspelled(root, KNOWN)?;
    let tier = tier(root).map(|word| json::shortened(&word));
    let mut facts = Facts { caching: least, tier, remote: 0 };
    for mark in ["cache_control", "prompt_cache_options"].iter().filter_map(|name| root.get(name)) {
        facts.mark(mark)?;
    }
    content.iter().filter_map(|name| root.get(name)).try_for_each(|value| facts.look(value))?;
    Ok(facts)
}

impl Facts {
    fn look(&mut self, value: Value<'_>) -> Result<(), Malformed> {
        value.items().try_for_each(|item| self.look(item))?;
        for member in value.members() {
            let name = member.name();
            if MARKS.contains(&&*name) {
                self.mark(member.value)?;
            } else if !FOREIGN.contains(&&*name) {
                self.remote += u64::from(refers(&name, member.value, value));
                self.look(member.value)?;
            }
            if let Some(known) = MARKS.iter().find(|known| could_mean(&name, known)) {
                refuse_misspelled(value, &[known])?;
            }
        }
        Ok(())
    }

    fn mark(&mut self, mark: Value<'_>) -> Result<(), Malformed> {
        if mark.is_null() {
            return Ok(());
        }
        refuse_misspelled(mark, &["ttl"])?;
        let ttl = mark.get("ttl").filter(|ttl| !ttl.is_null());
        let short = ttl.is_none_or(|ttl| ttl.text().is_some_and(|ttl| ttl == "5m" || ttl == "30m"));
        self.caching = self.caching.max(if short { Caching::Minutes } else { Caching::Hour });
        Ok(())
    }
}

/// Whether this member of `holder` is a picture or a document that is not among the bytes.
fn refers(name: &str, value: Value<'_>, holder: Value<'_>) -> bool {
    let elsewhere = |value: Value<'_>| value.text().is_some_and(|url| !url.starts_with("data:"));
    match name {
        "image_url" | "file_url" | "video_url" | "audio_url" => elsewhere(value.get("url").unwrap_or(value)),
        // A source of a block; other things have addresses too.
        "url" => holder.get("type").and_then(Value::text).is_some_and(|kind| kind == "url"),
        "file_data" => value.text().is_some_and(|data| data.starts_with("http")),
        "file_id" => !value.is_null(),
        _ => false,
    }
}

/// The tier that a request asks for, or that a reply says it was served at: `service_tier`, and
/// `speed` where that is not `standard`. With both out of the ordinary they are one word, such as
/// `priority+fast`.
pub(in crate::wire) fn tier(holder: Value<'_>) -> Option<Cow<'_, str>> {
    let word = |field| {
        let value = holder.get(field).filter(|value| !value.is_null())?;
        Some(value.text().unwrap_or(Cow::Borrowed(value.raw())))
    };
    let (tier, speed) = (word("service_tier"), word("speed").filter(|speed| speed != "standard"));
    match (tier, speed) {
        (tier, None) => tier,
        (Some(tier), Some(speed)) if !is_ordinary(&tier) && tier != "auto" => Some(format!("{tier}+{speed}").into()),
        (_, speed) => speed,
    }
}

/// Whether a tier is the ordinary one, by whatever name.
#[must_use]
pub fn is_ordinary(tier: &str) -> bool {
    matches!(tier, "standard" | "default" | "standard_only" | "on_demand")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Json;

    const CONTENT: &[&str] = &["system", "tools", "messages"];

    fn facts(body: &str) -> Result<Facts, Malformed> {
        read(Json::read(body.to_owned().into())?.root(), CONTENT, Caching::None)
    }

    #[track_caller]
    fn check_caching(body: &str, expect: Caching) {
        assert_eq!(facts(body).unwrap().caching, expect, "{body}");
    }

    const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;
    const HOUR: &str = r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#;

    #[test]
    fn a_mark_counts_wherever_a_provider_reads_one() {
        check_caching(r#"{"messages":[]}"#, Caching::None);
        for mark in [MARK, HOUR] {
            let expect = if mark == MARK { Caching::Minutes } else { Caching::Hour };
            check_caching(&format!("{{{mark}}}"), expect);
            check_caching(&format!(r#"{{"system":[{{"type":"text","text":"s",{mark}}}]}}"#), expect);
            check_caching(&format!(r#"{{"tools":[{{"name":"t","input_schema":{{}},{mark}}}]}}"#), expect);
            let block = format!(r#"{{"type":"text","text":"x",{mark}}}"#);
            check_caching(&format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#), expect);
            let result = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{block}]}}"#);
            check_caching(&format!(r#"{{"messages":[{{"role":"user","content":[{result}]}}]}}"#), expect);
            let document = format!(r#"{{"type":"document","source":{{"type":"content","content":[{block}]}}}}"#);
            check_caching(&format!(r#"{{"messages":[{{"role":"user","content":[{document}]}}]}}"#), expect);
            let call = format!(r#"{{"type":"tool_use","id":"t","name":"n","input":{{}},{mark}}}"#);
            check_caching(&format!(r#"{{"messages":[{{"role":"assistant","content":[{call}]}}]}}"#), expect);
        }
    }

    #[test]
    fn other_people_s_json_holds_no_marks() {
        check_caching(
            &format!(r#"{{"tools":[{{"name":"t","input_schema":{{"properties":{{{HOUR}}}}}}}]}}"#),
            Caching::None,
        );
        let call = format!(r#"{{"type":"tool_use","id":"t","name":"n","input":{{{HOUR}}}}}"#);
        check_caching(&format!(r#"{{"messages":[{{"role":"assistant","content":[{call}]}}]}}"#), Caching::None);
        check_caching(&format!(r#"{{"metadata":{{{HOUR}}}}}"#), Caching::None);
    }

    #[test]
    fn the_dearest_mark_counts_and_an_unknown_time_is_dear() {
        let two = |one: &str, other: &str| format!(r#"{{"system":[{{{one}}},{{{other}}}]}}"#);
        check_caching(&two(HOUR, MARK), Caching::Hour);
        check_caching(&two(MARK, HOUR), Caching::Hour);
        let ttl = |ttl: &str| format!(r#"{{"cache_control":{{"ttl":{ttl}}}}}"#);
        check_caching(&ttl(r#""5m""#), Caching::Minutes);
        check_caching(&ttl("null"), Caching::Minutes);
        check_caching(&ttl(r#""24h""#), Caching::Hour);
        check_caching(&ttl("3600"), Caching::Hour);
        check_caching(r#"{"cache_control":null}"#, Caching::None);
        check_caching(r#"{"prompt_cache_options":{"ttl":"12h"}}"#, Caching::Hour);
        check_caching(r#"{"prompt_cache_options":{"ttl":"30m"}}"#, Caching::Minutes);
        check_caching(r#"{"messages":[{"prompt_cache_breakpoint":{"mode":"explicit","ttl":"12h"}}]}"#, Caching::Hour);
    }

    #[test]
    fn marks_are_spelled_plainly_or_refused() {
        for body in [
            r#"{"Cache_Control":{}}"#,
            r#"{"system":[{"cache_Control":{}}]}"#,
            r#"{"system":[{"cache\u005fcontrol":{}}]}"#,
            r#"{"system":[{"cache_control":{"TTL":"1h"}}]}"#,
            r#"{"Service_Tier":"priority"}"#,
        ] {
            assert!(matches!(facts(body), Err(Malformed::Misspelled { .. })), "{body}");
        }
    }

    #[track_caller]
    fn check_tier(members: &str, expect: Option<&str>) {
        assert_eq!(facts(&format!("{{{members}}}")).unwrap().tier.as_deref(), expect, "{members}");
    }

    #[test]
    fn a_tier_is_a_word_of_the_provider_s() {
        check_tier("", None);
        check_tier(r#""service_tier":null,"speed":null"#, None);
        check_tier(r#""service_tier":"flex""#, Some("flex"));
        check_tier(r#""speed":"fast""#, Some("fast"));
        check_tier(r#""speed":"standard""#, None);
        check_tier(r#""service_tier":"standard","speed":"standard""#, Some("standard"));
        check_tier(r#""service_tier":"standard_only","speed":"fast""#, Some("fast"));
        check_tier(r#""service_tier":"auto","speed":"fast""#, Some("fast"));
        check_tier(r#""service_tier":"priority","speed":"fast""#, Some("priority+fast"));
        check_tier(r#""service_tier":["priority"]"#, Some(r#"["priority"]"#));
    }

    #[track_caller]
    fn check_remote(block: &str, expect: u64) {
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#);
        assert_eq!(facts(&body).unwrap().remote, expect, "{block}");
    }

    #[test]
    fn what_is_only_referred_to_is_counted() {
        check_remote(r#"{"type":"image","source":{"type":"url","url":"https://x/a.png"}}"#, 1);
        check_remote(r#"{"type":"document","source":{"type":"file","file_id":"f"}}"#, 1);
        check_remote(r#"{"type":"container_upload","file_id":"f"}"#, 1);
        check_remote(r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}"#, 0);
        check_remote(r#"{"type":"image_url","image_url":{"url":"https://x/a.png"}},{"type":"text","text":"x"}"#, 1);
        check_remote(r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}"#, 0);
        check_remote(r#"{"type":"input_image","image_url":"https://x/a.png","file_id":null}"#, 1);
        check_remote(r#"{"type":"input_file","file_url":"https://x"},{"type":"input_file","file_id":"f"}"#, 2);
        check_remote(r#"{"type":"file","file":{"file_data":"https://x"}}"#, 1);
        check_remote(r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,aGk="}}"#, 0);
        let result = r#"{"type":"web_search_result","url":"https://x","title":"t"}"#;
        check_remote(result, 0);
        let inside = r#"{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}"#;
        check_remote(inside, 1);
        check_remote(r#"{"type":"output_text","annotations":[{"type":"file_citation","file_id":"f"}]}"#, 0);
        check_remote(r#"{"type":"tool_use","input":{"image_url":"https://x"}}"#, 0);
    }
}
