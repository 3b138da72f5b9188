//! JSON that is made of the words by which requests and replies are judged, so that what is built
//! at random comes close to what means something.

use crate::choice::Choices;

/// Names of tools. Which of them are allowed is for each run to say.
pub const NAMES: &[&str] = &[
    "Read",
    "Bash",
    "Edit",
    "bash",
    "web_search",
    "code_execution",
    "mcp__g__a",
    "mcp__h__b",
    "local_shell",
    "a",
    "b",
    "ours",
    "bash_code_execution",
];
const SERVERS: &[&str] = &["g", "h", "a"];
const KEYS: &[&str] = &[
    "name",
    "type",
    "function",
    "custom",
    "tools",
    "tool",
    "definition",
    "tool_name",
    "content",
    "text",
    "id",
    "index",
    "input",
    "arguments",
    "namespace",
    "server_label",
    "mcp_server_name",
    "allowed_tools",
    "tool_names",
    "configs",
    "default_config",
    "enabled",
    "defer_loading",
    "cache_control",
    "allowed_callers",
    "environment",
    "execution",
    "input_schema",
    "parameters",
    "description",
    "strict",
    "call_id",
    "item_id",
    "output",
    "status",
    "finish_reason",
    "Name",
    "n\\u0061me",
    "TYPE",
    "tool_calls",
    "function_call",
    "output_index",
    "sequence_number",
    "delta",
    "role",
    "message",
    "response",
    "item",
    "content_block",
    "usage",
    "model",
    "tool_use_id",
    "tool_configuration",
];
const TEXTS: &[&str] = &[
    "function",
    "custom",
    "tool_use",
    "server_tool_use",
    "mcp_tool_use",
    "function_call",
    "custom_tool_call",
    "mcp",
    "mcp_toolset",
    "namespace",
    "web_search_preview",
    "bash_20250124",
    "shell",
    "local",
    "client",
    "auto",
    "none",
    "required",
    "any",
    "tool",
    "allowed_tools",
    "direct",
    "tool_reference",
    "tool_addition",
    "ephemeral",
    "",
    "Bash",
    "B\\u0061sh",
    "Read",
    "t0",
    "c0",
    "fc_0",
    "\\ud800",
    "é",
    "end_turn",
    "text",
];

impl Choices<'_> {
    /// Fills the holes of a template: `<N>` a name, `<V>` a server's, `<I>` a small number, `<B>`
    /// true or false, `<J>` any JSON, `<S>` a space, `<X>` members behind others.
    pub fn fill(&mut self, template: &str) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('<') {
            out.push_str(before);
            match behind.as_bytes().first() {
                Some(b'N') => out.push_str(self.pick(NAMES)),
                Some(b'V') => out.push_str(self.pick(SERVERS)),
                Some(b'I') => out.push_str(&self.below(4).to_string()),
                Some(b'B') => out.push_str(self.pick(&["true", "false"])),
                Some(b'J') => self.json(0, &mut out),
                Some(b'S') => out.push_str(self.pick(&["", " ", "\n"])),
                _ => {
                    while self.rarely(3) {
                        out.push(',');
                        self.member(1, &mut out);
                    }
                }
            }
            rest = behind.get(2..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }

    /// The template that is chosen, filled.
    pub fn fill_one(&mut self, templates: &[&str]) -> String {
        let template = self.pick(templates);
        self.fill(template)
    }

    /// Some of these, filled, with commas between.
    pub fn list(&mut self, templates: &[&str]) -> String {
        let count = self.below(5);
        let items: Vec<String> = (0..count).map(|_| self.fill_one(templates)).collect();
        items.join(self.pick(&[",", " , "]))
    }

    fn member(&mut self, depth: usize, out: &mut String) {
        let key = self.pick(KEYS);
        out.push_str(&format!("\"{key}\":"));
        self.json(depth, out);
    }

    fn json(&mut self, depth: usize, out: &mut String) {
        match self.below(if depth > 3 { 6 } else { 10 }) {
            0 => out.push_str("null"),
            1 => out.push_str(self.pick(&["true", "false"])),
            2 => out.push_str(self.pick(&["0", "1", "-1", "1.0", "1e2", "18446744073709551615", "7"])),
            3 => out.push_str(&format!("\"{}\"", self.pick(NAMES))),
            4 | 5 => out.push_str(&format!("\"{}\"", self.pick(TEXTS))),
            6 | 7 => {
                out.push('[');
                self.joined(out, |choices, out| choices.json(depth + 1, out));
                out.push(']');
            }
            _ => {
                out.push('{');
                self.joined(out, |choices, out| choices.member(depth + 1, out));
                out.push('}');
            }
        }
    }

    fn joined(&mut self, out: &mut String, mut one: impl FnMut(&mut Self, &mut String)) {
        for at in 0..self.below(4) {
            if at > 0 {
                out.push(',');
            }
            one(self, out);
        }
    }
}
