//! What an agent of the Messages API makes of a reply.

use serde_json::{Value, json};

/// Adds a reply's content to the conversation, and this result for each of its calls. What is returned
/// is whether it made any: then the agent goes on.
pub fn goes_on(messages: &mut Vec<Value>, content: &Value, result: &str) -> bool {
    messages.push(json!({ "role": "assistant", "content": content }));
    let calls = content.as_array().unwrap().iter().filter(|block| block["type"] == "tool_use");
    let results: Vec<Value> =
        calls.map(|call| json!({ "type": "tool_result", "tool_use_id": call["id"], "content": result })).collect();
    let calls = !results.is_empty();
    if calls {
        messages.push(json!({ "role": "user", "content": results }));
    }
    calls
}
