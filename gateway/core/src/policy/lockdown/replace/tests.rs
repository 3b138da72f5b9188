//! What a model may say, what it is told otherwise, and what each agent is called with.

use std::fmt::Write;

use bytes::Bytes;

use super::{AgentCall, AgentTool, AgentTools, Document, Input, Rules};
use crate::wire::json::Json;

/// Two small tools: every kind of input, and a script that shows which came.
const TOOLS: &str = r#"
look:
  description: Looks.
  instead_of: [Bash, Read]
  inputs:
    file: { type: path, description: A file., allow: ["**/.env", "app/*.txt"] }
    names: { type: list, description: Names., pattern: "[A-Z]{1,4}", max_items: 3 }
    how: { type: text, description: How., enum: [fast, slow], required: false }
  becomes:
    shell: |
      echo "it's"
  result:
    lines: "[A-Z]+=(?:present|missing)"
    otherwise: Nothing.
write:
  description: Writes.
  inputs:
    note: { type: text, description: A note., pattern: "[^!]*", otherwise: "No shouting.", max_length: 5 }
    values: { type: map, description: Values., keys: "[A-Z]+", max_length: 3, max_items: 2, required: false }
  becomes: { shell: "true" }
  result: { lines: "ok", otherwise: No. }
"#;

fn rules(yaml: &str) -> Rules {
    serde_saphyr::from_str::<Rules>(yaml).unwrap()
}

fn with_schema(name: &str, namespace: Option<&str>, schema: &str) -> AgentTool {
    let json = Json::read(Bytes::copy_from_slice(schema.as_bytes())).unwrap();
    AgentTool::with_schema(name, namespace, json.root())
}

/// A tool with these members; `name!` is required, `name[]` a list.
fn tool(name: &str, members: &[&str]) -> AgentTool {
    let mut properties = String::new();
    let mut required = Vec::new();
    for member in members {
        let name = member.trim_end_matches(['!', ']', '[']);
        let kind = if member.contains("[]") { "array" } else { "string" };
        let comma = if properties.is_empty() { "" } else { "," };
        write!(properties, "{comma}\"{name}\":{{\"type\":\"{kind}\"}}").unwrap();
        if member.contains('!') {
            required.push(format!("\"{name}\""));
        }
    }
    let required = required.join(",");
    with_schema(
        name,
        None,
        &format!("{{\"type\":\"object\",\"properties\":{{{properties}}},\"required\":[{required}]}}"),
    )
}

fn claude_code() -> AgentTools {
    AgentTools(vec![tool("Read", &["file_path!"]), tool("Bash", &["command!", "description", "timeout"])])
}

#[track_caller]
fn refused(name: &str, arguments: &str, expect: &str) {
    let rules = rules(TOOLS);
    assert_eq!(rules.find(name).unwrap().become_call(arguments, &claude_code()), Err(expect.to_owned()), "{arguments}");
}

#[track_caller]
fn taken(name: &str, arguments: &str, expect: &[&str]) {
    let agent = AgentTools(vec![tool("shell", &["command[]!"])]);
    let call = rules(TOOLS).find(name).unwrap().become_call(arguments, &agent).unwrap();
    let Input::Json(json) = call.input else { panic!("{call:?}") };
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let words: Vec<&str> = json["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words[..2], ["sh", "-c"]);
    assert_eq!(words[3..], [&[name], expect].concat(), "{arguments}");
}

#[test]
fn what_is_said_reaches_the_script_as_plain_words() {
    taken("look", r#"{"file":".env","names":["A"]}"#, &["./.env", "A"]);
    taken("look", r#"{"file":"./a//b/./.env","names":["A","B"],"how":"slow"}"#, &["./a/b/.env", "slow", "A", "B"]);
    taken("look", r#"{"file":"-x/.env","names":["A"]}"#, &["./-x/.env", "A"]);
    taken("look", r#"{"file":"it's $(x)/.env","names":["A"]}"#, &["./it\\0047s \\0044\\0050x\\0051/.env", "A"]);
    taken("look", r#"{"file":"app/a.txt","names":["A"]}"#, &["./app/a.txt", "A"]);
    taken("write", r#"{"note":""}"#, &[""]);
    taken(
        "write",
        r#"{"note":"a;\\b","values":{"K":"\u2019","L":""}}"#,
        &["a\\0073\\0134b", "K", "\\0342\\0200\\0231", "L", ""],
    );
}

#[test]
fn paths_stay_below_the_folder() {
    let refused = |path: &str, why: &str| {
        let arguments = serde_json::json!({"file": path, "names": ["A"]}).to_string();
        refused("look", &arguments, &format!("`file` may not be {path:?}: {why}"));
    };
    let outside = "it must stay below the folder that you work in, without `..`.";
    refused("../.env", outside);
    refused("a/../.env", outside);
    refused("a/..", outside);
    let absolute = "write it from the folder that you work in, such as `app/.env`.";
    refused("/etc/.env", absolute);
    refused("~/.env", absolute);
    refused("~root/.env", absolute);
    refused("C:/x/.env", absolute);
    refused("a\\.env", "folders are parted by `/`.");
    refused("a\n/.env", "it has a line end or another control character.");
    let other = "this tool works on **/.env, app/*.txt alone.";
    refused(".env.local", other);
    refused(".env/", other);
    refused("x.env", other);
    refused("app/b/a.txt", other);
    refused("*/.en?", other);
    refused(".ENV", other);
    refused(".", other);
}

#[test]
fn what_does_not_fit_is_said() {
    let file = r#""file":".env""#;
    refused("look", &format!("{{{file}}}"), "`look` needs the input `names`.");
    refused("look", &format!("{{{file},\"names\":[]}}"), "`names` is empty; name at least one.");
    refused("look", &format!("{{{file},\"names\":\"A\"}}"), "`names` must be a list of strings.");
    refused("look", &format!("{{{file},\"names\":[\"A\",7]}}"), "Item 2 of `names` must be a string.");
    refused("look", &format!("{{{file},\"names\":[\"A.*\"]}}"), "Item 1 of `names` must match `^(?:[A-Z]{1,4})$`.");
    refused(
        "look",
        &format!("{{{file},\"names\":[\"A\",\"A\"]}}"),
        "Item 2 of `names` stands there twice; name each once.",
    );
    refused(
        "look",
        &format!("{{{file},\"names\":[\"A\",\"B\",\"C\",\"D\"]}}"),
        "`names` may have at most 3; call the tool again for the others.",
    );
    refused("look", &format!("{{{file},\"names\":[\"A\"],\"how\":\"odd\"}}"), "`how` must be one of: fast, slow.");
    refused("look", r#"{"file":null,"names":["A"]}"#, "`file` must be a string.");
    refused("look", r#"{"file":"","names":["A"]}"#, "`file` must be a path of 1 to 512 bytes.");
    refused("write", r#"{"note":"x!"}"#, "`note` cannot be taken. No shouting.");
    refused("write", r#"{"note":"long line"}"#, "`note` may have at most 5 characters.");
    let line = "must be one line of plain text, without line ends, tabs and control characters.";
    refused("write", r#"{"note":"a\nb"}"#, &format!("`note` {line}"));
    refused("write", r#"{"note":"a\u0000"}"#, &format!("`note` {line}"));
    refused("write", r#"{"note":"\ud800"}"#, &format!("`note` {line}"));
    refused("write", r#"{"note":"","values":{"K":"\r"}}"#, &format!("The value of `K` in `values` {line}"));
    refused("write", r#"{"note":"","values":["K"]}"#, "`values` must be an object of strings.");
    refused("write", r#"{"note":"","values":{}}"#, "`values` is empty; name at least one.");
    refused("write", r#"{"note":"","values":{"K":["x"]}}"#, "The value of `K` in `values` must be a string.");
    refused("write", r#"{"note":"","values":{"k.*":"x"}}"#, "The key \"k.*\" of `values` must match `^(?:[A-Z]+)$`.");
}

#[test]
fn a_sentence_repeats_no_value() {
    let rules = rules(TOOLS);
    let sentence =
        rules.find("write").unwrap().become_call(r#"{"note":"","values":{"K":"sk_live_4242"}}"#, &claude_code());
    assert_eq!(sentence, Err(String::from("The value of `K` in `values` may have at most 3 characters.")));
}

#[test]
fn arguments_that_two_readers_could_take_differently_are_refused() {
    let begin = "The arguments of `look` could not be read: ";
    let twice = "the key \"file\" stands twice in one object, which two readers could take differently (byte 15)";
    refused("look", r#"{"file":".env","file":"x"}"#, &format!("{begin}{twice}. Send one JSON object."));
    refused("look", "{", &format!("{begin}the JSON ends in the middle of a value (byte 1). Send one JSON object."));
    refused("look", "[]", "The arguments of `look` must be a JSON object.");
    refused("look", r#"{"files":".env"}"#, "`look` has no input \"files\". Its inputs: `file`, `how`, `names`.");
    refused("look", r#"{"File":".env"}"#, "`look` has no input \"File\". Its inputs: `file`, `how`, `names`.");
    let long = format!(r#"{{"file":"{}"}}"#, "a".repeat(300_000));
    refused("look", &long, "The arguments of `look` are longer than 262144 bytes; call it several times.");
}

#[test]
fn a_command_that_no_machine_takes_is_refused() {
    let yaml = TOOLS.replace("max_length: 3, max_items: 2", "max_length: 10000, max_items: 100");
    let values: Vec<String> = ('A'..='D').map(|key| format!("\"{key}\":\"{}\"", "!".repeat(8000))).collect();
    let arguments = format!(r#"{{"note":"","values":{{{}}}}}"#, values.join(","));
    let refused = rules(&yaml).find("write").unwrap().become_call(&arguments, &claude_code());
    assert_eq!(refused, Err(String::from("The arguments of `write` are too long together; call it several times.")));
}

const SCRIPT: &str = r#"LC_ALL=C
export LC_ALL
file=$(printf "%b." "$1")
file=${file%.}
shift
jetway_part=$file
while [ "$jetway_part" != . ]; do
  if [ -L "$jetway_part" ]; then echo "file: link"; exit; fi
  jetway_part=${jetway_part%/*}
done
unset how
for jetway_word; do
  jetway_word=$(printf "%b." "$jetway_word")
  shift
  set -- "$@" "${jetway_word%.}"
done
echo "it's"
"#;

#[track_caller]
fn becomes(tools: Vec<AgentTool>, tool: &str, namespace: Option<&str>, input: &Input) {
    let call = rules(TOOLS).find("look").unwrap().become_call(r#"{"file":".env","names":["A"]}"#, &AgentTools(tools));
    let expect = AgentCall { tool: tool.to_owned(), namespace: namespace.map(str::to_owned), input: input.clone() };
    assert_eq!(call, Ok(expect));
}

#[test]
fn each_agent_is_called_in_its_own_form() {
    let quoted = SCRIPT.replace('\'', r#"'"'"'"#);
    let line = format!("sh -c '{quoted}' look './.env' 'A'");
    let json = |value: serde_json::Value| Input::Json(value.to_string());
    let words = ["sh", "-c", SCRIPT, "look", "./.env", "A"];
    let plain = json(serde_json::json!({"command": line}));
    let about = json(serde_json::json!({"command": line, "description": "look"}));

    becomes(claude_code().0, "Bash", None, &about);
    becomes(vec![tool("bash", &["command!", "timeout"])], "bash", None, &plain);
    becomes(vec![tool("bash", &["command!", "description!", "workdir"])], "bash", None, &about);
    becomes(vec![AgentTool::built_in("bash")], "bash", None, &plain);
    becomes(vec![tool("run_shell_command", &["command!", "directory"])], "run_shell_command", None, &plain);
    let qwen = json(serde_json::json!({"command": line, "description": "look", "is_background": false}));
    becomes(
        vec![tool("run_shell_command", &["command!", "description", "is_background!"])],
        "run_shell_command",
        None,
        &qwen,
    );
    let codex = json(serde_json::json!({"cmd": line}));
    becomes(vec![tool("exec_command", &["cmd!", "login", "tty"])], "exec_command", None, &codex);
    becomes(vec![tool("shell_command", &["command!"])], "shell_command", None, &plain);
    becomes(vec![tool("shell", &["command!"])], "shell", None, &plain);
    becomes(vec![tool("shell", &["command[]!"])], "shell", None, &json(serde_json::json!({"command": words})));
    let local = json(serde_json::json!({"command": words, "env": {}, "type": "exec"}));
    becomes(vec![AgentTool::built_in("local_shell")], "local_shell", None, &local);
    let command = serde_json::Value::from(line.as_str()).to_string();
    let code = Input::Text(format!("const ran = await tools.exec_command({{cmd: {command}}});\ntext(ran.output);\n"));
    becomes(vec![AgentTool::of_text("exec", Some("functions"))], "exec", Some("functions"), &code);
}

#[test]
fn the_best_tool_for_commands_is_taken() {
    let line = |tools: Vec<AgentTool>| {
        let call = rules(TOOLS).find("write").unwrap().become_call(r#"{"note":""}"#, &AgentTools(tools));
        call.map(|call| call.tool)
    };
    let bash = || tool("Bash", &["command!"]);
    let exec = || AgentTool::of_text("exec", Some("functions"));
    assert_eq!(line(vec![exec(), tool("exec_command", &["cmd!"]), bash()]).unwrap(), "Bash");
    assert_eq!(line(vec![exec(), tool("exec_command", &["cmd!"])]).unwrap(), "exec_command");
    let none = "`write` cannot be carried out now: it needs a tool that runs commands, and there is none.";
    assert_eq!(line(vec![tool("Read", &["file_path!"])]).unwrap_err(), none);
}

#[test]
fn a_tool_is_offered_only_where_a_tool_for_commands_is_understood() {
    let offered = |tool: AgentTool| !rules(TOOLS).offered(&AgentTools(vec![tool])).is_empty();
    assert!(offered(tool("Bash", &["command!"])));
    assert!(!offered(tool("Bash", &["script!"])));
    assert!(!offered(tool("Bash", &["command!", "reason!"])), "it wants what we do not know");
    assert!(!offered(with_schema(
        "Bash",
        None,
        r#"{"required":["command","host"],"properties":{"command":{"type":"string"}}}"#
    )));
    assert!(!offered(with_schema("Bash", None, r#"{"properties":{"command":{"type":["string","null"]}}}"#)));
    assert!(!offered(with_schema("Bash", None, "7")));
    assert!(!offered(with_schema("bash", Some("mcp__other"), r#"{"properties":{"command":{"type":"string"}}}"#)));
    assert!(!offered(AgentTool::of_text("Bash", None)));
    assert!(!offered(AgentTool::built_in("web_search")));
    assert!(!offered(tool("exec", &["command!"])), "only the one that takes code is known");
    assert!(rules(TOOLS).offered(&AgentTools::default()).is_empty());
}

#[test]
fn a_tool_is_offered_with_its_schema() {
    let offered = rules(TOOLS).offered(&claude_code());
    let names: Vec<&str> = offered.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["look", "write"]);
    assert_eq!(offered[0].description, "Looks.");
    assert_eq!(
        offered[0].schema,
        concat!(
            r#"{"additionalProperties":false,"properties":{"#,
            r#""file":{"description":"A file. Allowed: **/.env, app/*.txt.","maxLength":512,"type":"string"},"#,
            r#""how":{"description":"How.","enum":["fast","slow"],"maxLength":1000,"type":"string"},"#,
            r#""names":{"description":"Names.","items":{"maxLength":1000,"pattern":"^(?:[A-Z]{1,4})$","type":"string"},"#,
            r#""maxItems":3,"minItems":1,"type":"array","uniqueItems":true}},"#,
            r#""required":["file","names"],"type":"object"}"#
        )
    );
    assert!(offered[1].schema.contains(concat!(
        r#""values":{"additionalProperties":{"maxLength":3,"type":"string"},"description":"Values.","maxProperties":2,"#,
        r#""minProperties":1,"propertyNames":{"maxLength":10000,"pattern":"^(?:[A-Z]+)$","type":"string"},"type":"object"}"#
    )));
}

#[test]
fn what_they_stand_in_for_is_hidden_and_so_is_what_has_their_name() {
    let rules = rules(TOOLS);
    let hidden = ["Bash", "Read", "look", "write", "Edit"].map(|name| rules.hides(name));
    assert_eq!(hidden, [Some("look"), Some("look"), Some("look"), Some("write"), None]);
    assert!(rules.find("Bash").is_none());
}

#[test]
fn a_result_is_cut_down() {
    let rules = rules(TOOLS);
    let look = rules.find("look").unwrap();
    assert_eq!(look.filter("A=present\nA=sk_live\n"), "A=present");
    assert_eq!(look.filter("file: link\n"), "The path in `file` leads through a link, and links are not followed.");
    assert_eq!(look.filter("names: link\n"), "Nothing.");
}

#[track_caller]
fn unusable(yaml: &str, expect: &str) {
    let error = serde_saphyr::from_str::<Rules>(yaml).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn what_cannot_be_meant_is_refused_when_it_is_read() {
    let with = |from: &str, to: &str| {
        assert!(TOOLS.contains(from));
        TOOLS.replace(from, to)
    };
    unusable(&with("look:", "Look:"), "`replace.Look`: a name is made of small letters");
    unusable(&with("look:", "bash:"), "`replace.bash`: an agent's own tool for commands has this name");
    unusable(&with("description: Looks.", "description: ' '"), "`replace.look`: `description` must have");
    unusable(&with("file:", "PATH:"), "`replace.look.inputs.PATH`: a name is made of small letters");
    unusable(&with("file:", "jetway_x:"), "names that begin with `jetway_` are taken");
    unusable(&with(r#"["**/.env", "app/*.txt"]"#, "[]"), "`allow` is empty");
    unusable(&with("how: { type: text", "how: { type: list, pattern: x"), "unknown field");
    unusable(&with("note: { type: text", "note: { type: list"), "only one input may be");
    unusable(&with("max_items: 3", "max_items: 0"), "`max_items` must be 1 to 100");
    unusable(&with("max_length: 5", "max_length: 100000"), "`max_length` must be 1 to 10000");
    unusable(&with("enum: [fast, slow]", "enum: [fast], pattern: slow"), "`enum` may have");
    unusable(&with("\"true\"", "' '"), "`becomes.shell` must have");
    unusable(&with("otherwise: No.", "otherwise: ''"), "`result.otherwise` must have");
    unusable(&with("lines: \"ok\"", "lines: \"(\""), "cannot be used: unclosed group");
    unusable(&with("instead_of: [Bash, Read]", "instead_of: ['']"), "`instead_of` may have");
    unusable(&with("  result:", "  also: 1\n  result:"), "unknown field");
    unusable(&with("type: path", "type: file"), "unknown variant");
}

#[test]
fn it_has_a_schema() {
    let schema = schemars::schema_for!(Document).to_value().to_string();
    assert!(schema.contains("\"instead_of\""), "{schema}");
}
