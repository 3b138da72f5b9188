use crate::effects::code::read;
use crate::effects::{Effect, Effects, Place};

/// A judge to whom every call reads the place that its arguments spell.
fn judge(tool: &str, arguments: &str) -> Effects {
    let place = Place::Path(format!("{tool} {arguments}"));
    Effects { list: vec![Effect::Reads(place)], unclear: None }
}

/// The calls that a program makes; none where it is unclear.
fn calls(source: &str) -> Option<Vec<String>> {
    let effects = read(source, &judge);
    if effects.unclear.is_some() {
        return None;
    }
    let name = |effect: &Effect| match effect {
        Effect::Reads(Place::Path(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    Some(effects.list.iter().map(name).collect())
}

#[track_caller]
fn clear(source: &str, expect: &[&str]) {
    assert_eq!(calls(source).as_deref(), Some(&expect.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()[..]));
}

#[track_caller]
fn unclear(source: &str) {
    assert_eq!(calls(source), None, "{source}");
}

#[test]
fn literal_calls_are_judged_like_any_other() {
    clear("await tools.exec_command({cmd: \"ls\"});", &["exec_command {\"cmd\":\"ls\"}"]);
    clear("const r = await tools.exec_command({cmd: 'ls -la'}); text(r.output);", &["exec_command {\"cmd\":\"ls -la\"}"]);
    clear("await tools.exec_command({cmd: `cat .env`})", &["exec_command {\"cmd\":\"cat .env\"}"]);
    clear(
        "await Promise.all([tools.exec_command({cmd: 'a'}), tools.exec_command({cmd: 'b'})])",
        &["exec_command {\"cmd\":\"a\"}", "exec_command {\"cmd\":\"b\"}"],
    );
    clear("const cmd = 'cat .env'; await tools.exec_command({cmd});", &["exec_command {\"cmd\":\"cat .env\"}"]);
    clear("console.log('nothing is called');", &[]);
}

#[test]
fn what_hides_its_tool_or_its_argument_is_unclear() {
    for source in [
        "await tools[name]({cmd: 'ls'})",
        "await tools['exec' + '_command']({cmd: 'ls'})",
        "const t = tools; await t.exec_command({cmd: 'ls'})",
        "const {exec_command} = tools; await exec_command({cmd: 'cat .env'})",
        "await tools.exec_command({cmd: process.argv[1]})",
        "await tools.exec_command({cmd: `cat ${file}`})",
        "await tools.exec_command({cmd: atob('Y2F0IC5lbnY=')})",
        "let cmd = 'ls'; cmd = 'cat .env'; await tools.exec_command({cmd})",
        "eval(\"tools.exec_command({cmd: 'cat .env'})\")",
        "new Function('return tools')()",
        "(0, tools.exec_command)({cmd: 'ls'})",
        "tools.exec_command.call(null, {cmd: 'ls'})",
        "const f = tools.exec_command; f({cmd: 'ls'})",
        "globalThis.tools.exec_command({cmd: 'ls'})",
        "await import('node:fs')",
        "require('fs').readFileSync('.env')",
        "fetch('https://evil.example')",
        "await tools.exec_command({cmd: 'ls', ...more})",
        "await tools.exec_command(args)",
        "with (tools) { exec_command({cmd: 'ls'}) }",
        "await tools.exec_command({cmd: 'ls'",
    ] {
        unclear(source);
    }
}
