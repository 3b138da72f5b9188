//! Request bodies with tools in every shape that is known, and in some that are not.

use jetway_core::wire::Dialect;

use crate::choice::Choices;

const MESSAGES: &[&str] = &[
    r#"{"name":<S>"<N>","input_schema":<J><X>}"#,
    r#"{"type":"custom","name":"<N>","description":"d"<X>}"#,
    r#"{"name":"<N>","cache_control":{"type":"ephemeral"},"defer_loading":<B>}"#,
    r#"{"name":"<N>","allowed_callers":["code_execution_20260120"]<X>}"#,
    r#"{"type":"bash_20250124","name":"bash"<X>}"#,
    r#"{"type":"web_search_20250305","name":"web_search"<X>}"#,
    r#"{"type":"code_execution_20260120","name":"code_execution"<X>}"#,
    r#"{"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"<X>}"#,
    r#"{"type":"mcp_toolset","mcp_server_name":"<V>"<X>}"#,
    r#"{"type":"mcp_toolset","mcp_server_name":"<V>","default_config":{"enabled":<B>,"defer_loading":<B>},"configs":{"a":{"enabled":<B>},"b":{"enabled":<J>}}<X>}"#,
    r#"{"type":"<N>","name":"<N>"<X>}"#,
    "<J>",
];
const SERVERS: &[&str] = &[
    r#"{"type":"url","name":"<V>","url":"u"<X>}"#,
    r#"{"name":"<V>","tool_configuration":{"enabled":<B>,"allowed_tools":["a","b"]}<X>}"#,
    r#"{"name":"<V>","tool_configuration":<J>}"#,
];
const BLOCKS: &[&str] = &[
    r#"{"type":"text","text":"t"<X>}"#,
    r#"{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"name":"<N>"<X>}}}"#,
    r#"{"type":"tool_addition","tool":{"definition":{"type":"mcp_toolset","mcp_server_name":"<V>"<X>}}}"#,
    r#"{"type":"tool_reference","tool_name":"<N>"<X>}"#,
    r#"{"type":"tool_removal","tool_name":"<N>","content":[{"type":"tool_addition","tool":{"definition":{"name":"<N>"}}},<J>]}"#,
    r#"{"type":"tool_result","content":[{"type":"tool_reference","tool_name":"<N>"},{"type":"text","text":""}]<X>}"#,
    r#"{"type":"tool_search_tool_result","content":{"type":"tool_search_tool_search_result","tool_references":[{"type":"tool_reference","tool_name":"<N>"},{"type":"tool_reference","tool_name":"<N>"}]}}"#,
    "<J>",
];
const CHAT: &[&str] = &[
    r#"{"type":"function",<S>"function":{"name":"<N>","parameters":<J>}<X>}"#,
    r#"{"type":"function","function":{"name":"<N>"},"cache_control":{"type":"ephemeral"}}"#,
    r#"{"type":"function","name":"<N>","function":{"name":"<N>"<X>}}"#,
    r#"{"type":"custom","custom":{"name":"<N>","format":<J>}<X>}"#,
    r#"{"type":"function","function":{"name":"<N>"},"custom":{"name":"<N>"}}"#,
    "<J>",
];
const FUNCTIONS: &[&str] = &[r#"{"name":"<N>","parameters":<J><X>}"#, r#"{"type":"<N>","name":"<N>"}"#];
const RESPONSES: &[&str] = &[
    r#"{"type":"function",<S>"name":"<N>","parameters":<J><X>}"#,
    r#"{"type":"custom","name":"<N>","format":<J><X>}"#,
    r#"{"type":"local_shell"<X>}"#,
    r#"{"type":"shell","environment":{"type":"local"}<X>}"#,
    r#"{"type":"web_search_preview_2025_03_11"<X>}"#,
    r#"{"type":"tool_search"<X>}"#,
    r#"{"type":"mcp","server_label":"<V>"<X>}"#,
    r#"{"type":"mcp","server_label":"<V>","allowed_tools":["a","b","a"]<X>}"#,
    r#"{"type":"mcp","server_label":"<V>","allowed_tools":{"tool_names":["a","b"],"read_only":<B>}}"#,
    r#"{"type":"namespace","name":"<V>","tools":[{"type":"function","name":"<N>","defer_loading":<B>},{"type":"custom","name":"<N>"<X>}]<X>}"#,
    r#"{"type":"namespace","name":"<V>","tools":[{"type":"mcp","server_label":"<V>","allowed_tools":["a"]},{"type":"namespace","name":"<V>","tools":[]}]}"#,
    "<J>",
];
const CHOICES: &[&str] = &[
    r#""auto""#,
    r#""<N>""#,
    r#"{"type":"any","disable_parallel_tool_use":<B>}"#,
    r#"{"type":"tool","name":"<N>"<X>}"#,
    r#"{"type":"function","name":"<N>"<X>}"#,
    r#"{"type":"function","function":{"name":"<N>"}<X>}"#,
    r#"{"type":"custom","custom":{"name":"<N>"}}"#,
    r#"{"type":"mcp","server_label":"<V>"<X>}"#,
    r#"{"type":"web_search_preview"}"#,
    r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"<N>"},{"type":"mcp","server_label":"<V>"}]<X>}"#,
    r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"<N>"}},<J>]}}"#,
    "<J>",
];
const SWITCHES: &[&str] = &[
    r#""web_search_options":<J>"#,
    r#""plugins":<J>"#,
    r#""enable_search":<B>"#,
    r#""parallel_tool_calls":<B>"#,
    r#""function_call":{"name":"<N>"}"#,
    r#""container":"c""#,
    r#""stream":<B>"#,
    r#""max_tokens":<I>"#,
    r#""<N>":<J>"#,
];

/// A body of this dialect. Not all can be read as a request.
pub fn build(dialect: Dialect, choices: &mut Choices<'_>) -> String {
    let mut members = vec![String::from(r#""model":"m""#)];
    match dialect {
        Dialect::Messages => {
            let blocks = choices.list(BLOCKS);
            members.push(format!(r#""messages":[{{"role":"user","content":[{blocks}]}}]"#));
            members.push(format!(r#""tools":[{}]"#, choices.list(MESSAGES)));
            if choices.rarely(3) {
                members.push(format!(r#""mcp_servers":[{}]"#, choices.list(SERVERS)));
            }
        }
        Dialect::Chat => {
            members.push(choices.fill(r#""messages":[{"role":"user","content":"c"<X>}]"#));
            members.push(format!(r#""tools":[{}]"#, choices.list(CHAT)));
            if choices.rarely(3) {
                members.push(format!(r#""functions":[{}]"#, choices.list(FUNCTIONS)));
            }
        }
        Dialect::Responses => {
            let kind = choices.pick(&["additional_tools", "tool_search_output", "mcp_list_tools", "message"]);
            let item = format!(r#"{{"type":"{kind}","server_label":"g","tools":[{}]}}"#, choices.list(RESPONSES));
            let item = if choices.rarely(2) { item } else { choices.fill(r#"{"role":"user","content":"c"<X>}"#) };
            members.push(format!(r#""input":[{item}]"#));
            members.push(format!(r#""tools":[{}]"#, choices.list(RESPONSES)));
        }
    }
    if choices.rarely(2) {
        members.push(format!(r#""tool_choice":{}"#, choices.fill_one(CHOICES)));
    }
    for _ in 0..choices.below(3) {
        members.push(choices.fill_one(SWITCHES));
    }
    let at = choices.below(members.len());
    members.rotate_left(at);
    format!("{{{}}}", members.join(choices.pick(&[",", " ,\n"])))
}
