//! What agents say of themselves in headers: which program it is, and which session.

/// A program that is known to read refusals in a way of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Agent {
    ClaudeCode,
    Codex,
    Opencode,
    QwenCode,
    /// An SDK, or a program that we do not know.
    Other,
}

impl Agent {
    /// Every one of them.
    const ALL: [Self; 5] = [Self::ClaudeCode, Self::Codex, Self::Opencode, Self::QwenCode, Self::Other];

    /// The one that [`Agent::name`] calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.name() == name)
    }

    /// Recognises an agent by its `user-agent`.
    #[must_use]
    pub fn of(user_agent: &str) -> Self {
        let begins = |name: &str| user_agent.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if begins("claude-cli/") || begins("claude-code/") {
            Self::ClaudeCode
        } else if begins("codex") {
            Self::Codex
        } else if begins("opencode/") {
            Self::Opencode
        } else if begins("QwenCode/") {
            Self::QwenCode
        } else {
            Self::Other
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Opencode => "opencode",
            Self::QwenCode => "qwen-code",
            Self::Other => "other",
        }
    }
}

/// Whether a text of an agent's preamble says that a sub-agent speaks: Claude Code has it in the first
/// line of its system text, where its version sends no header.
#[must_use]
pub fn says_sub_agent(text: &str) -> bool {
    text.starts_with("x-anthropic-billing-header:") && text.contains("cc_is_subagent=true")
}

/// Names a run outright; the caller's own choice.
pub const RUN_HEADER: &str = "x-jetway-run";
/// Carries a Jetway key where `authorization` is the provider's.
pub const KEY_HEADER: &str = "x-jetway-key";

/// The headers by which agents name their session, most telling first.
pub const SESSION_HEADERS: &[&str] = &[
    RUN_HEADER,
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-parent-session-id",
    "x-session-id",
    "thread-id",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_recognised() {
        let of = Agent::of;
        assert_eq!(of("claude-cli/2.1.328 (external, sdk-cli)"), Agent::ClaudeCode);
        assert_eq!(of("codex_exec/0.169.0 (Debian 12.0.0; x86_64)"), Agent::Codex);
        assert_eq!(of("opencode/1.18.33 ai-sdk/provider-utils"), Agent::Opencode);
        assert_eq!(of("QwenCode/0.15.10 (linux; x64)"), Agent::QwenCode);
        assert_eq!(of("Anthropic/Python 2.12.0"), Agent::Other);
        assert_eq!(of(""), Agent::Other);
        assert!(Agent::ALL.into_iter().all(|agent| Agent::named(agent.name()) == Some(agent)));
    }
}
