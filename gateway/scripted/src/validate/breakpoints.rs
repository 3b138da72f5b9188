//! The rules about cache breakpoints of the Messages dialect.

use crate::json::Json;
use crate::problem::Problem;

const AT_MOST: usize = 4;

pub(super) fn check(body: &Json) -> Result<(), Problem> {
    let marked = marked(body);
    // Automatic caching takes a place too.
    let automatic = body.get("cache_control");
    let found = marked.len() + usize::from(automatic.is_some());
    if found > AT_MOST {
        let message = format!("A maximum of {AT_MOST} blocks with cache_control may be provided. Found {found}.");
        return Err(Problem::invalid(message));
    }
    let target = last_block(body).and_then(|block| block.get("cache_control"));
    if let (Some(automatic), Some(target)) = (automatic.map(ttl), target.map(ttl))
        && automatic != target
    {
        return Err(Problem::invalid(format!(
            "Top-level cache_control has ttl='{automatic}' but the target block already has cache_control with \
             ttl='{target}'"
        )));
    }
    let automatic = automatic.map(|marker| (String::new(), marker));
    let short = |(_, marker): &&(String, &Json)| ttl(marker) == "5m";
    let all: Vec<_> = marked.into_iter().chain(automatic).collect();
    match all.iter().skip_while(|marked| !short(marked)).find(|marked| !short(marked)) {
        Some((path, _)) => Err(Problem::invalid(format!(
            "{path}cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control \
             block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
        ))),
        None => Ok(()),
    }
}

/// The markers in the order of their blocks, with their paths. A schema or an argument of that
/// name is not one.
fn marked(body: &Json) -> Vec<(String, &Json)> {
    let mut marked = Vec::new();
    gather(body.list("tools"), "tools.", &mut marked);
    gather(body.list("system"), "system.", &mut marked);
    for (index, message) in body.list("messages").iter().enumerate() {
        for (place, block) in message.list("content").iter().enumerate() {
            let path = format!("messages.{index}.content.{place}.");
            gather(block.list("content"), &format!("{path}content."), &mut marked);
            marked.extend(block.get("cache_control").map(|marker| (path, marker)));
        }
    }
    marked
}

fn gather<'a>(blocks: &'a [Json], path: &str, marked: &mut Vec<(String, &'a Json)>) {
    for (index, block) in blocks.iter().enumerate() {
        marked.extend(block.get("cache_control").map(|marker| (format!("{path}{index}."), marker)));
    }
}

/// What automatic caching would mark.
fn last_block(body: &Json) -> Option<&Json> {
    body.list("messages").last()?.list("content").last()
}

fn ttl(marker: &Json) -> &str {
    marker.text("ttl").unwrap_or("5m")
}
