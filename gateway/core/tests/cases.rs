//! The tables of calls that stand in `policies/cases` and have rules of their own.

use jetway_core::policy::lockdown::place::Folders;
use jetway_core::policy::lockdown::{Rules, cases};

/// Says which cases do not hold.
fn check(file: &str, text: &str) -> Result<(), String> {
    let document: cases::Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let cases::Given::Rules(inline) = &document.given else { return Err(format!("{file} is about a policy")) };
    let rules = Rules::of_cases(inline).map_err(|error| error.to_string())?;
    let folders: Folders = document.folders.clone();
    let outcome = document.run(file, |case, _| rules.try_case(case, &folders));
    let shown: Vec<String> = outcome.differences.iter().map(ToString::to_string).collect();
    if shown.is_empty() { Ok(()) } else { Err(shown.join("\n")) }
}

macro_rules! tables {
    ($($name:ident: $file:literal,)*) => {
        $(#[test]
        fn $name() -> Result<(), String> {
            check($file, include_str!(concat!("../../../policies/cases/", $file)))
        })*
    };
}

tables! {
    aider_like: "aider-like.yaml",
    allow_lists: "allow-lists.yaml",
    ordinary: "ordinary.yaml",
    programs: "programs.yaml",
    shell_attacks: "shell-attacks.yaml",
    tools_and_arguments: "tools-and-arguments.yaml",
    claude_code: "claude-code.yaml",
    codex: "codex.yaml",
    codex_code: "codex-code.yaml",
    codex_older: "codex-older.yaml",
    gemini_cli: "gemini-cli.yaml",
    mini_swe_agent: "mini-swe-agent.yaml",
    opencode: "opencode.yaml",
    pi: "pi.yaml",
}
