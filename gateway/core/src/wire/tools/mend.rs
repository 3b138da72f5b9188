//! What else must change in tools that stay when others go: cache breakpoints move, tools that
//! nobody could find any more are shown, and tools that only a program could call are callable.

use crate::wire::Dialect;
use crate::wire::json::{Json, Value};
use crate::wire::tools::sheet::Sheet;
use crate::wire::tools::{Shape, Tool};

/// The mark that asks a provider to cache all that stands before.
const MARK: &str = "cache_control";
/// The mark of a tool that the model does not see until it is searched for.
const DEFERRED: &str = "defer_loading";

/// Moves the cache breakpoint of each item that goes to the nearest that stays before it, or else
/// behind it. Each of `items` comes with whether it stays.
pub(super) fn move_breakpoints<'a>(items: &[(Value<'a>, bool)], shown: bool, sheet: &mut Sheet<'a>) {
    let marked = |item: Value<'a>| item.get(MARK).filter(|mark| !mark.is_null());
    // A tool that is deferred cannot be cached.
    let fits = |at: &usize| items[*at].1 && (shown || !is_deferred(items[*at].0));
    let mut before = None;
    for (at, (item, stays)) in items.iter().enumerate() {
        if fits(&at) {
            before = Some(at);
        }
        let Some(mark) = marked(*item).filter(|_| !stays) else { continue };
        let Some(to) = before.or_else(|| (at..items.len()).find(fits)) else { continue };
        let neighbour = items[to].0;
        if marked(neighbour).is_none() && !sheet.changes(neighbour, MARK) {
            sheet.set(neighbour, MARK, mark.raw());
        }
    }
}

/// Whether the model does not see this item at first.
pub(super) fn is_deferred(item: Value<'_>) -> bool {
    let marks = [item.get(DEFERRED), item.at(&["default_config", DEFERRED])];
    marks.into_iter().flatten().any(Value::is_true)
}

/// Shows an item that was deferred.
pub(super) fn show<'a>(item: Value<'a>, sheet: &mut Sheet<'a>) {
    let tools = item.get("configs").into_iter().flat_map(Value::members).map(|member| member.value);
    for holder in [Some(item), item.get("default_config")].into_iter().flatten().chain(tools) {
        if holder.get(DEFERRED).is_some_and(Value::is_true) {
            sheet.set(holder, DEFERRED, "false");
        }
    }
}

/// Whether it is a tool by which the model finds deferred ones, as the provider defines it.
pub(super) fn is_search(tool: &Tool) -> bool {
    is_provider_s(tool, "tool_search")
}

/// Whether the model can write programs with it that call other tools.
pub(super) fn is_program(tool: &Tool) -> bool {
    is_provider_s(tool, "code_execution") || is_provider_s(tool, "programmatic_tool_calling")
}

fn is_provider_s(tool: &Tool, family: &str) -> bool {
    matches!(&tool.shape, Shape::Local(kind) | Shape::Hosted(kind) if kind.starts_with(family))
}

/// Lets the model itself call a tool that only programs were to call.
pub(super) fn call_directly<'a>(tool: &Tool, json: &'a Json, sheet: &mut Sheet<'a>) {
    let item = json.value(tool.nodes.item);
    let Some(callers) = item.get("allowed_callers") else { return };
    if callers.items().any(|caller| caller.text().as_deref() != Some("direct")) {
        sheet.set(item, "allowed_callers", "[\"direct\"]");
    }
}

/// What must go from the top of a request that offers no program any more.
pub(super) fn forget_programs<'a>(root: Value<'a>, dialect: Dialect, sheet: &mut Sheet<'a>) {
    if dialect == Dialect::Messages {
        sheet.remove(root, "container");
    }
}
