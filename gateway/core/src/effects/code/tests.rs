use proptest::prelude::*;

use super::*;

/// The calls that a program makes, or `?`.
fn rendered(source: &str) -> String {
    match stacker::grow(SMALL_STACK, || calls(source)) {
        Ok(calls) => {
            calls.iter().map(|call| format!("{} {}", call.name, call.arguments)).collect::<Vec<_>>().join("; ")
        }
        Err(_) => "?".to_owned(),
    }
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (source, expect) in rows {
        assert_eq!(rendered(source), *expect, "{source}");
    }
}

#[track_caller]
fn hidden(sources: &[&str]) {
    for source in sources {
        assert_eq!(rendered(source), "?", "{source}");
    }
}

#[test]
fn calls_are_found_wherever_they_stand() {
    let ls = r#"exec_command {"cmd":"ls"}"#;
    check(&[
        ("", ""),
        ("text('hi')", ""),
        ("await tools.exec_command({cmd: \"ls\"})", ls),
        ("tools.exec_command({cmd: 'ls'});", ls),
        ("// @exec: {\"yield_time_ms\": 10}\nconst r = await tools.exec_command({\"cmd\": `ls`}); text(r.output);", ls),
        ("text((await tools.exec_command({cmd: 'ls'})).output)", ls),
        (
            "const [a, b] = await Promise.all([tools.exec_command({cmd: 'ls'}), tools.get_goal()]); text(a, b)",
            &format!("{ls}; get_goal {{}}"),
        ),
        ("for (let i = 0; i < 3; i++) { await tools.exec_command({cmd: 'ls'}); }", ls),
        ("for (const n of [1, 2]) { text(n); await tools.exec_command({cmd: 'ls'}) }", ls),
        ("if (load('x')) { await tools.exec_command({cmd: 'ls'}) } else { exit() }", ls),
        ("try { await tools.exec_command({cmd: 'ls'}) } catch (error) { text(String(error)) }", ls),
        ("async function f() { return tools.exec_command({cmd: 'ls'}) } text(await f())", ls),
        ("const f = async () => await tools.exec_command({cmd: 'ls'}); await f();", ls),
        ("const cmd = 'ls'; await tools.exec_command({cmd})", ls),
        ("const a = 'l'; const b = a + 's'; await tools.exec_command({cmd: b})", ls),
        ("const a = 's'; await tools.exec_command({cmd: `l${a}`})", ls),
        ("await tools.exec_command({cmd: ('l' + 's')})", ls),
        ("await tools.exec_command({cmd: ['l', 's'].join('')})", ls),
        ("await tools.exec_command({cmd: String.raw`l\\s`})", r#"exec_command {"cmd":"l\\s"}"#),
        ("await tools.exec_command({cmd: 'l\\x73'})", ls),
        (
            "tools.apply_patch(`a\r\nb\rc`); tools.apply_patch(String.raw`a\r\nb`)",
            "apply_patch a\nb\nc; apply_patch a\nb",
        ),
        ("await tools.exec\\u005fcommand({cmd: 'ls'})", ls),
        (
            "await tools.exec_command({cmd: 'ls', tty: true, n: -1, m: 1.5, z: null, l: ['a', 2]})",
            r#"exec_command {"cmd":"ls","l":["a",2],"m":1.5,"n":-1,"tty":true,"z":null}"#,
        ),
        ("await tools.apply_patch('*** Begin Patch')", "apply_patch *** Begin Patch"),
        ("const p = ['a', 'b'].join('\\n'); await tools.apply_patch(p)", "apply_patch a\nb"),
        ("tools.a(); tools.b()", "a {}; b {}"),
        ("const {output} = await tools.exec_command({cmd: 'ls'}); text(output.split('\\n').length)", ls),
        ("const o = {}; o.x = (await tools.exec_command({cmd: 'ls'})).output; text(Object.keys(o))", ls),
        ("await new Promise(r => setTimeout(r, 10)); store('k', 1)", ""),
        ("text(ALL_TOOLS.filter(t => t.name.includes('x')).map(t => t.name))", ""),
        ("console.log(JSON.stringify({a: Math.max(1, 2)}), [1, 2][0], 'x'.replace(/a/g, 'b'))", ""),
        ("let n = 0; n += 1; n++; text(n ? 'tools' : `${n}`)", ""),
        ("const f = (n = 1) => { var m = n; return m }; text(f()); await tools.exec_command({cmd: 'ls'})", ls),
        ("const a = 'x'; { const a = 'ls'; await tools.exec_command({cmd: a}) }", ls),
    ]);
}

#[test]
fn arguments_that_are_not_written_out_hide_the_call() {
    hidden(&[
        "await tools.exec_command(load('x'))",
        "await tools.exec_command({cmd: load('x')})",
        "await tools.exec_command({cmd: 'cat ' + load('x')})",
        "await tools.exec_command({cmd: `cat ${load('x')}`})",
        "await tools.exec_command({['c' + 'md']: 'ls'})",
        "await tools.exec_command({...load('x')})",
        "await tools.exec_command(...[{cmd: 'ls'}])",
        "await tools.exec_command({cmd: 'ls'}, {cmd: 'cat .env'})",
        "await tools.exec_command({cmd: 'ls', cmd: 'cat .env'})",
        "await tools.exec_command({cmd: 'ls', __proto__: {workdir: '/'}})",
        "await tools.exec_command({get cmd() { return 'ls' }})",
        "await tools.exec_command({cmd() {}})",
        "await tools.exec_command({cmd: x => x})",
        "await tools.exec_command(['ls'])",
        "await tools.exec_command(1)",
        "let cmd = 'ls'; cmd = 'cat .env'; await tools.exec_command({cmd})",
        "var cmd = 'ls'; await tools.exec_command({cmd})",
        "const a = {cmd: 'ls'}; a.cmd = 'cat .env'; await tools.exec_command(a)",
        "const a = ['ls']; a.push('.env'); await tools.shell({command: a})",
        "for (const cmd of ['ls', 'cat .env']) await tools.exec_command({cmd})",
        "const cmd = 'ls'; function f(cmd) { return tools.exec_command({cmd}) } f('cat .env')",
        "const cmd = 'ls'; const f = cmd => tools.exec_command({cmd}); f('cat .env')",
        "const cmd = 'ls'; function f() { for (;;) { tools.exec_command({cmd}); { var cmd = 'cat .env' } } } f()",
        "const cmd = 'ls'; function f() { for (;;) { tools.exec_command({cmd}); { var a = () => 1, cmd = 'cat .env' } } } f()",
        "const cmd = 'ls'; for (;;) { tools.exec_command({cmd}); { var a = function () { let b }, cmd = 'cat .env' } }",
        "const cmd = 'ls'; switch (0) { case 0: let cmd = 'cat .env'; case 1: tools.exec_command({cmd}) }",
        "const cmd = 'ls'; try { throw 'cat .env' } catch (cmd) { tools.exec_command({cmd}) }",
        "const {cmd} = {cmd: 'cat .env'}; await tools.exec_command({cmd})",
        "const f = () => tools.exec_command({cmd}); const cmd = 'ls'; f()",
        "{ const cmd = 'ls' } await tools.exec_command({cmd})",
        "await tools.exec_command({cmd: ['l', load('x')].join('')})",
        "await tools.exec_command({cmd: String.raw`l${load('x')}`})",
        "const String = {raw: () => 'cat .env'}; await tools.exec_command({cmd: String.raw`ls`})",
        "await tools.exec_command({cmd: '\\ud800'})",
        "await tools.exec_command({cmd: undefined})",
        "await tools.exec_command({cmd: 1n})",
    ]);
}

#[test]
fn tools_that_stand_elsewhere_hide_the_call() {
    hidden(&[
        "await tools['exec_command']({cmd: 'ls'})",
        "await tools[load('x')]({cmd: 'ls'})",
        "await tools?.exec_command({cmd: 'ls'})",
        "await tools.exec_command?.({cmd: 'ls'})",
        "await (tools).exec_command({cmd: 'ls'})",
        "await (0, tools.exec_command)({cmd: 'ls'})",
        "const t = tools; await t.exec_command({cmd: 'ls'})",
        "const {exec_command} = tools; await exec_command({cmd: 'ls'})",
        "const run = tools.exec_command; await run({cmd: 'ls'})",
        "await tools.exec_command.call(null, {cmd: 'ls'})",
        "await tools.exec_command.apply(null, [{cmd: 'ls'}])",
        "tools.exec_command.bind(null)({cmd: 'ls'})",
        "text(tools)",
        "store('t', tools)",
        "({tools}).tools.exec_command({cmd: 'ls'})",
        "[tools][0].exec_command({cmd: 'ls'})",
        "Object.entries(tools)",
        "for (const k in tools) text(k)",
        "tools.exec_command = f => f",
        "tools = {}",
        "delete tools.exec_command",
        "new tools.exec_command({cmd: 'ls'})",
        "tools.apply_patch`x`",
        "const tools = {exec_command: x => x}; tools.exec_command({cmd: 'ls'})",
        "function f(tools) { tools.exec_command({cmd: 'ls'}) }",
        "['ls'].map(tools.exec_command)",
        "setTimeout(tools.exec_command, 0, {cmd: 'ls'})",
        "to\\u006fls['x']()",
    ]);
}

#[test]
fn what_makes_code_of_text_hides_calls() {
    hidden(&[
        "eval('tools.exec_command({cmd: \"ls\"})')",
        "{ let eval = 1 } eval('x')",
        "(0, eval)('x')",
        "Function('return tools')()",
        "new Function('return tools')()",
        "((a = Function) => { const Function = 1; return a('return tools')() })()",
        "(function (a = Function) { var Function = 1; return a('return tools')() })()",
        "switch (Function('return tools')()) { default: let Function }",
        "for (const a of Function('return tools')()) { let Function }",
        "try { throw 1 } catch ({a = Function}) { let Function; a('return tools')() }",
        "text.constructor('return tools')()",
        "text['constructor']('return tools')()",
        "text['constr' + 'uctor']('return tools')()",
        "[].filter[load('x')]('return tools')()",
        "const {constructor: F} = text; F('return tools')()",
        "const {'constructor': F} = text; F('return tools')()",
        "const {['constructor']: F} = text; F('return tools')()",
        "let constructor; ({constructor} = text); constructor('return tools')()",
        "Object.getPrototypeOf(text)",
        "const O = Object; O.getPrototypeOf(text)",
        "Reflect.get(text, 'x')",
        "globalThis.tools",
        "globalThis['to' + 'ols']",
        "this.tools",
        "process.env",
        "require('fs')",
        "await import('fs')",
        "import fs from 'fs'",
        "export const a = 1",
        "fetch('https://a.example')",
        "new Proxy({}, {})",
        "class A extends Array { f() { return super.x } }",
        "function* f() { yield 1 }",
        "[].__proto__.join = () => 'cat .env'",
        "Array.prototype.join = () => 'cat .env'; tools.exec_command({cmd: ['ls'].join('')})",
        "String.raw = () => 'cat .env'; tools.exec_command({cmd: String.raw`ls`})",
        "String = {x: 1}",
        "({a: String} = {a: 1})",
        "({String} = {})",
        "[String] = [1]",
        "JSON++",
        "Error.prepareStackTrace = (e, s) => s",
        "unheard()",
        "text`x`",
        "const a = ;",
        "```js\ntools.a()\n```",
        "return tools.a()",
    ]);
}

#[test]
fn the_reason_says_how_to_write_it() {
    let why = read("tools[x]()", &|_, _| Effects::default()).unclear.unwrap();
    assert!(why.ends_with("e.g. await tools.exec_command({cmd: \"ls\"})"), "{why}");
    let judged = read("tools.a(); tools.b('x')", &|name, arguments| Effects::unclear(format!("{name} {arguments}")));
    assert_eq!(judged.unclear.as_deref(), Some("a {}"));
    assert!(read(&" ".repeat(MAX_SOURCE + 1), &|_, _| Effects::default()).unclear.is_some());
}

#[test]
fn no_depth_brings_it_down() {
    let units = [
        "[",
        "(",
        "!",
        "a=>",
        "{",
        "a=",
        "a?",
        "`${",
        "if(a)",
        "new ",
        "-",
        "a+",
        "a.",
        "a(",
        "a:",
        "a?b:",
        "()=>{",
        "async()=>",
        "function a(){",
        "class a extends ",
        "x=[",
        "await ",
        "[...",
        "({a:",
        "var a;{",
        "a??",
        "a,",
    ];
    for unit in units {
        for size in [SMALL_SOURCE, MAX_SOURCE] {
            let source = unit.repeat(size / unit.len() - 1) + "1";
            let effects = read(&source, &|_, _| Effects::default());
            assert!(effects.list.is_empty(), "{unit}");
        }
    }
    assert_eq!(rendered(&format!("{}{}", "{".repeat(101), "}".repeat(101))), "?");
}

#[test]
fn constants_that_double_are_not_filled_in_for_ever() {
    let mut source = "const a0 = 'xxxxxxxxxxxxxxxx';".to_owned();
    for at in 1..60 {
        source += &format!("const a{at} = a{0} + a{0};", at - 1);
    }
    assert_eq!(rendered(&format!("{source} tools.apply_patch(a59)")), "?");
}

/// Places in which `tools` is not called directly; `@` stands for it.
const ELSEWHERE: [&str; 16] = [
    "text(@)",
    "const z = @",
    "[@]",
    "({z: @})",
    "@[0]",
    "@['a']()",
    "(@)",
    "@ || 1",
    "`${@}`",
    "z => @",
    "@?.a()",
    "@.a",
    "@.a.b()",
    "await @",
    "typeof @",
    "@ + ''",
];

proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in ".{0,200}") {
        let _effects = read(&text, &|_, _| Effects::default());
    }

    #[test]
    fn tools_anywhere_but_in_a_direct_call_is_unclear(
        place in prop::sample::select(&ELSEWHERE[..]),
        around in prop::sample::select(&["@", "if (1) { @ }", "const f = () => { @ }", "try { @ } catch {}", "for (;;) { @ }", "tools.a(); @"][..]),
        spelled in prop::sample::select(&["tools", "too\\u006cs", "to\\u{6f}ls"][..]),
    ) {
        let source = around.replace('@', &place.replace('@', spelled));
        prop_assert!(read(&source, &|_, _| Effects::default()).unclear.is_some(), "{}", source);
    }

    #[test]
    fn a_literal_arrives_as_it_is(text in "[ -~\\n\u{e9}]{0,40}") {
        let source = format!("tools.a({{cmd: {}}})", serde_json::Value::from(text.as_str()));
        let expect = vec![Call { name: "a".to_owned(), arguments: serde_json::json!({ "cmd": text }).to_string() }];
        prop_assert_eq!(calls(&source), Ok(expect));
    }
}
