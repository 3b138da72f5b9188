//! Calls of agents' tools, and what the warden rules of them.

use super::*;
use crate::wire::Dialect;

/// What comes of a call: `pass`, or the rule that refuses it, with the sentence that the model reads.
fn ruled(lockdown: &str, setting: Setting, (name, input): (&str, &str)) -> (Ruling, Vec<Refused>) {
    let rules: Rules = serde_saphyr::from_str(lockdown).unwrap();
    let namespace = (name == "exec").then(|| String::from("functions"));
    let call = Call { name: name.to_owned(), namespace, id: String::from("c"), ..Call::default() };
    let mut warden = Warden::new(Arc::new(rules), setting);
    let input = warden.needs_input(&call).then_some(input);
    let ruling = warden.judge(&call, input);
    (ruling, warden.refused().to_vec())
}

#[track_caller]
fn check(lockdown: &str, call: (&str, &str), expect: &str) {
    let (ruling, refused) = ruled(lockdown, Setting::default(), call);
    match refused.as_slice() {
        [] => assert_eq!((ruling, "pass"), (Ruling::Pass, expect)),
        [refused, ..] => assert_eq!(refused.rule, expect, "{ruling:?}"),
    }
}

#[test]
fn what_is_only_noted_is_told_apart() {
    for (mode, noted) in [("enforce", false), ("shadow", true)] {
        let lockdown = format!("{{ allow: ['*'], deny: [Read], mode: {mode} }}");
        let (ruling, refused) = ruled(&lockdown, Setting::default(), ("Read", "{}"));
        assert_eq!((ruling == Ruling::Pass, refused[0].noted), (noted, noted), "{mode}");
        assert!(refused[0].sentence.contains("`Read` was refused by the policy"), "{refused:?}");
    }
}

#[test]
fn in_shadow_mode_no_call_is_another() {
    let narrow = "narrow: { Bash: { properties: { timeout: { fixed: 5 }, command: { max_length: 3 } } } }";
    let tool = "replace: { look: { description: Looks., inputs: { how: { type: text, description: How., enum: [fast] } }, becomes: { shell: ls }, result: { lines: '.*', otherwise: No. } } }";
    let check = |more: &str, call: (&str, &str), enforced: &str| {
        for mode in ["enforce", "shadow"] {
            let rules: Rules = serde_saphyr::from_str(&format!("{{ allow: ['*'], mode: {mode}, {more} }}")).unwrap();
            let request = r#"{"model":"m","messages":[],"tools":[{"name":"Bash","input_schema":{"type":"object","properties":{"command":{"type":"string"}}}}]}"#;
            let request = Request::read(Dialect::Messages, Json::read(request.into()).unwrap()).unwrap();
            let setting = Setting::of(&rules, "p", &request, false);
            let mut warden = Warden::new(Arc::new(rules), setting);
            let call = (Call { name: call.0.to_owned(), id: String::from("c"), ..Call::default() }, call.1);
            let ruling = warden.judge(&call.0, Some(call.1));
            let found = match &ruling {
                Ruling::Pass => "pass",
                Ruling::Become(_) => "become",
                Ruling::Correct(_) => "correct",
                other => panic!("{other:?}"),
            };
            let expect = if mode == "shadow" { "pass" } else { enforced };
            assert_eq!(found, expect, "{mode} {more} {call:?}");
            // What is said to have been given in other words was.
            assert!(warden.replaced().is_empty() || found == "become", "{mode} {more} {call:?}");
            let noted: Vec<bool> = warden.refused().iter().map(|refused| refused.noted).collect();
            assert_eq!(noted, if enforced == "correct" { vec![mode == "shadow"] } else { vec![] }, "{mode} {call:?}");
        }
    };
    check(narrow, ("Bash", r#"{"command":"ls"}"#), "become");
    check(narrow, ("Bash", r#"{"command":"ls","timeout":9}"#), "become");
    check(narrow, ("Bash", r#"{"command":"ls -la","timeout":5}"#), "correct");
    check(narrow, ("Bash", r#"{"command":"ls","timeout":5}"#), "pass");
    check(tool, ("look", r#"{"how":"fast"}"#), "become");
    check(tool, ("look", r#"{"how":"slow"}"#), "correct");
}

#[test]
fn what_a_program_calls_is_judged_as_if_it_came_alone() {
    let program = |source| ("exec", source);
    let list = "await tools.exec_command({cmd: \"ls\"});";
    let patch = "await tools.apply_patch(\"*** Begin Patch\\n*** Delete File: a.txt\\n*** End Patch\\n\");";
    let server = "await tools.mcp__github__delete_repo({name: \"x\"});";
    check("{ allow: ['*'] }", program(list), "pass");
    check("{ allow: ['*'] }", program("eval('1')"), "pass");
    check("{ allow: ['*'], deny: [apply_patch] }", program(list), "pass");
    check("{ allow: ['*'], deny: [apply_patch] }", program(patch), "deny apply_patch");
    check("{ allow: ['*'], deny: ['mcp__*'] }", program(server), "deny mcp__*");
    check("{ allow: ['*'], deny: ['mcp__slack__*'] }", program(server), "pass");
    check("{ allow: [exec, exec_command] }", program(list), "pass");
    check("{ allow: [exec, exec_command] }", program(patch), "not in allow");
    check("{ allow: [exec, 'exec_command(npm *)'] }", program(list), "not in allow");
    check("{ allow: [exec] }", program("text(\"no call\")"), "pass");
    check("{ allow: ['exec(ls *)'] }", program(list), "pass");
    check("{ allow: ['exec(ls *)'], deny: [exec_command] }", program(list), "deny exec_command");
    check("{ allow: ['exec(npm *)'] }", program(list), "not in allow");
}

#[test]
fn a_program_that_hides_what_it_calls_is_refused_wherever_a_rule_could_be_about_it() {
    let hidden = ("exec", "const name = \"exec_\" + \"command\"; await tools[name]({cmd: \"ls\"});");
    check("{ allow: ['*'] }", hidden, "pass");
    check("{ allow: ['*'], deny: [apply_patch] }", hidden, "its program");
    check("{ allow: [exec, exec_command] }", hidden, "its program");
    check("{ allow: [exec, exec_command], unknown: allow }", hidden, "pass");
    let (ruling, _) = ruled("{ allow: ['*'], deny: [Read] }", Setting::default(), hidden);
    let Ruling::Correct(sentence) = ruling else { panic!("{ruling:?}") };
    assert!(sentence.contains("await tools.exec_command({cmd: \"ls\"})"), "it says how to write it: {sentence}");
}

#[test]
fn what_is_narrowed_is_narrowed_in_programs_too() {
    let narrowed =
        "{ allow: ['*'], narrow: { exec_command: { properties: { cmd: { max_length: 5 }, tty: { fixed: false } } } } }";
    let bounded = "{ allow: ['*'], deny: [x], narrow: { exec_command: { properties: { cmd: { max_length: 5 } } } } }";
    check(bounded, ("exec", "await tools.exec_command({cmd: \"ls\"});"), "pass");
    check(bounded, ("exec", "await tools.exec_command({cmd: \"ls -la\"});"), "narrow exec_command");
    check(
        &narrowed.replace("narrow:", "deny: [x], narrow:"),
        ("exec", "await tools.exec_command({cmd: \"ls\"});"),
        "narrow exec_command",
    );
    // Without any rule but that one.
    check(narrowed, ("exec", "await tools.exec_command({cmd: \"ls -la\"});"), "narrow exec_command");
}

#[test]
fn a_pinned_tool_that_says_something_else_is_not_called() {
    let setting = Setting { changed: vec![String::from("Read")], ..Setting::default() };
    let (ruling, refused) = ruled("{ allow: ['*'] }", setting.clone(), ("Read", "{\"file_path\":\"a\"}"));
    assert!(matches!(ruling, Ruling::Correct(_)));
    assert_eq!(refused[0].rule, "pin Read");
    assert_eq!(ruled("{ allow: ['*'] }", setting, ("Write", "{}")).0, Ruling::Pass);
}

#[test]
fn once_tainted_nothing_leaves_the_machine() {
    let setting = || Setting { tainted: Some(String::from("It has met both.")), ..Setting::default() };
    let rule = |name: &str, input: &str| {
        let (_, refused) = ruled("{ allow: ['*'] }", setting(), (name, input));
        refused.first().map(|refused| refused.rule.clone()).unwrap_or_default()
    };
    let bash = |command: &str| rule("Bash", &format!("{{\"command\":\"{command}\"}}"));
    assert_eq!(bash("ls"), "");
    assert_eq!(bash("curl https://x.example"), "taint");
    assert_eq!(bash("git push"), "taint");
    assert_eq!(rule("WebFetch", "{\"url\":\"https://x.example\",\"prompt\":\"y\"}"), "taint");
}

#[test]
fn arguments_that_readers_read_differently_are_refused_where_they_matter() {
    let deny = "{ allow: ['*'], deny: ['reads(**/.env*)'] }";
    for input in ["{\"file_path\":\"a\",\"file_path\":\".env\"}", "{\"file_path\":\"a", "", "[\"a\"]"] {
        check(deny, ("Read", input), "deny reads(**/.env*)");
        check("{ allow: ['*'] }", ("Read", input), "pass");
    }
}
