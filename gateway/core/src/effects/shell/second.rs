//! A second opinion: the names of all commands in a text, as another parser sees them. Given
//! `cat $(ls)`: `cat` and `ls`.

use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, Parser, Tree};

use super::Unclear;

/// How often the parser may report that it is still at work.
const MOST_REPORTS: u32 = 2_000;

/// The most nodes of a tree that are looked at.
const MOST_NODES: usize = 20_000;

/// The names as they are typed, in order of the alphabet.
///
/// # Errors
/// Says so where the text cannot be parsed.
pub(super) fn names(text: &str) -> Result<Vec<String>, Unclear> {
    let unclear = || String::from("the second parser does not understand the command");
    let tree = tree(text).ok_or_else(unclear)?;
    if tree.root_node().has_error() {
        return Err(unclear());
    }
    let mut names = Vec::new();
    let mut cursor = tree.walk();
    for _ in 0..MOST_NODES {
        if let Some(name) = name(cursor.node(), text) {
            names.push(spelled(name));
        }
        if cursor.goto_first_child() || cursor.goto_next_sibling() {
            continue;
        }
        loop {
            if !cursor.goto_parent() {
                names.sort();
                return Ok(names);
            }
            if cursor.goto_next_sibling() {
                break;
            }
        }
    }
    Err(unclear())
}

/// A name without the line breaks that count for nothing.
pub(super) fn spelled(name: &str) -> String {
    name.replace("\\\n", "")
}

fn tree(text: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
    let mut reports = 0;
    let mut progress = |_: &_| {
        reports += 1;
        if reports > MOST_REPORTS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    parser.parse_with_options(&mut |at, _| text.as_bytes().get(at..).unwrap_or_default(), None, Some(options))
}

/// The name of the command that this node is, if it is one.
fn name<'a>(node: Node<'_>, text: &'a str) -> Option<&'a str> {
    let named = match node.kind() {
        "command_name" => Some(node),
        // These are commands whose names the grammar knows.
        "declaration_command" | "unset_command" | "test_command" => node.child(0),
        _ => None,
    }?;
    let name = text.get(named.byte_range())?;
    (name != "[[").then_some(name)
}
