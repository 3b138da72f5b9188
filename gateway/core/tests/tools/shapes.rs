//! Every shape that a tool arrives in, and what it is read as.

use jetway_core::wire::Dialect;
use jetway_core::wire::request::Tool;
use jetway_core::wire::tools::Shape;

use crate::{C, M, R, body_of, read};

/// A shape's letter: who runs it, and what it takes.
fn letter(shape: &Shape) -> char {
    match shape {
        Shape::Function => 'f',
        Shape::Text => 't',
        Shape::Local(_) => 'l',
        Shape::Hosted(_) => 'h',
        Shape::Named => 'n',
        Shape::Unknown => '?',
    }
}

/// One item of `tools`, and the tools that it offers: `f:Read`, `h:mcp__x__*`.
#[track_caller]
fn shape(dialect: Dialect, item: &str, expect: &str) {
    let request = read(dialect, &body_of(dialect, &format!(r#""tools":[{item}]"#)));
    let show = |tool: &&Tool| {
        let group = tool.namespace.as_deref().map(|group| format!("{group}.")).unwrap_or_default();
        let all = if tool.is_server { "*" } else { "" };
        format!("{}:{group}{}{all}", letter(&tool.shape), tool.name.as_deref().unwrap_or_default())
    };
    let found: Vec<String> = request.tools().iter().map(show).collect();
    assert_eq!(found.join(" "), expect, "{item}");
}

#[test]
fn every_shape_of_messages() {
    shape(M, r#"{"name":"Read","description":"d","input_schema":{}}"#, "f:Read");
    shape(M, r#"{"type":"custom","name":"Read"}"#, "f:Read");
    shape(M, r#"{"type":null,"name":"Read"}"#, "f:Read");
    shape(M, r#"{"name":"Grep","defer_loading":true}"#, "f:Grep");
    shape(
        M,
        r#"{"name":"DeferredToolPlaceholder","description":"d","input_schema":{"type":"object"},"defer_loading":true}"#,
        "f:DeferredToolPlaceholder",
    );
    shape(M, r#"{"type":"bash_20250124","name":"bash"}"#, "l:bash");
    shape(M, r#"{"type":"text_editor_20250124","name":"str_replace_editor"}"#, "l:str_replace_editor");
    shape(
        M,
        r#"{"type":"text_editor_20250728","name":"str_replace_based_edit_tool"}"#,
        "l:str_replace_based_edit_tool",
    );
    shape(M, r#"{"type":"computer_20251124","name":"computer","display_width_px":9}"#, "l:computer");
    shape(M, r#"{"type":"memory_20250818","name":"memory"}"#, "l:memory");
    shape(M, r#"{"type":"web_search_20250305","name":"web_search"}"#, "h:web_search");
    shape(M, r#"{"type":"web_fetch_20250910","name":"web_fetch"}"#, "h:web_fetch");
    shape(M, r#"{"type":"code_execution_20260120","name":"code_execution"}"#, "h:code_execution");
    shape(M, r#"{"type":"tool_search_tool_bm25_20251119","name":"tool_search_tool_bm25"}"#, "h:tool_search_tool_bm25");
    shape(M, r#"{"type":"tool_search_tool_regex","name":"tool_search_tool_regex"}"#, "h:tool_search_tool_regex");
    shape(M, r#"{"type":"mcp_toolset","mcp_server_name":"g"}"#, "h:mcp__g__*");
    shape(M, r#"{"type":"mcp_toolset","mcp_server_name":"g","configs":{"a":{"enabled":false}}}"#, "h:mcp__g__*");
    let off = |configs: &str| {
        format!(
            r#"{{"type":"mcp_toolset","mcp_server_name":"g","default_config":{{"enabled":false}},"configs":{configs}}}"#
        )
    };
    shape(
        M,
        &off(r#"{"a":{"enabled":true},"b":{},"c":{"enabled":true},"d":{"enabled":false}}"#),
        "h:mcp__g__a h:mcp__g__c",
    );
    shape(M, &off(r#"{"a":{"enabled":"yes"}}"#), "h:mcp__g__*");
    shape(M, &off(r#"{"a":true}"#), "h:mcp__g__*");
    shape(M, &off(r#"[]"#), "h:mcp__g__*");
}

#[test]
fn shapes_of_messages_that_are_not_known_have_no_name() {
    shape(M, r#"{"type":"shiny_20270101","name":"Read"}"#, "?:");
    shape(M, r#"{"type":"bash_20250124","name":"Read"}"#, "?:");
    shape(M, r#"{"type":"bash_latest","name":"bash"}"#, "?:");
    shape(M, r#"{"type":"namespace","name":"Read","tools":[{"name":"Read"}]}"#, "?:");
    shape(M, r#"{"type":"function","function":{"name":"Read"}}"#, "?:");
    shape(M, r#"{"name":"Read","function":{"name":"Bash"}}"#, "?:");
    shape(M, r#"{"type":7,"name":"Read"}"#, "?:");
    shape(M, r#"{"description":"x"}"#, "?:");
    shape(M, r#"{"name":["Read"]}"#, "?:");
    shape(M, r#""Read""#, "?:");
}

#[test]
fn every_shape_of_chat() {
    shape(C, r#"{"type":"function","function":{"name":"a","parameters":{}}}"#, "f:a");
    shape(C, r#"{"type":"function","name":"a","function":{"name":"a"}}"#, "f:a");
    shape(C, r#"{"type":"custom","custom":{"name":"b","format":{"type":"text"}}}"#, "t:b");
    for unknown in [
        r#"{"type":"function","name":"b","function":{"name":"a"}}"#,
        r#"{"type":"function","function":{"name":"a"},"custom":{"name":"b"}}"#,
        r#"{"type":"function","name":"a"}"#,
        r#"{"type":"builtin_function","function":{"name":"$web_search"}}"#,
        r#"{"type":"web_search"}"#,
        r#"{"name":"a"}"#,
        "null",
    ] {
        shape(C, unknown, "?:");
    }
    let strays = r#""functions":[{"name":"a"},{"type":"odd","name":"b"}],"enable_search":true,"plugins":[],"compound_custom":{},"search_settings":null"#;
    let request = read(C, &body_of(C, strays));
    let found: Vec<_> = request.tools().iter().map(|tool| tool.name.as_deref().unwrap_or("?")).collect();
    assert_eq!(found, ["a", "?", "web_search", "?", "?"]);
}

#[test]
fn every_shape_of_responses() {
    shape(R, r#"{"type":"function","name":"a","parameters":{}}"#, "f:a");
    shape(R, r#"{"type":"custom","name":"exec","format":{"type":"grammar"}}"#, "t:exec");
    for (kind, expect) in [
        ("web_search", "h:web_search"),
        ("web_search_2025_08_26", "h:web_search"),
        ("web_search_preview", "h:web_search"),
        ("web_search_preview_2025_03_11", "h:web_search"),
        ("local_shell", "l:local_shell"),
        ("shell", "l:shell"),
        ("apply_patch", "l:apply_patch"),
        ("computer", "l:computer"),
        ("computer_use_preview", "l:computer"),
        ("file_search", "h:file_search"),
        ("code_interpreter", "h:code_interpreter"),
        ("image_generation", "h:image_generation"),
        ("tool_search", "h:tool_search"),
        ("programmatic_tool_calling", "h:programmatic_tool_calling"),
        ("shiny", "?:"),
        ("web_searches", "?:"),
        ("web_search_evil", "?:"),
    ] {
        shape(R, &format!(r#"{{"type":"{kind}","name":"Read"}}"#), expect);
    }
    shape(R, r#"{"type":"shell","environment":{"type":"container_auto"}}"#, "h:shell");
    shape(R, r#"{"type":"shell","environment":{"type":"local"}}"#, "l:shell");
    shape(R, r#"{"type":"tool_search","execution":"client"}"#, "l:tool_search");
    shape(R, r#"{"type":"mcp","server_label":"g"}"#, "h:mcp__g__*");
    shape(R, r#"{"type":"mcp","server_label":"g","allowed_tools":["a","b"]}"#, "h:mcp__g__a h:mcp__g__b");
    shape(R, r#"{"type":"mcp","server_label":"g","allowed_tools":{"tool_names":["a"]}}"#, "h:mcp__g__a");
    shape(R, r#"{"type":"mcp","server_label":"g","allowed_tools":{"read_only":true}}"#, "h:mcp__g__*");
    shape(R, r#"{"type":"mcp","server_label":"g","allowed_tools":[]}"#, "h:mcp__g__*");
    shape(R, r#"{"type":"mcp","server_label":"g","allowed_tools":["a",7]}"#, "h:mcp__g__*");
    shape(R, r#"{"type":"mcp","allowed_tools":["a"]}"#, "h:");
    shape(
        R,
        r#"{"type":"namespace","name":"n","tools":[{"type":"function","name":"a"},{"type":"namespace","name":"o","tools":[]},{"type":"custom","name":"b"},{"type":"mcp","server_label":"g"}]}"#,
        "f:n.a ?:n. t:n.b h:n.mcp__g__*",
    );
    shape(R, r#"{"type":"namespace","name":"n","tools":[]}"#, "");
    shape(R, r#"{"type":"namespace","name":"n"}"#, "?:");
    shape(R, r#"{"type":"function","name":"a","function":{"name":"b"}}"#, "?:");
}
