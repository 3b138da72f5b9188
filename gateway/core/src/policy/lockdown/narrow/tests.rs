use bytes::Bytes;

use super::Rules;
use crate::wire::json::Json;

fn rules(yaml: &str) -> Result<Rules, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

fn json(text: &str) -> Json {
    Json::read(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

const BASH: &str = r#"
Bash:
  description: { append: Only npm commands. }
  properties:
    run_in_background: { remove: true }
    timeout: { fixed: 60000 }
    command: { pattern: "^npm ", max_length: 9 }
    mode: { enum: [a, 1, null] }
    level: { minimum: 1, maximum: 2.5 }
    least: { minimum: 1 }
    most: { maximum: 1 }
collab.spawn:
  properties: { depth: { fixed: 0 }, name: { fixed: x } }
Shown:
  description: { replace: x }
"#;

#[track_caller]
fn becomes(name: &str, namespace: Option<&str>, arguments: &str, expect: &str) {
    let arguments = json(arguments);
    let patch = rules(BASH).unwrap().check_call(name, namespace, &arguments).unwrap();
    let out = patch.unwrap_or_default().apply(&arguments).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap(), expect);
    Json::read(out).unwrap();
}

#[track_caller]
fn refused(arguments: &str, expect: &str) {
    let found = rules(BASH).unwrap().check_call("Bash", None, &json(arguments)).unwrap_err();
    assert_eq!(found, expect, "{arguments}");
}

#[test]
fn arguments_within_the_limits_keep_their_bytes() {
    for same in [
        r#"{ "timeout":60000,"command":"npm i" }"#,
        r#"{"timeout":6e4,"command":"npm \u00e9\u00e9","other":1}"#,
        r#"{"timeout":60000.0,"mode":1.0,"level":2.5,"least":9,"most":-9}"#,
        r#"{"timeout":60000,"mode":null,"command":null,"run_in_background":null}"#,
    ] {
        becomes("Bash", None, same, same);
    }
    becomes("Other", None, r#"{"command":"rm"}"#, r#"{"command":"rm"}"#);
    becomes("Shown", None, "\"free text\"", "\"free text\"");
}

#[test]
fn what_is_fixed_is_set() {
    becomes("Bash", None, r#"{"mode":"a","timeout":1}"#, r#"{"mode":"a","timeout":60000}"#);
    becomes("Bash", None, r#"{"mode":"a"}"#, r#"{"timeout":60000,"mode":"a"}"#);
    becomes("Bash", None, r#"{"timeout":null}"#, r#"{"timeout":60000}"#);
    becomes("spawn", Some("collab"), "{}", r#"{"depth":0,"name":"x"}"#);
    becomes("spawn", Some("collab"), r#"{"depth":7}"#, r#"{"name":"x","depth":0}"#);
    becomes("spawn", None, "{}", "{}");
    becomes("Bash", Some("any"), "{}", r#"{"timeout":60000}"#);
}

#[test]
fn what_breaks_a_limit_is_refused_with_what_is_allowed() {
    let command = "The property `command` of `Bash` must be a text that matches the pattern `^npm `.";
    refused(r#"{"command":"rm x"}"#, command);
    refused(r#"{"command":["npm i"]}"#, command);
    refused(r#"{"command":" npm i"}"#, command);
    refused(r#"{"comm\u0061nd":"rm"}"#, command);
    let long = "The property `command` of `Bash` must be a text of at most 9 characters.";
    refused(r#"{"command":"npm 123456"}"#, long);
    let mode = "The property `mode` of `Bash` must be one of \"a\", 1, null.";
    refused(r#"{"mode":"A"}"#, mode);
    refused(r#"{"mode":"1"}"#, mode);
    let level = "The property `level` of `Bash` must be a number from 1 to 2.5.";
    refused(r#"{"level":0.99}"#, level);
    refused(r#"{"level":3}"#, level);
    refused(r#"{"level":"2"}"#, level);
    refused(r#"{"level":1e999}"#, level);
    refused(r#"{"least":0}"#, "The property `least` of `Bash` must be a number of at least 1.");
    refused(r#"{"most":2}"#, "The property `most` of `Bash` must be a number of at most 1.");
    let gone = "The property `run_in_background` of `Bash` is not allowed here. Leave it out.";
    refused(r#"{"run_in_background":false}"#, gone);
    refused(r#"{"Command":"rm x"}"#, "`Bash` has no property `Command`. Spell it `command`.");
    refused("[]", "The arguments of `Bash` must be a JSON object, for they are limited here.");
}

#[test]
fn narrowings_that_cannot_be_meant_are_refused() {
    let check = |yaml: &str, expect: &str| {
        let found = rules(yaml).unwrap_err();
        assert!(found.contains(expect), "{yaml}: {found}");
    };
    let property = |text: &str, expect: &str| check(&format!("T: {{ properties: {{ p: {text} }} }}"), expect);
    check("T: {}", "nothing is said of this tool");
    check("T: { pin: sha256:12 }", "64 hexadecimal digits");
    check("T: { description: { prepend: x } }", "prepend");
    check("T: { properties: {}, other: 1 }", "other");
    property("{}", "T: `p`: nothing is said");
    property("{ remove: false }", "`remove` can only be `true`");
    property("{ remove: true, fixed: 1 }", "stand alone");
    property("{ fixed: 1, pattern: x }", "stand alone");
    property("{ enum: [] }", "`enum` is empty");
    property("{ minimum: 2, maximum: 1 }", "the first not above the second");
    property("{ minimum: .nan }", "must be numbers");
    property("{ pattern: '(' }", "the pattern cannot be used");
    property("{ pattern: '(a{1000}){1000}' }", "the pattern cannot be used");
    property("{ typo: 1 }", "typo");
    assert!(rules("T: { properties: { p: { fixed: null } } }").is_ok());
}
