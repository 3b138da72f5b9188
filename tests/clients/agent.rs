//! The agents, as a person starts them without a terminal, and a job that each gets done.

use std::process::Command;

use serde_json::{Value, json};

use crate::place::{Place, Ran, installed};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agent {
    ClaudeCode,
    /// With this model, which decides how its tools look.
    Codex(&'static str),
    /// With its own provider and an account in the place of a key: it tries a WebSocket first, and
    /// compresses its requests.
    CodexSignedIn,
}

/// A shell is a tool of its own.
pub(crate) const CODEX: Agent = Agent::Codex("gpt-5.5");
/// A shell is called in the source of one tool, `exec`.
pub(crate) const CODEX_IN_CODE: Agent = Agent::Codex("gpt-6.1-sol");

/// Nobody's account: a token that is signed by nobody.
const ACCOUNT: &str = r#"{
    "auth_mode": "chatgpt",
    "OPENAI_API_KEY": null,
    "tokens": { "id_token": "TOKEN", "access_token": "TOKEN", "refresh_token": "none", "account_id": "acc_dummy" },
    "last_refresh": "2099-01-01T00:00:00Z"
}"#;
/// It reads: dummy@example.com, of the account `acc_dummy`, until the year 2100.
const TOKEN: &str = concat!(
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.",
    "eyJleHAiOjQxMDI0NDQ4MDAsImVtYWlsIjoiZHVtbXlAZXhhbXBsZS5jb20iLCJodHRwczovL2FwaS5vcGVuYWkuY29tL2F1dGgi",
    "OnsiY2hhdGdwdF9wbGFuX3R5cGUiOiJwcm8iLCJjaGF0Z3B0X2FjY291bnRfaWQiOiJhY2NfZHVtbXkifX0.",
    "c2ln"
);

impl Agent {
    /// As Jetway names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex(_) | Self::CodexSignedIn => "codex",
        }
    }

    /// Gives it a task, with this as the address of its provider.
    pub(crate) fn run(self, place: &Place, url: &str, key: &str, task: &str) -> Ran {
        self.run_again(place, url, key, &[task])
    }

    /// Likewise, with what it is to do with a session that there is, and the task behind that.
    pub(crate) fn run_again(self, place: &Place, url: &str, key: &str, words: &[&str]) -> Ran {
        let command = match self {
            Self::ClaudeCode => {
                let mut command = place.command(&installed().join("node_modules/.bin/claude"));
                command.arg("-p").args(words).args(["--allowedTools", "Read,Edit,Write,Bash"]);
                command.env("ANTHROPIC_BASE_URL", url).env("ANTHROPIC_AUTH_TOKEN", key);
                command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
                command
            }
            Self::Codex(model) => {
                let config = format!(
                    "model = \"{model}\"\nmodel_provider = \"jetway\"\n[model_providers.jetway]\nname = \"Jetway\"\n\
                     base_url = \"{url}/v1\"\nenv_key = \"JETWAY_KEY\"\nwire_api = \"responses\"\n"
                );
                let mut command = codex(place, &config, words);
                command.env("JETWAY_KEY", key);
                command
            }
            Self::CodexSignedIn => {
                let config = format!("model = \"gpt-5.5\"\nopenai_base_url = \"{url}/v1\"\n");
                let command = codex(place, &config, words);
                std::fs::write(place.home().join(".codex/auth.json"), ACCOUNT.replace("TOKEN", TOKEN)).unwrap();
                command
            }
        };
        place.run(command)
    }

    /// A call of its shell.
    pub(crate) fn shell(self, line: &str) -> Value {
        match self {
            Self::ClaudeCode => json!({ "tool": "Bash", "input": { "command": line, "description": "A step" } }),
            CODEX_IN_CODE => {
                let source =
                    format!("const ran = await tools.exec_command({{cmd: {}}}); text(ran.output);", Value::from(line));
                json!({ "tool": "exec", "custom": source })
            }
            Self::Codex(_) | Self::CodexSignedIn => json!({ "tool": "exec_command", "input": { "cmd": line } }),
        }
    }
}

fn codex(place: &Place, config: &str, words: &[&str]) -> Command {
    let folder = place.home().join(".codex");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), config).unwrap();
    let mut command = place.command(&installed().join("node_modules/.bin/codex"));
    command.args(["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]).args(words);
    command
}

/// What the job is, in the words of the person.
pub(crate) const TASK: &str = "Greet Jetway instead of the world, and count the lines.";
/// What the model says when it is done.
pub(crate) const DONE: &str = "The greeting is edited and counted.";
/// How often the model is asked.
pub(crate) const TURNS: usize = 4;

/// A model that reads a file, edits it, runs a command and says so; `manner` is how each of its
/// replies is put on the wire.
pub(crate) fn job(agent: Agent, place: &Place, manner: &Value) -> String {
    place.put("greeting.txt", "Hello, world\n");
    let count = agent.shell("wc -l < greeting.txt > lines.txt; echo counted $(cat lines.txt)");
    let patch = "*** Begin Patch\n*** Update File: greeting.txt\n@@\n-Hello, world\n+Hello, Jetway\n*** End Patch\n";
    let (read, edit) = match agent {
        Agent::ClaudeCode => {
            let file = place.project().join("greeting.txt");
            let change = json!({ "file_path": file, "old_string": "world", "new_string": "Jetway" });
            (json!({ "tool": "Read", "input": { "file_path": file } }), json!({ "tool": "Edit", "input": change }))
        }
        CODEX_IN_CODE => {
            let source = format!("text(await tools.apply_patch({}));", Value::from(patch));
            (agent.shell("cat greeting.txt"), json!({ "tool": "exec", "custom": source }))
        }
        Agent::Codex(_) | Agent::CodexSignedIn => {
            (agent.shell("cat greeting.txt"), json!({ "tool": "apply_patch", "custom": patch }))
        }
    };
    let usage = |turn: u64| json!({ "input": 1000 + turn, "cache_read": 500, "output": 10 + turn });
    let mut turns = [
        json!({ "thinking": "Where is it?", "text": "I will read the greeting.", "calls": [read], "usage": usage(0) }),
        json!({ "calls": [edit], "usage": usage(1) }),
        json!({ "text": "Now the lines.", "calls": [count], "usage": usage(2) }),
        json!({ "text": DONE, "usage": usage(3) }),
    ];
    for turn in &mut turns {
        turn.as_object_mut().unwrap().extend(manner.as_object().unwrap().clone());
    }
    json!({ "scenarios": [{ "name": "greeting", "turns": turns }] }).to_string()
}

/// The job is done, and the person knows.
#[track_caller]
pub(crate) fn assert_done(place: &Place, ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains(DONE), "{ran:?}");
    assert_eq!((&*place.read("greeting.txt"), place.read("lines.txt").trim()), ("Hello, Jetway\n", "1"), "{ran:?}");
}
