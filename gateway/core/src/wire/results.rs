//! What an agent's calls came to. Given a request that ends with the result of a call of `Write`:
//! that call with its arguments, whether it failed, and what it said.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::wire::Dialect;
use crate::wire::history::outcomes;
use crate::wire::json::Value;
use crate::wire::request::{Request, text_of};
use crate::wire::responses::history::is_models;

/// The result of a call, behind all that the model has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The call's id.
    pub call: String,
    pub name: String,
    pub namespace: Option<String>,
    /// What it was called with: a JSON object, or a text.
    pub input: String,
    /// Whether it says that the call failed.
    pub failed: bool,
    /// What it says.
    pub texts: Vec<String>,
}

/// A call by its id: name, namespace, arguments.
type Calls = HashMap<String, (String, Option<String>, String)>;

/// How agents whose dialect has no word for it say that a call failed.
static FAILED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?im)\A\s*(?:error|failed)\b|^\W*(?:(?:process|command)\s+)?exit(?:ed)?(?:\s+with)?\s+(?:code|status):?\s+[1-9][0-9]*\W*$|<returncode>[1-9]|"exit_code":\s*[1-9]"#,
    )
    .ok()
});
/// Of each end of a result so much is looked at for such words.
const END: usize = 2_000;

/// The results that came since the model spoke last, in order.
#[must_use]
pub fn fresh(request: &Request) -> Vec<Fresh> {
    let root = request.json.root();
    let member = if request.dialect == Dialect::Responses { "input" } else { "messages" };
    let items: Vec<Value<'_>> = root.get(member).into_iter().flat_map(Value::items).collect();
    let is_models = |item: &Value<'_>| match request.dialect {
        Dialect::Responses => is_models(*item),
        Dialect::Messages | Dialect::Chat => text_of(*item, "role").as_deref() == Some("assistant"),
    };
    let Some(last) = items.iter().rposition(is_models) else { return Vec::new() };
    let answered = items[last + 1..].iter().flat_map(|item| answers(request.dialect, *item));
    let answered: Vec<(String, bool)> = answered.collect();
    if answered.is_empty() {
        return Vec::new();
    }
    let calls = calls(request.dialect, &items[..=last], &|id: &str| answered.iter().any(|(call, _)| call == id));
    let said = outcomes(request);
    let result = |(call, failed): (String, bool)| {
        let (name, namespace, input) = calls.get(&call)?.clone();
        let texts = said.iter().filter(|outcome| outcome.call == call);
        let texts: Vec<String> =
            texts.filter_map(|outcome| request.json.value(outcome.node).text().map(Cow::into_owned)).collect();
        let failed = failed || request.dialect != Dialect::Messages && texts.iter().any(|text| says_failed(text));
        Some(Fresh { call, name, namespace, input, failed, texts })
    };
    answered.into_iter().filter_map(result).collect()
}

fn says_failed(text: &str) -> bool {
    let (head, tail) = (text.floor_char_boundary(END), text.ceil_char_boundary(text.len().saturating_sub(END)));
    FAILED.as_ref().is_some_and(|failed| failed.is_match(&text[..head]) || failed.is_match_at(text, tail))
}

/// The calls that a message or an item answers, and whether it says that they failed.
fn answers(dialect: Dialect, item: Value<'_>) -> Vec<(String, bool)> {
    let of = |holder: Value<'_>, id: &str, failed: bool| text_of(holder, id).map(|id| (id, failed));
    match dialect {
        Dialect::Messages => {
            let blocks = item.get("content").into_iter().flat_map(Value::items);
            let results = blocks.filter(|block| text_of(*block, "type").as_deref() == Some("tool_result"));
            results
                .filter_map(|block| of(block, "tool_use_id", block.get("is_error").is_some_and(Value::is_true)))
                .collect()
        }
        Dialect::Chat => of(item, "tool_call_id", false).into_iter().collect(),
        Dialect::Responses => {
            let is_output = text_of(item, "type").is_some_and(|kind| kind.ends_with("_output"));
            of(item, "call_id", false).filter(|_| is_output).into_iter().collect()
        }
    }
}

/// Those that are wanted: what was written into files by now need not be copied for them.
fn calls(dialect: Dialect, items: &[Value<'_>], is_wanted: &dyn Fn(&str) -> bool) -> Calls {
    let mut calls = Calls::new();
    let id_of = |holder: Value<'_>, name: &str| text_of(holder, name).filter(|id| is_wanted(id));
    let input = |holder: Value<'_>, names: &[&str]| {
        let value = names.iter().find_map(|name| holder.get(name));
        value.map(|value| value.text().unwrap_or_else(|| value.raw().into()).into_owned()).unwrap_or_default()
    };
    for item in items {
        match dialect {
            Dialect::Messages => {
                for block in item.get("content").into_iter().flat_map(Value::items) {
                    if let (Some(id), Some(name)) = (id_of(block, "id"), text_of(block, "name")) {
                        calls.insert(id, (name, None, input(block, &["input"])));
                    }
                }
            }
            Dialect::Chat => {
                for call in item.get("tool_calls").into_iter().flat_map(Value::items) {
                    let Some(own) = call.get("function").or_else(|| call.get("custom")) else { continue };
                    if let (Some(id), Some(name)) = (id_of(call, "id"), text_of(own, "name")) {
                        calls.insert(id, (name, None, input(own, &["arguments", "input"])));
                    }
                }
            }
            Dialect::Responses => {
                let kind = text_of(*item, "type").unwrap_or_default();
                // A tool of the provider's kind has no other name than its kind.
                let Some(kind) = kind.strip_suffix("_call") else { continue };
                let name = text_of(*item, "name").unwrap_or_else(|| kind.to_owned());
                if let Some(id) = id_of(*item, "call_id") {
                    let inputs = input(*item, &["arguments", "input", "action"]);
                    calls.insert(id, (name, text_of(*item, "namespace"), inputs));
                }
            }
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Json;

    /// Name, arguments, whether it failed, what it said.
    #[track_caller]
    fn check(dialect: Dialect, conversation: &str, expect: &[(&str, &str, bool, &str)]) {
        let member = if dialect == Dialect::Responses { "input" } else { "messages" };
        let body = format!(r#"{{"model":"m","{member}":[{conversation}]}}"#);
        let request = Request::read(dialect, Json::read(body.into()).unwrap()).unwrap();
        let found = fresh(&request);
        let found: Vec<_> = found
            .iter()
            .map(|fresh| (fresh.name.as_str(), fresh.input.as_str(), fresh.failed, fresh.texts.join("|")))
            .collect();
        let expect: Vec<_> = expect.iter().map(|(a, b, c, d)| (*a, *b, *c, (*d).to_owned())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn results_behind_the_model_s_last_turn_with_their_calls() {
        let call = |id: &str| {
            format!(
                r#"{{"role":"assistant","content":[{{"type":"tool_use","id":"{id}","name":"Write","input":{{"a":1}}}}]}}"#
            )
        };
        let result = |id: &str, more: &str| {
            format!(
                r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{id}","content":"done"{more}}}]}}"#
            )
        };
        let m = Dialect::Messages;
        check(m, &format!("{},{}", call("x"), result("x", "")), &[("Write", r#"{"a":1}"#, false, "done")]);
        let failed = result("x", r#","is_error":true"#);
        check(m, &format!("{},{failed}", call("x")), &[("Write", r#"{"a":1}"#, true, "done")]);
        // The model has spoken since.
        check(m, &format!("{},{},{}", call("x"), result("x", ""), call("y")), &[]);
        check(m, r#"{"role":"user","content":"hi"}"#, &[]);
        check(m, &result("x", ""), &[]);
    }

    #[test]
    fn the_other_dialects_say_in_words_that_a_call_failed() {
        let chat = |said: &str| {
            format!(
                r#"{{"role":"assistant","tool_calls":[{{"id":"x","type":"function","function":{{"name":"bash","arguments":"{{}}"}}}}]}},{{"role":"tool","tool_call_id":"x","content":"{said}"}}"#
            )
        };
        check(Dialect::Chat, &chat("ok"), &[("bash", "{}", false, "ok")]);
        check(Dialect::Chat, &chat("Error: no such file"), &[("bash", "{}", true, "Error: no such file")]);
        check(Dialect::Chat, &chat("no errors"), &[("bash", "{}", false, "no errors")]);
        let script = "> tsc || exit 1";
        check(Dialect::Chat, &chat(script), &[("bash", "{}", false, script)]);
        let long = format!("{}\\nCommand exited with code 1", "line ".repeat(1_000));
        let said = long.replace("\\n", "\n");
        check(Dialect::Chat, &chat(&long), &[("bash", "{}", true, &said)]);
        for said in ["Exit Code: 1", "<returncode>2</returncode>"] {
            check(Dialect::Chat, &chat(said), &[("bash", "{}", true, said)]);
        }
        let responses = |said: &str| {
            format!(
                r#"{{"type":"function_call","call_id":"x","name":"exec_command","arguments":"{{}}"}},{{"type":"function_call_output","call_id":"x","output":"{said}"}}"#
            )
        };
        let r = Dialect::Responses;
        let said = "Process exited with code 1";
        check(r, &responses(said), &[("exec_command", "{}", true, said)]);
        let said = "Process exited with code 0";
        check(r, &responses(said), &[("exec_command", "{}", false, said)]);
        check(
            r,
            r#"{"type":"local_shell_call","call_id":"x","action":{"command":["ls"]}},{"type":"local_shell_call_output","call_id":"x","output":"a"}"#,
            &[("local_shell", r#"{"command":["ls"]}"#, false, "a")],
        );
    }
}
