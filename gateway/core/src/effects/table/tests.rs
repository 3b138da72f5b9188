use proptest::prelude::*;

use super::*;
use crate::effects::place::within;
use crate::effects::{Effect, Place, Word, shell};

/// The effects in a few letters: `R` reads, `W` writes, with `*` for a pattern and `/` for a tree;
/// `F` fetches; `S` sends; `$` runs; `?` something is unclear.
fn rendered(effects: &Effects) -> String {
    let place = |place: &Place| match place {
        Place::Path(path) => format!(" {path}"),
        Place::Glob(pattern) => format!("* {pattern}"),
        Place::Tree(path) => format!("/ {path}"),
        Place::Unknown => " ?".to_owned(),
    };
    let word = |word: &Word| match word {
        Word::Literal(text) => text.clone(),
        Word::Unknown => "?".to_owned(),
    };
    let mut all: Vec<String> = effects
        .list
        .iter()
        .map(|effect| match effect {
            Effect::Runs(words) => format!("$ {}", words.iter().map(word).collect::<Vec<_>>().join(" ")),
            Effect::Reads(at) => format!("R{}", place(at)),
            Effect::Writes(at) => format!("W{}", place(at)),
            Effect::Fetches(Some(url)) => format!("F {url}"),
            Effect::Fetches(None) => "F ?".to_owned(),
            Effect::Sends => "S".to_owned(),
        })
        .collect();
    all.extend(effects.unclear.is_some().then(|| "?".to_owned()));
    all.join(", ")
}

#[track_caller]
fn check(rows: &[(&str, &str, &str)]) {
    for (name, arguments, expect) in rows {
        let effects = Table::shipped().effects(name, None, arguments);
        assert_eq!(rendered(&effects), *expect, "{name} {arguments}: {:?}", effects.unclear);
    }
}

/// Holds that a call is judged as this command is, below this folder.
#[track_caller]
fn runs(rows: &[(&str, &str, &str, &str)]) {
    for (name, arguments, command, folder) in rows {
        let expect = within(folder, shell::read(command));
        // A program tells besides which calls it makes.
        let found = Effects { program: None, ..Table::shipped().effects(name, None, arguments) };
        assert_eq!(found, expect, "{name} {arguments}");
    }
}

/// Holds that a call is unclear, and that the reason says this.
#[track_caller]
fn unclear(rows: &[(&str, &str, &str)]) {
    for (name, arguments, says) in rows {
        let effects = Table::shipped().effects(name, None, arguments);
        let why = effects.unclear.unwrap_or_default();
        assert!(why.contains(says), "{name} {arguments}: {why:?}");
    }
}

#[test]
fn the_shipped_table_is_readable_and_names_no_argument_twice() {
    let document: Document = serde_saphyr::from_str(include_str!("../tools.yaml")).unwrap();
    for tool in &document.tools {
        assert!(!tool.names.is_empty(), "{tool:?}");
        let mut names: Vec<&str> = call::names(tool).map(|name| name.trim_end_matches('?')).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{:?}: {names:?}", tool.names);
    }
    assert!(document.tools.len() > 100);
    assert!(Table::shipped().knows("Read"));
}

#[test]
fn claude_code() {
    check(&[
        ("Read", r#"{"file_path":"/w/.env"}"#, "R /w/.env"),
        ("Read", r#"{"file_path":"a.pdf","pages":"1-5"}"#, "R a.pdf"),
        ("Read", r#"{"file_path":"a.rs","offset":10,"limit":20}"#, "R a.rs"),
        ("Read", r#"{"file_path":"./.env"}"#, "R ./.env"),
        ("Read", r#"{"file_path":"\u002eenv"}"#, "R .env"),
        ("Read", r#"{"file_path":"a","limit":null}"#, "R a"),
        ("NotebookRead", r#"{"notebook_path":"a.ipynb"}"#, "R a.ipynb"),
        ("Write", r#"{"file_path":"a.rs","content":"x"}"#, "W a.rs"),
        ("Edit", r#"{"file_path":"a.rs","old_string":"x","new_string":"y"}"#, "R a.rs, W a.rs"),
        ("Edit", r#"{"file_path":"a","old_string":"","new_string":"y","replace_all":true}"#, "R a, W a"),
        ("MultiEdit", r#"{"file_path":"a","edits":[{"old_string":"x","new_string":"y"}]}"#, "R a, W a"),
        ("NotebookEdit", r#"{"notebook_path":"a.ipynb","new_source":"x"}"#, "R a.ipynb, W a.ipynb"),
        ("Grep", r#"{"pattern":"KEY"}"#, "R/ ."),
        ("Grep", r#"{"pattern":"KEY","path":".env"}"#, "R/ .env"),
        ("Grep", r#"{"pattern":"KEY","path":""}"#, "R/ ."),
        ("Grep", r#"{"pattern":"KEY","path":"src","output_mode":"content","-n":true}"#, "R/ src"),
        ("Grep", r#"{"pattern":"KEY","glob":"*.rs"}"#, "R* **/*.rs"),
        ("Grep", r#"{"pattern":"KEY","glob":".env*"}"#, "R* **/.env*, R* **/.env*/**"),
        ("Grep", r#"{"pattern":"KEY","path":"app","glob":"*.ts"}"#, "R app, R* app/**/*.ts"),
        ("Grep", r#"{"pattern":"KEY","path":".env","glob":"*.ts"}"#, "R .env, R* .env/**/*.ts"),
        ("Grep", r#"{"pattern":"KEY","path":"app/","glob":"*.ts"}"#, "R* app/**/*.ts"),
        ("Grep", r#"{"pattern":"KEY","glob":"*.{ts,tsx}"}"#, "R* **/*.{ts,tsx}"),
        ("Grep", r#"{"pattern":"KEY","glob":"*.ts,.env"}"#, "R* **/*.ts, R* **/.env, R* **/.env/**"),
        ("Grep", r#"{"pattern":"KEY","glob":"*.ts .env"}"#, "R* **/*.ts, R* **/.env, R* **/.env/**"),
        ("Grep", r#"{"pattern":"KEY","glob":"!*.ts"}"#, "R/ ."),
        ("Grep", r#"{"pattern":"KEY","glob":"src/*.ts"}"#, "R* src/*.ts, R* **/src/*.ts"),
        ("Grep", r#"{"pattern":"KEY","glob":"**/*.ts"}"#, "R* **/*.ts"),
        ("Grep", r#"{"pattern":"KEY","glob":"/.env"}"#, "R* **/.env, R* **/.env/**"),
        ("Grep", r#"{"pattern":"KEY","glob":"src"}"#, "R* **/src, R* **/src/**"),
        ("Grep", r#"{"pattern":"KEY","glob":" "}"#, "R/ ."),
        ("Grep", r#"{"pattern":"KEY","path":"[x]","glob":"*.ts"}"#, "R [x], R* [[]x[]]/**/*.ts"),
        ("Grep", r#"{"pattern":"KEY","type":"rust"}"#, "R* **/*.rs"),
        ("Grep", r#"{"pattern":"KEY","type":"sh"}"#, "R/ ."),
        ("Grep", r#"{"pattern":"KEY","type":"rust","glob":".env"}"#, "R* **/.env, R* **/.env/**"),
        ("Glob", r#"{"pattern":"**/.env*"}"#, ""),
        ("Glob", r#"{"pattern":"*.rs","path":"src"}"#, ""),
        ("LS", r#"{"path":"/w"}"#, ""),
        ("WebFetch", r#"{"url":"https://a.example/x","prompt":"sum"}"#, "F https://a.example/x"),
        ("WebSearch", r#"{"query":"rust"}"#, "F ?"),
        ("WebSearch", r#"{"query":"rust","allowed_domains":["a.example"]}"#, "F ?"),
        ("LSP", r#"{"operation":"hover","filePath":"a.rs","line":1,"character":2}"#, "R a.rs"),
        ("Agent", r#"{"description":"d","prompt":"p","subagent_type":"Explore"}"#, ""),
        ("Agent", r#"{"description":"d","prompt":"p","isolation":"worktree"}"#, ""),
        ("Task", r#"{"description":"d","prompt":"p"}"#, ""),
        ("SendMessage", r#"{"to":"x","message":"m"}"#, "S"),
        ("TodoWrite", r#"{"todos":[{"content":"x","status":"pending","activeForm":"y"}]}"#, ""),
        ("ExitPlanMode", r#"{"plan":"p"}"#, ""),
        ("AskUserQuestion", r#"{"questions":[]}"#, ""),
        ("BashOutput", r#"{"bash_id":"1"}"#, ""),
        ("KillShell", r#"{"shell_id":"1"}"#, ""),
        ("ToolSearch", r#"{"query":"select:Grep"}"#, ""),
        ("TaskStop", "", ""),
        ("CronList", "{}", ""),
    ]);
    unclear(&[
        ("Agent", r#"{"description":"d","prompt":"p","isolation":"remote"}"#, "must be one of: worktree"),
        ("Skill", r#"{"skill":"x"}"#, "commands of its own"),
        ("Workflow", r#"{"script":"x"}"#, "cannot be told"),
        ("PowerShell", r#"{"command":"gc .env"}"#, "not read"),
        ("EnterWorktree", "{}", "another folder"),
        ("Monitor", r#"{"description":"d","timeout_ms":1,"ws":{"url":"wss://a.example"}}"#, "`ws`"),
        ("ReadMcpResourceTool", r#"{"server":"s","uri":"file:///w/.env"}"#, "MCP"),
    ]);
}

#[test]
fn codex() {
    let patch = "*** Begin Patch\n*** Update File: src/a.rs\n@@\n-a\n+b\n*** End Patch";
    let in_json = serde_json::json!({ "input": patch }).to_string();
    check(&[
        ("apply_patch", patch, "R src/a.rs, W src/a.rs"),
        ("apply_patch", &in_json, "R src/a.rs, W src/a.rs"),
        ("view_image", r#"{"path":"a.png"}"#, "R a.png"),
        ("grep_files", r#"{"pattern":"x","path":"src","include":"*.rs"}"#, "R src, R* src/**/*.rs"),
        ("write_stdin", r#"{"session_id":1}"#, ""),
        ("write_stdin", r#"{"session_id":1,"chars":""}"#, ""),
        ("write_stdin", r#"{"session_id":1,"chars":"cat .env\n"}"#, "?"),
        ("update_plan", r#"{"plan":[{"step":"x","status":"pending"}]}"#, ""),
        ("spawn_agent", r#"{"message":"m","task_name":"t"}"#, ""),
        ("wait", r#"{"cell_id":"1"}"#, ""),
        ("create_goal", r#"{"objective":"o"}"#, ""),
        ("web_search", r#"{"query":"q"}"#, "F ?"),
        ("exec", "text('hi')", ""),
        ("exec", r#"const r = await tools.view_image({path: "a.png"}); image(r)"#, "R a.png"),
        ("exec", "await tools.apply_patch(`*** Begin Patch\n*** Add File: a\n+x\n*** End Patch`)", "W a"),
        ("exec", "await tools.update_plan({plan: []})", ""),
        ("exec", "await tools.clock__sleep({duration_ms: 5})", ""),
        ("exec", "await tools.exec('tools.view_image({path: \"a\"})')", "?"),
        ("exec", "await tools.mcp__x__y({})", "?"),
        ("exec", "{}", "?"),
        ("exec", r#"{"cmd":"ls"}"#, "?"),
    ]);
    runs(&[
        ("shell", r#"{"command":["ls","-l"]}"#, "'ls' '-l'", "."),
        ("shell", r#"{"command":["bash","-lc","cat .env"]}"#, "'bash' '-lc' 'cat .env'", "."),
        ("shell", r#"{"command":["echo","it's"],"workdir":"app"}"#, r"'echo' 'it'\''s'", "app"),
        ("shell", r#"{"command":["ls"],"timeout_ms":1000,"justification":"j"}"#, "'ls'", "."),
        ("container.exec", r#"{"command":["ls"]}"#, "'ls'", "."),
        ("local_shell", r#"{"type":"exec","command":["ls"],"working_directory":"/w"}"#, "'ls'", "/w"),
        ("shell_command", r#"{"command":"cat .env","workdir":"/w"}"#, "cat .env", "/w"),
        ("exec_command", r#"{"cmd":"cat .env"}"#, "cat .env", "."),
        ("exec_command", r#"{"cmd":"cat .env","workdir":"app","yield_time_ms":1000}"#, "cat .env", "app"),
        ("exec_command", r#"{"cmd":"ls","shell":"/bin/bash","login":false,"tty":true}"#, "ls", "."),
        ("exec", r#"await tools.exec_command({cmd: "cat .env", workdir: "app"})"#, "cat .env", "app"),
    ]);
    let heredoc = format!("apply_patch <<'EOF'\n{patch}\nEOF\n");
    let argv = serde_json::json!({ "command": ["bash", "-lc", &heredoc], "workdir": "app" }).to_string();
    check(&[
        ("exec_command", &serde_json::json!({ "cmd": &heredoc }).to_string(), "$ apply_patch, R src/a.rs, W src/a.rs"),
        ("shell", &argv, "$ apply_patch, R app/src/a.rs, W app/src/a.rs"),
    ]);
    unclear(&[
        ("shell", r#"{"command":[]}"#, "empty list"),
        ("shell", r#"{"command":["ls",1]}"#, "no text"),
        ("local_shell", r#"{"command":["ls"],"env":{"BASH_ENV":"x"}}"#, "`env`"),
        ("exec_command", r#"{"cmd":"ls","shell":"python3"}"#, "must be one of"),
        ("exec_command", r#"{"cmd":"ls","workdir":"a\\b"}"#, "two ways"),
        ("exec_command", r#"{"cmd":"ls","workdir":""}"#, "empty"),
        ("js_repl", "x", "cannot be told"),
        ("apply_patch", "src/a.rs", "no kind"),
    ]);
}

#[test]
fn opencode_and_pi() {
    check(&[
        ("read", r#"{"filePath":"/w/a"}"#, "R /w/a"),
        ("read", r#"{"path":"a","offset":1,"limit":2}"#, "R a"),
        ("read", r#"{"path":"@.env"}"#, "R @.env, R .env"),
        ("read", "{\"path\":\"a\u{a0}b\"}", "R a\u{a0}b, R a b"),
        ("write", r#"{"filePath":"a","content":"x"}"#, "W a"),
        ("write", r#"{"path":"a","content":"x"}"#, "W a"),
        ("edit", r#"{"filePath":"a","oldString":"x","newString":"y"}"#, "R a, W a"),
        ("edit", r#"{"path":"a","edits":[{"oldText":"x","newText":"y"}]}"#, "R a, W a"),
        ("edit", r#"{"path":"a","oldText":"x","newText":"y"}"#, "R a, W a"),
        ("edit", r#"{"file_path":"a","old_string":"x","new_string":"y"}"#, "R a, W a"),
        ("multiedit", r#"{"filePath":"a","edits":[]}"#, "R a, W a"),
        ("grep", r#"{"pattern":"x","path":"src","include":"*.ts"}"#, "R src, R* src/**/*.ts"),
        ("grep", r#"{"pattern":"x","glob":".env","ignoreCase":true}"#, "R* **/.env, R* **/.env/**"),
        ("grep", r#"{"pattern":"x","path":".env","limit":1}"#, "R/ .env"),
        ("glob", r#"{"pattern":"*"}"#, ""),
        ("find", r#"{"pattern":"*.ts","path":"."}"#, ""),
        ("ls", r#"{"path":"."}"#, ""),
        ("list", r#"{"path":"."}"#, ""),
        ("webfetch", r#"{"url":"https://a.example","format":"text"}"#, "F https://a.example"),
        ("websearch", r#"{"query":"q"}"#, "F ?"),
        ("patch", r#"{"patchText":"*** Begin Patch\n*** Delete File: a\n*** End Patch"}"#, "W a"),
        ("apply_patch", r#"{"patchText":"*** Begin Patch\n*** Add File: a\n+x\n*** End Patch"}"#, "W a"),
        ("skill", r#"{"name":"x"}"#, ""),
        ("task", r#"{"description":"d","prompt":"p","subagent_type":"x"}"#, ""),
        ("todowrite", r#"{"todos":[]}"#, ""),
    ]);
    runs(&[
        ("bash", r#"{"command":"ls","timeout":5}"#, "ls", "."),
        ("bash", r#"{"command":"cat .env","workdir":"/w","description":"d"}"#, "cat .env", "/w"),
        ("bash", r#"{"command":"ls","restart":false}"#, "ls", "."),
        ("Bash", r#"{"command":"ls","description":"d","run_in_background":true}"#, "ls", "."),
        ("Monitor", r#"{"command":"tail -f x","description":"d","timeout_ms":5}"#, "tail -f x", "."),
    ]);
    check(&[("bash", r#"{"restart":true}"#, "")]);
    unclear(&[
        ("read", r#"{"path":"a","filePath":".env"}"#, "is not known"),
        ("read", "{}", "missing"),
        ("bash", r#"{"command":"ls","env":{}}"#, "`env`"),
    ]);
}

#[test]
fn gemini_and_qwen() {
    check(&[
        ("read_file", r#"{"file_path":"a","start_line":1,"end_line":2}"#, "R a"),
        ("read_file", r#"{"file_path":"a","offset":0,"limit":5}"#, "R a"),
        ("read_file", r#"{"absolute_path":"/w/.env"}"#, "R /w/.env"),
        ("read_file", r#"{"file_path":" .env"}"#, "R  .env, R .env"),
        ("read_file", r#"{"file_path":"\\.env"}"#, "R \\.env, R .env, R /.env"),
        ("read_file", r#"{"file_path":"file:///w/.env"}"#, "R file:///w/.env, R /w/.env"),
        ("read_file", r#"{"file_path":"\".env\""}"#, "R \".env\", R .env"),
        ("read_many_files", r#"{"include":["src/*.ts",".env"]}"#, "R* src/*.ts, R/ .env"),
        ("read_many_files", r#"{"paths":["**/*"],"recursive":true}"#, "R* {**,**/.*/**}/{,.}*"),
        ("read_many_files", r#"{"include":"docs","exclude":["x"]}"#, "R/ docs"),
        ("write_file", r#"{"file_path":"a","content":"x"}"#, "W a"),
        ("replace", r#"{"file_path":"a","instruction":"i","old_string":"x","new_string":"y"}"#, "R a, W a"),
        ("grep_search", r#"{"pattern":"x","dir_path":"src","include_pattern":"*.ts"}"#, "R src, R* src/**/*.ts"),
        ("grep_search", r#"{"pattern":"x","dir_path":"src"}"#, "R/ src"),
        ("grep_search", r#"{"pattern":"x","glob":"*.env","path":"."}"#, "R* **/{,.}*.env"),
        ("grep_search", r#"{"pattern":"x","path":".env","limit":1}"#, "R/ .env"),
        ("grep_search", r#"{"query":"x","include_pattern":"*.ts"}"#, "R* **/*.ts"),
        ("search_file_content", r#"{"pattern":"x","include":".env*"}"#, "R* **/.env*, R* **/.env*/**"),
        ("glob", r#"{"pattern":"*.ts","dir_path":"src","case_sensitive":true}"#, ""),
        ("list_directory", r#"{"dir_path":"."}"#, ""),
        ("web_fetch", r#"{"prompt":"sum https://a.example"}"#, "F ?"),
        ("web_fetch", r#"{"url":"https://a.example","prompt":"sum"}"#, "F https://a.example"),
        ("google_web_search", r#"{"query":"q"}"#, "F ?"),
        ("todo_write", r#"{"todos":[]}"#, ""),
        ("write_todos", r#"{"todos":[]}"#, ""),
        ("update_topic", r#"{"strategic_intent":"x"}"#, ""),
        ("invoke_agent", r#"{"agent_name":"a","prompt":"p"}"#, ""),
        ("send_message", r#"{"task_id":"1","message":"m"}"#, "S"),
    ]);
    runs(&[
        ("run_shell_command", r#"{"command":"ls","description":"d"}"#, "ls", "."),
        ("run_shell_command", r#"{"command":"cat .env","dir_path":"app","is_background":false}"#, "cat .env", "app"),
        ("run_shell_command", r#"{"command":"cat .env","directory":"/w","timeout":5}"#, "cat .env", "/w"),
        ("monitor", r#"{"command":"make","directory":"/w"}"#, "make", "/w"),
    ]);
    unclear(&[
        ("save_memory", r#"{"fact":"x"}"#, "no argument names"),
        ("activate_skill", r#"{"name":"x"}"#, "commands of its own"),
    ]);
}

#[test]
fn editors_and_other_agents() {
    check(&[
        ("str_replace_based_edit_tool", r#"{"command":"view","path":"/w"}"#, "R/ /w"),
        ("str_replace_based_edit_tool", r#"{"command":"view","path":"a","view_range":[1,2]}"#, "R/ a"),
        ("str_replace_based_edit_tool", r#"{"command":"create","path":"a","file_text":"x"}"#, "W a"),
        ("str_replace_editor", r#"{"command":"str_replace","path":"a","old_str":"x","new_str":"y"}"#, "R a, W a"),
        ("str_replace_editor", r#"{"command":"insert","path":"a","insert_line":1,"insert_text":"x"}"#, "R a, W a"),
        ("str_replace_editor", r#"{"command":"undo_edit","path":"a"}"#, "W a"),
        (
            "memory",
            r#"{"command":"rename","old_path":"/memories/a","new_path":"/memories/b"}"#,
            "W /memories/a, W /memories/b",
        ),
        ("read_file", r#"{"target_file":"a","should_read_entire_file":true}"#, "R a"),
        ("read_file", r#"{"path":"a"}"#, "R a"),
        ("read_file", r#"{"filePath":"a","startLine":1,"endLine":2}"#, "R a"),
        ("edit_file", r#"{"target_file":"a","instructions":"i","code_edit":"x"}"#, "R a, W a"),
        ("search_replace", r#"{"file_path":"a","old_string":"x","new_string":"y"}"#, "R a, W a"),
        ("replace_in_file", r#"{"path":"a","diff":"x"}"#, "R a, W a"),
        ("replace_string_in_file", r#"{"filePath":"a","oldString":"x","newString":"y"}"#, "R a, W a"),
        ("write_to_file", r#"{"path":"a","content":"x"}"#, "W a"),
        ("create_file", r#"{"filePath":"a","content":"x"}"#, "W a"),
        ("delete_file", r#"{"target_file":"a"}"#, "W a"),
        ("codebase_search", r#"{"query":"q","target_directories":["src","docs"]}"#, "R/ src, R/ docs"),
        ("search_files", r#"{"path":"src","regex":"x","file_pattern":"*.ts"}"#, "R src, R* src/**/*.ts"),
        ("list_code_definition_names", r#"{"path":"src"}"#, "R/ src"),
        (
            "fetch_webpage",
            r#"{"urls":["https://a.example","https://b.example"]}"#,
            "F https://a.example, F https://b.example",
        ),
        ("fetch", r#"{"url":"https://a.example"}"#, "F https://a.example"),
        ("web_search", r#"{"search_term":"q"}"#, "F ?"),
        ("list_dir", r#"{"path":"."}"#, ""),
        ("mcp__filesystem__read_text_file", r#"{"path":".env","head":5}"#, "R .env"),
        ("mcp__filesystem__read_multiple_files", r#"{"paths":["a",".env"]}"#, "R a, R .env"),
        ("mcp__filesystem__write_file", r#"{"path":"a","content":"x"}"#, "W a"),
        ("mcp__filesystem__edit_file", r#"{"path":"a","edits":[],"dryRun":true}"#, "R a, W a"),
        ("mcp__filesystem__move_file", r#"{"source":".env","destination":"b"}"#, "R .env, W .env, W b"),
        ("mcp__filesystem__list_directory", r#"{"path":"."}"#, ""),
        ("filesystem_read_file", r#"{"path":".env"}"#, "R .env"),
    ]);
    runs(&[
        ("run_terminal_cmd", r#"{"command":"ls","is_background":false,"explanation":"e"}"#, "ls", "."),
        ("run_in_terminal", r#"{"command":"ls","explanation":"e","isBackground":false}"#, "ls", "."),
        ("execute_command", r#"{"command":"cat .env","requires_approval":false,"cwd":"app"}"#, "cat .env", "app"),
        ("developer__shell", r#"{"command":"ls"}"#, "ls", "."),
        ("execute_bash", r#"{"command":"ls","is_input":"false"}"#, "ls", "."),
    ]);
    unclear(&[
        ("execute_bash", r#"{"command":"y","is_input":"true"}"#, "types into"),
        ("str_replace_editor", r#"{"command":"exec","path":"a"}"#, "must be one of"),
        ("computer", r#"{"action":"key"}"#, "cannot be told"),
    ]);
}

#[test]
fn what_is_not_understood_is_unclear() {
    unclear(&[
        ("Unheard", "{}", "`Unheard` does is not known"),
        ("read_File", r#"{"file_path":"a"}"#, "not known"),
        ("mcp__github__get", "{}", "not known"),
        ("Read", r#"{"file_path":"a","file_path":".env"}"#, "stands twice"),
        ("Read", r#"{"file_path":"a","file\u005fpath":".env"}"#, "stands twice"),
        ("Read", r#"{"file_path":"a""#, "ends in the middle"),
        ("Read", r#"{"file_path":7}"#, "no text"),
        ("Read", r#"{"file_path":null}"#, "missing"),
        ("Read", r#"{"file_path":{"path":".env"}}"#, "no text"),
        ("Read", r#"{"file_path":["a",null]}"#, "no text"),
        ("Read", r#"{"file_path":""}"#, "empty"),
        ("Read", r#"{"file_path":"a\u0000.env"}"#, "control characters"),
        ("Read", r#"{"file_path":"file:///w/%2eenv"}"#, "plain path"),
        ("Read", r#"{"file_path":"a","File_path":".env"}"#, "`File_path`"),
        ("Read", r#"{"path":"a"}"#, "`path`"),
        ("Read", r#"["a"]"#, "no JSON object"),
        ("Read", "a", "cannot be read"),
        ("Read", "", "missing"),
        ("TodoWrite", "{", "ends in the middle"),
        ("Grep", r#"{"pattern":"x","glob":{"a":1}}"#, "no text"),
        ("Grep", r#"{"pattern":"x","paths":[".env"]}"#, "`paths`"),
        ("Bash", r#"{"command":{"x":1}}"#, "no text"),
    ]);
    let long = format!(r#"{{"file_path":"{}"}}"#, "a".repeat(5000));
    unclear(&[("Read", &long, "longer than")]);
    let many = format!(r#"{{"paths":[{}"a"]}}"#, r#""a","#.repeat(1000));
    unclear(&[("mcp__filesystem__read_multiple_files", &many, "no text")]);
}

#[test]
fn a_namespace_is_part_of_the_name() {
    let table = Table::shipped();
    let read = |space| rendered(&table.effects("read", space, r#"{"path":"a"}"#));
    assert_eq!(read(None), "R a");
    assert_eq!(read(Some("functions")), "R a");
    assert_eq!(read(Some("")), "R a");
    assert_eq!(read(Some("mcp__github")), "?");
    let text = |space| rendered(&table.effects("read_text_file", Some(space), r#"{"path":"a"}"#));
    assert_eq!(text("mcp__filesystem"), "R a");
    assert_eq!(text("mcp__filesystem__"), "R a");
    assert_eq!(rendered(&table.effects("sleep", Some("clock"), r#"{"duration_ms":5}"#)), "");
}

#[test]
fn specifiers_are_about_what_a_tool_does() {
    let kinds = [
        ("Bash", Kind::Commands),
        ("shell", Kind::Commands),
        ("exec", Kind::Commands),
        ("run_shell_command", Kind::Commands),
        ("Read", Kind::Reads),
        ("Grep", Kind::Reads),
        ("read_many_files", Kind::Reads),
        ("Edit", Kind::Writes),
        ("Write", Kind::Writes),
        ("apply_patch", Kind::Writes),
        ("str_replace_editor", Kind::Writes),
        ("WebFetch", Kind::Fetches),
        ("WebSearch", Kind::Fetches),
        ("TodoWrite", Kind::Unknown),
        ("Skill", Kind::Unknown),
        ("Unheard", Kind::Unknown),
    ];
    for (name, kind) in kinds {
        assert_eq!(Table::shipped().kind(name), kind, "{name}");
    }
}

#[test]
fn an_operator_adds_tools_and_says_otherwise_of_known_ones() {
    let own = "tools:\n- names: [mcp__files__get]\n  reads: [at]\n- names: [Skill]\n  harmless: true\n- names: [js]\n  programs: [source]\n";
    let table = Table::shipped().with(serde_saphyr::from_str(own).unwrap());
    assert_eq!(rendered(&table.effects("get", Some("mcp__files"), r#"{"at":".env"}"#)), "R .env");
    assert_eq!(rendered(&table.effects("Skill", None, r#"{"skill":"x"}"#)), "");
    assert_eq!(rendered(&table.effects("Read", None, r#"{"file_path":"a"}"#)), "R a");
    let program = r#"{"source":"await tools.Read({file_path: \".env\"})"}"#;
    assert_eq!(rendered(&table.effects("js", None, program)), "R .env");
    assert!(!Table::shipped().knows("mcp__files__get"));
    assert!(serde_saphyr::from_str::<Document>("tools:\n- names: [x]\n  raeds: [at]\n").is_err());
}

proptest! {
    #[test]
    fn no_arguments_bring_it_down(at in 0_usize..1000, arguments in ".{0,80}") {
        let table = Table::shipped();
        let mut names: Vec<&String> = table.tools.keys().collect();
        names.sort_unstable();
        let name = names[at % names.len()];
        let _effects = table.effects(name, None, &arguments);
    }

    #[test]
    fn an_argument_that_no_entry_names_is_never_passed_over(name in "[a-z]{3,12}", value in "[a-z./]{1,12}") {
        prop_assume!(!["path", "file", "offset", "limit", "pages"].contains(&name.as_str()));
        let arguments = serde_json::json!({ "file_path": "a", name: value }).to_string();
        prop_assert!(Table::shipped().effects("Read", None, &arguments).unclear.is_some());
    }
}
