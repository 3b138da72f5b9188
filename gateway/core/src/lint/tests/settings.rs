//! Steps that cannot be completed, and settings that match nothing.

use super::*;

#[test]
fn steps_that_nothing_can_complete() {
    let check = |done: &str, expect: &[&str]| {
        let policy = format!("[{{ id: look, prompt: a.md, done: {done} }}]");
        let texts = vec![page("docs/a.md", &[], "# Apples\nApples and pears.\n")];
        Case { policy, texts, ..Case::default() }.check("min_score: 0.01", expect);
    };
    check("{ call: 'WebFetch(domain:a.com)' }", &["policy.yaml:1 hopeless-step"]);
    check("{ all: [complete_step, { call: Edit }] }", &["policy.yaml:1 hopeless-step"]);
    check("{ any: [complete_step, { call: Edit }] }", &[]);
    check("{ call: 'Write(**/plan.json)' }", &[]);
    check("{ call: 'writes(**/plan.json)' }", &[]);
    check("complete_step, docs: [bridges]", &["policy.yaml:1 unreachable"]);
    check("complete_step, docs: [apples]", &[]);
    let told: &[&str] = &["policy.yaml:1 hopeless-step"];
    check("{ call: 'Write(**/x.json)' }, tools: [Read]", told);
    check("{ call: 'Write(**/x.json)' }, tools: [Read, 'Write(src/**)']", &[]);
    check("{ call: Write }, tools: [Read]", told);
    check("{ call: 'runs(npm test *)' }, tools: ['Bash(npm *)']", &[]);
    check("{ call: 'writes(**)' }, tools: [Read]", told);
    check("{ call: 'Read(.env)' }", told);
    check("{ call: 'Read(.env*)' }", told);
    check("{ call: 'Read(**/{.env,.npmrc})' }", &[]);
    check("{ call: 'reads(**/.env.local)' }", told);
    check("{ call: 'Bash(cat .env)' }", told);
    check("{ call: 'Bash(npm test *)' }", &[]);
    check("{ call: 'fetches(domain:a.com)' }", &[]);
    check("{ call: mcp__github__create }", told);
}

#[test]
fn patterns_that_no_call_matches() {
    let check = |done: &str, expect: &[&str]| {
        let policy = format!("[{{ id: look, prompt: a.md, done: {{ call: '{done}' }} }}]");
        Case { lockdown: "{ allow: ['*'] }", policy, ..Case::default() }.check("min_score: 0", expect);
    };
    let told: &[&str] = &["policy.yaml:1 hopeless-step"];
    for hopeless in [
        "writes(plan.json/)",
        "Glob(src/**)",
        "TodoWrite(x)",
        "Bash(cd app && npm test)",
        "runs(npm test | tee out.txt)",
        "runs(FOO=1 npm test)",
        "Bash(npm run {build,test})",
    ] {
        check(hopeless, told);
    }
    for fine in [
        "writes(./plan.json)",
        "writes(../plan.json)",
        "writes(~/plan.json)",
        "Write(/work/plan.json)",
        "writes({a,b}/**/*.{ts,tsx})",
        "Edit(src/[a-z]*.ts)",
        "Bash(npm run test:*)",
        "runs(git stash show stash@{0})",
        "runs(*)",
        "fetches(domain:*.a.com)",
        "own_tool(*)",
        "own_tool(a.md)",
        "{Write,Edit}(**/plan.json)",
        "TodoWrite",
    ] {
        check(fine, &[]);
    }
}

#[test]
fn evidence_that_cannot_be() {
    let check = |schema: &str, expect: &[&str]| {
        let policy = "[{ id: look, prompt: a.md, evidence: steps/look.json }]".into();
        Case { policy, schema: Some(schema.into()), ..Case::default() }.check("min_score: 0", expect);
    };
    let object = |name: &str| {
        format!(
            "{{ \"type\": \"object\",\n  \"required\": [\"event\"],\n  \"properties\": {{ \"{name}\": {{}} }},\n  \"additionalProperties\": false }}"
        )
    };
    check(&object("evnt"), &["steps/look.json:2 hopeless-step"]);
    check(&object("event"), &[]);
    check("{ \"type\": \"array\",\n\"minItems\": 5, \"maxItems\": 3 }", &["steps/look.json:2 hopeless-step"]);
    check("{ \"type\": \"array\", \"minItems\": 3 }", &[]);
}

#[test]
fn tools_that_are_misspelt() {
    let check = |lockdown: &'static str, tools: &str, expect: &[&str]| {
        let policy = format!("# {lockdown}\n[{{ id: look, prompt: a.md, tools: [{tools}] }}]");
        Case { lockdown, policy, ..Case::default() }.check("min_score: 0", expect);
    };
    let open = "{ allow: ['*'] }";
    check(open, "Raed", &["policy.yaml:2 unknown-tool"]);
    check(open, "'{Read,Wirte}'", &["policy.yaml:2 unknown-tool"]);
    check(open, "'Bsah(npm test)'", &["policy.yaml:2 unknown-tool"]);
    check(open, "Read, 'read*', 'mcp__*', own_tool, write_files, 'reads(*)', 'Bash(npm *)'", &[]);
    check("{ allow: [Read, WebFecth] }", "Read", &["policy.yaml:1 unknown-tool"]);
    check("{ allow: [Read], deny: [WebSaerch] }", "Read", &["policy.yaml:1 unknown-tool"]);
    check("{ allow: [Read, own] }", "Read", &[]);
}

#[test]
fn steps_and_projects_that_there_are_none_of() {
    let step = |text: &str, expect: &[&str]| {
        let policy = "[{ id: look, prompt: look.md }]".into();
        Case { policy, texts: vec![prose("look.md", text)], ..Case::default() }.check("min_score: 0", expect);
    };
    let told: &[&str] = &["look.md:2 unreachable"];
    step("Go.\n{% if 'next.js' in frameworks %}On.{% endif %}\n", told);
    step("Go.\n{% if \"djnago\" not in frameworks %}On.{% endif %}\n", told);
    step("Go.\n{% if frameworks[0] == 'python' %}On.{% endif %}\n", told);
    step("Go.\n{{ 'Py' if languages|first == 'Python' }}\n", told);
    step("Go.\n{% if 'nextjs' in frameworks or languages[0] == 'python' %}On.{% endif %}\n", &[]);
    step("Go.\nThe word 'next.js' in frameworks is one of many.\n", &[]);
    let plane = |id: &str, expect: &[&str]| {
        let plane = plane(("python", "flask"), "# A\n", &[("a.py", "x = 1\n")]);
        let manifests = vec![String::from("about: A.\nfiles:\n  - { path: a.py, steps: [look] }\n")];
        let policy = format!("[{{ id: {id}, prompt: look.md }}]");
        Case { policy, airplanes: vec![plane], manifests, ..Case::default() }.check("min_score: 0", expect);
    };
    plane("look", &[]);
    plane("look-on", &["airplanes/plane/airplane.yaml:3 unreachable"]);
}

#[test]
fn sources_that_nothing_comes_from() {
    let check = |docs: &str, files: &[&str], expect: &[&str]| {
        let policy = format!("[{{ id: look, prompt: look.md }}]\n# {docs}");
        Case { policy, files: owned(files), ..Case::default() }.check(&format!("docs: {docs}, min_score: 0"), expect);
    };
    let told: &[&str] = &["policy.yaml:2 unreachable"];
    check("[{ folder: pages }]", &["pages/a.md"], &[]);
    check("[{ folder: ./pages/ }]", &["pages/x/a.md"], &[]);
    check("[{ folder: pages }]", &["pages/a.txt", "pages2/a.md"], told);
    let sitemap = |only: &str| format!("[{{ sitemap: 'https://a.com/s.xml', only: ['{only}'] }}]");
    check(&sitemap("/docs/**"), &[], told);
    check(&sitemap("a.com/docs/*"), &[], told);
    for fine in ["**/docs/**", "https://a.com/docs/*", "http{s,}://a.com/*", "*docs*"] {
        check(&sitemap(fine), &[], &[]);
    }
    // As it was last fetched it lists none that fits.
    let vain = |source: &str, pattern: &str, expect: &[&str]| {
        let docs = "[{ name: one, sitemap: 'https://a.com/s.xml', only: ['**/docs/**', 'https://a.com/v1/**'] }]";
        let policy = format!("[{{ id: look, prompt: look.md }}]\n# 'https://a.com/v1/**/x'\n# {docs}");
        let vain = vec![(source.to_owned(), pattern.to_owned())];
        Case { policy, vain, ..Case::default() }.check(&format!("docs: {docs}, min_score: 0"), expect);
    };
    vain("one", "https://a.com/v1/**", &["policy.yaml:3 unreachable"]);
    vain("one", "**/docs/**", &["policy.yaml:3 unreachable"]);
    vain("other", "**/docs/**", &[]);
}

#[test]
fn steps_that_a_rule_about_all_tools_makes_hopeless() {
    let check = |lockdown: &'static str, done: &str, expect: &[&str]| {
        let policy = format!("[{{ id: look, prompt: a.md, done: {done} }}]");
        Case { lockdown, policy, ..Case::default() }.check("min_score: 0", expect);
    };
    let told: &[&str] = &["policy.yaml:1 hopeless-step"];
    let writes = "{ allow: ['*'], deny: ['writes(**/.env*)', fetches] }";
    check(writes, "{ call: 'writes(**/.env)' }", told);
    check(writes, "{ call: 'writes(**/plan.json)' }", &[]);
    check(writes, "{ call: fetches }", told);
    check(writes, "{ call: 'fetches(domain:*.a.com)' }", told);
    check(writes, "{ call: WebFetch }", told);
    check(writes, "{ call: own_tool }", &[]);
    // A search of a folder could come upon what is denied; one of a file in it could not.
    let env = "{ allow: ['*'], deny: ['reads(.env*)'] }";
    check(env, "{ call: 'Grep(src/**)' }", &[]);
    check(env, "{ call: 'Grep(**)' }", &[]);
    check(env, "{ call: 'grep(app/{models,views}/*)' }", &[]);
    check(env, "{ call: 'Grep(src/*.ts)' }", &[]);
    check(env, "{ call: 'reads(src/**)' }", &[]);
    check(env, "{ call: 'Grep(.env*)' }", told);
    check(env, "{ call: 'Grep(.env)' }", told);
    check("{ allow: ['*'], deny: ['reads(**/.env*)'] }", "{ call: 'Grep(src/**)' }", &[]);
    check("{ allow: ['*'], deny: ['reads(src/**)'] }", "{ call: 'Grep(src/**)' }", told);
    check("{ allow: ['Write(src/**)'] }", "{ call: 'Write(**/x.json)' }", &[]);
    check("{ allow: ['Write(src/**)'] }", "{ call: 'Write(docs/x.json)' }", told);
}
