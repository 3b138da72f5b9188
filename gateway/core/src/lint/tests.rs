//! For each rule what is wrong and what is not.

mod asked;
mod disagree;
mod installs;
mod settings;
mod written;

use super::*;
use crate::retrieval::airplane::File;
use crate::retrieval::chunk;
use crate::retrieval::profile::Tags;

const LOCKDOWN: &str =
    "{ allow: ['{Bash,Read,Write}'], deny: ['mcp__*', 'WebFetch', { rule: 'reads(**/.env*)', reason: No. }] }";

/// What is looked at.
#[derive(Default)]
struct Case {
    /// The rules of `lockdown`, if not the ones above.
    lockdown: &'static str,
    /// The steps, as in `breadcrumbs`.
    policy: String,
    texts: Vec<Text>,
    airplanes: Vec<Airplane>,
    /// The text of each one's `airplane.yaml`.
    manifests: Vec<String>,
    files: Vec<String>,
    vain: Vec<(String, String)>,
    /// The schema of every step's evidence.
    schema: Option<String>,
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn tagged(file: &str, (languages, frameworks): (&[&str], &[&str]), text: &str) -> Text {
    let tags = Tags { languages: owned(languages), frameworks: owned(frameworks) };
    let page = Some(file.trim_start_matches("docs/").to_owned());
    Text { file: file.into(), text: text.into(), tags: Some(tags), page }
}

fn page(file: &str, languages: &[&str], text: &str) -> Text {
    tagged(file, (languages, &[]), text)
}

/// Prose that is no page.
fn prose(file: &str, text: &str) -> Text {
    Text { file: file.into(), text: text.into(), tags: None, page: None }
}

/// An airplane `plane` with these files, all of them for the step `look`.
fn plane((language, framework): (&str, &str), readme: &str, files: &[(&str, &str)]) -> Airplane {
    let file = |(path, text): &(&str, &str)| File {
        path: (*path).to_owned(),
        shows: String::from("Where it starts."),
        steps: owned(&["look"]),
        text: (*text).to_owned(),
        rev: String::new(),
    };
    Airplane {
        name: "plane".into(),
        about: String::new(),
        tags: Tags { languages: owned(&[language]), frameworks: owned(&[framework]) },
        readme: readme.to_owned(),
        rev: String::new(),
        files: files.iter().map(file).collect(),
    }
}

impl Case {
    fn of(texts: Vec<Text>) -> Self {
        Self { texts, ..Self::default() }
    }

    fn one(text: &str) -> Self {
        Self::of(vec![page("docs/a.md", &[], text)])
    }

    /// `file:line rule` of all that is found.
    #[track_caller]
    fn check(&self, context: &str, expect: &[&str]) -> Vec<Finding> {
        let found = self.found(context);
        let told: Vec<String> =
            found.iter().map(|found| format!("{}:{} {}", found.file, found.line, found.rule)).collect();
        assert_eq!(told, expect, "{found:#?}");
        found
    }

    fn found(&self, context: &str) -> Vec<Finding> {
        let lockdown = if self.lockdown.is_empty() { LOCKDOWN } else { self.lockdown };
        let lockdown: Arc<Rules> = Arc::new(serde_saphyr::from_str(lockdown).unwrap());
        let context: context::Rules = serde_saphyr::from_str(&if context.starts_with("docs:") {
            format!("{{ {context} }}")
        } else {
            format!("{{ docs: docs, {context} }}")
        })
        .unwrap();
        let chunks = self.texts.iter().filter_map(|text| Some(chunk::cut(text.page.as_ref()?, &text.text)));
        let index = Index::new(chunks.flatten().collect());
        let path = (!self.policy.is_empty()).then(|| {
            let rules: breadcrumbs::Rules = serde_saphyr::from_str(&self.policy).unwrap();
            let texts = rules
                .steps()
                .iter()
                .map(|_| breadcrumbs::Texts { prose: "Go.".into(), schema: self.schema.clone() })
                .collect();
            breadcrumbs::Path::new(rules, texts).unwrap()
        });
        let facts = Facts {
            lockdown: Some(&lockdown),
            context: Some(&context),
            path: path.as_ref(),
            index: Some(&index),
            airplanes: &self.airplanes,
            manifests: &self.manifests,
            texts: &self.texts,
            policy: &self.policy,
            files: &self.files,
            vain: &self.vain,
        };
        lint(&facts)
    }
}

#[track_caller]
fn good(text: &str) {
    Case::one(text).check("min_score: 0", &[]);
}

#[track_caller]
fn bad(text: &str, expect: &str) {
    Case::one(text).check("min_score: 0", &[expect]);
}

#[test]
fn tools_that_are_refused() {
    bad("# A\nLook it up with the `WebFetch` tool.\n", "docs/a.md:2 refused-tool");
    bad("# A\nCall `mcp__github__create_issue` then.\n", "docs/a.md:2 refused-tool");
    bad("# A\nEdit it with `MultiEdit`.\n", "docs/a.md:2 refused-tool");
    good("# A\nCall `Read` first, then `Bash`.\n");
    good("# A\nDo not use the `WebFetch` tool.\n");
    bad("# A\nIf you do not know it, use the `WebFetch` tool.\n", "docs/a.md:2 refused-tool");
    good("# A\nCall `captureException` with `error`.\n");
    good("# A\n```js\nuse(`WebFetch`) // tool\n```\n");
    good("# A\n<!-- lint: allow refused-tool -->\nLook it up with the `WebFetch` tool.\n");
    good("# A\n{/* lint: allow refused-tool */}\nLook it up with the `WebFetch` tool.\n");
    good("---\ntitle: A\n---\n# A\n<!-- lint: allow refused-tool -->\nLook it up with the `WebFetch` tool.\n");
    for named in [
        "Use `Read` or `WebFetch`.",
        "Look it up via `WebFetch`.",
        "There is the tool `WebFetch` for it.",
        "Use **WebFetch** for it.",
        "Use WebFetch for it.",
        "Take the WebFetch tool.",
        "Take the tools `Read` and `WebFetch`.",
        "Ask with `Read`, `Bash` or WebFetch.",
        "Use\n`WebFetch` for it.",
        "Do not guess, use `WebFetch`.",
        "Make use of `WebFetch`.",
        "You can use WebFetch for the changelog.",
        "Then take the `fetch` tool.",
        "Use WebFetch if the docs are not enough.",
    ] {
        let line = if named.starts_with("Use\n") { 3 } else { 2 };
        bad(&format!("# A\n{named}\n"), &format!("docs/a.md:{line} refused-tool"));
    }
    for fine in [
        "The `WebFetch` of old days.",
        "Never use WebFetch.",
        "Never guess, call or use `WebFetch`.",
        "Never:\n- use `WebFetch`",
        "Using `WebFetch` is refused here.",
        "Use edit and replace as words, list them and wait.",
        "Do not\nuse `WebFetch`.",
        "Use `web/WebFetch.ts` for it.",
        "Call `fetch` with the address, or `replace` on its text.",
        "There is no `WebFetch` tool here.",
        "The tool `WebFetch` is switched off.",
        "In place of the `WebFetch` tool there is `search_docs`.",
        "If the `WebFetch` tool is offered, leave it alone.",
        "The person may use the `WebFetch` tool.",
        "Unlike the `WebFetch` tool, this one is offline.",
    ] {
        good(&format!("# A\n{fine}\n"));
    }
}

#[test]
fn tools_that_are_refused_by_what_they_do_or_in_another_spelling() {
    let check = |lockdown: &'static str, text: &str, expect: &[&str]| {
        let texts = vec![page("docs/a.md", &[], &format!("# A\n{text}\n"))];
        Case { lockdown, texts, ..Case::default() }.check("min_score: 0", expect);
    };
    let told: &[&str] = &["docs/a.md:2 refused-tool"];
    let fetches = "{ allow: ['*'], deny: [fetches] }";
    check(fetches, "Look it up with the `WebFetch` tool.", told);
    check(fetches, "Look it up with the `webfetch` tool.", told);
    check(fetches, "Read it with the `Read` tool, or with `Bash`.", &[]);
    check("{ allow: ['*'], deny: ['fetches(domain:a.com)'] }", "Use the `WebFetch` tool.", &[]);
    check("{ allow: ['*'], deny: ['writes(*)'] }", "Use the `Edit` tool.", told);
    check("{ allow: ['reads(src/**)'] }", "Use the `Write` tool.", told);
    check("{ allow: ['reads(src/**)'] }", "Use the `Read` tool.", &[]);
    let web = "{ allow: ['*'], deny: [WebFetch] }";
    check(web, "Use `webfetch`.", told);
    check(web, "Use web_fetch.", told);
    check("{ allow: [webfetch, Read] }", "Use `webfetch`.", &[]);
}

#[test]
fn tools_that_a_step_or_a_question_has_no_use_for() {
    let check = |file: &str, text: &str, expect: &[&str]| {
        let policy = "[{ id: look, prompt: look.md, tools: [Read] }, { id: write, prompt: write.md }]".into();
        Case { policy, texts: vec![prose(file, text)], ..Case::default() }.check("min_score: 0", expect);
    };
    check("look.md", "Use the `Write` tool.", &["look.md:1 refused-tool"]);
    check("look.md", "Use the `Read` tool, then call `complete_step`.", &[]);
    check("write.md", "Use the `Write` tool.", &[]);
    check("ask.md", "Look it up with the `WebFetch` tool.", &["ask.md:1 refused-tool"]);
}

#[test]
fn what_a_rule_forbids() {
    bad("# A\n```sh\nnpm install x\ncat .env\n```\n", "docs/a.md:4 forbidden");
    bad("# A\nRun `cat app/.env.local` to see the key.\n", "docs/a.md:2 forbidden");
    bad("# A\nThen open the file `.env` and add it.\n", "docs/a.md:2 forbidden");
    good("# A\n```sh\nnpm install x\n```\n");
    good("# A\n```console\n$ ls -a\ncat .env\n```\n");
    good("# A\n```console\nError: No such file (os error 2)\n   |\n```\n");
    bad("# A\n```sh\nls\n# look\n\ncat .env\n```\n", "docs/a.md:6 forbidden");
    bad("# A\n```console\n$ cat .env\n```\n```sh\nls\n```\n", "docs/a.md:3 forbidden");
    bad("# A\n```console\n$ ls\n```\n```sh\ncat .env\n```\n", "docs/a.md:6 forbidden");
    good("# A\n```sh\nnpm install <name> [<the other name>]\n```\n");
    good("# A\nSee also:\n- [`cat .env`](https://a.com)\n");
    bad("# A\n```sh\ncat <folder>/.env\n```\n", "docs/a.md:3 forbidden");
    bad("# A\n```sh\n# look\n\ncat .env\n```\n", "docs/a.md:5 forbidden");
    good("# A\nNever run `cat .env`. Do not read `.env`.\n");
    good("# A\nOpen `src/app.ts`. The `.env` file stays closed.\n");
    good("# A\n```text\ncat .env\n```\n");
    for asked in [
        "Read the .env file.",
        "Read .env for the key.",
        "Look in `.env`.",
        "Get the key from `.env`.",
        "Check `.env.local`.",
        "If you do not know it, read `.env`.",
        "If you do not know it, run `cat .env`.",
        "Find the key in the file **app/.env**.",
        "Open\n`.env`, and go on.",
        "You have to read `.env`.",
        "Look at the manifest and read `.env`.",
        "Make sure to read `.env` first.",
        "Use the Read tool to open `.env`.",
        "Start by reading `.env`.",
        "Do not guess the key: read `.env`.",
        "**Read** the `.env` file.",
        "See `.env` for the key.",
        "- [ ] Look with `cat .env`.",
        "In a shell: `cat .env`",
    ] {
        let line = if asked.starts_with("Open\n") { 3 } else { 2 };
        bad(&format!("# A\n{asked}\n"), &format!("docs/a.md:{line} forbidden"));
    }
    for fine in [
        "Never open, print, `cat` or `source` a `.env` file, or read `.env`.",
        "Never check `.env` in.",
        "Check `.env` in, if you must.",
        "Check that `.env` is ignored. Read the environment.",
        "There is no need to read `.env`.",
        "Do not:\n- read `.env`\n- open `.env.local`",
        "## What not to do\nRead `.env`.",
        "Never do this:\n```sh\ncat .env\n```",
        "Read on. The key is not in README.md.",
        "Write the key to `.env`.",
        "Load `.env` with dotenv, then read `src/app.ts`.",
        "Next.js will read `.env.local` by itself.",
        "The app will find and read `.env`.",
        "Ask the person to open `.env`.",
        "Users open `.env` and paste their key there.",
        "Only the person may read `.env`.",
        "If you need to read `.env`, ask for the names instead.",
        "Ask before you open `.env`.",
        "It is an error to read `.env`.",
        "Did you read `.env`? Then stop.",
        "\"Just read `.env`\" is what a bad plan says.",
        "Wrong: read `.env`. Right: ask.",
        "❌ `cat .env`",
        "Lockdown refuses these:\n- `cat .env`",
        "| call | |\n|---|---|\n| `cat .env` | refused |",
        "Wrong:\n```sh\ncat .env\n```",
        "The script runs `cat .env` at the end.",
        "After `cat .env` the plan was over.",
        "`cat .env` is done by nobody.",
        "Do not, under any circumstances, open `.env`.",
    ] {
        good(&format!("# A\n{fine}\n"));
    }
}

#[test]
fn files_that_no_tool_may_read_or_write() {
    let check = |lockdown: &'static str, text: &str, expect: &[&str]| {
        let texts = vec![page("docs/a.md", &[], &format!("# A\n{text}\n"))];
        Case { lockdown, texts, ..Case::default() }.check("min_score: 0", expect);
    };
    let told: &[&str] = &["docs/a.md:2 forbidden"];
    check("{ allow: [exec_command], deny: ['reads(**/.env*)'] }", "Read `.env` first.", told);
    check("{ allow: [exec_command], deny: ['reads(**/.env*)'] }", "Read `.npmrc` first.", &[]);
    let writes = "{ allow: ['*'], deny: ['writes(**/.env*)'] }";
    check(writes, "Write the key to `.env`.", told);
    check(writes, "Put key and host into the file .env.local.", told);
    check(writes, "Create `.env`.", told);
    check(writes, "Finish by writing the key to `.env`.", told);
    check(writes, "End by deleting `.env`.", told);
    check(writes, "Do not finish by writing the key to `.env`.", &[]);
    check(writes, "Read `.env`. Add `.env` to `.gitignore`.", &[]);
    check(writes, "Never write the key to `.env`.", &[]);
    check(writes, "Add `KEY=1` to `.env`.", told);
    check(writes, "Ask the person to add the key to `.env`.", &[]);
    check(writes, "`npm create` will write the key to `.env` for you.", &[]);
    // One way is enough, and a shell that is there for something else is none.
    check("{ allow: ['{Read,Grep}'], deny: ['Read'] }", "Read `a.txt`.", &[]);
    check("{ allow: ['Bash(npm test)'] }", "Read `a.txt`.", &[]);
    let own = "{ allow: [Write, Bash], deny: ['writes(**/.env*)'], replace: { set_keys: { description: Sets., inputs: \
        { file: { type: path, description: A., allow: ['**/.env'] } }, becomes: { shell: 'true' }, result: { lines: ok, otherwise: No. } } } }";
    check(own, "Write the key to `.env` with `set_keys`.", &[]);
    check(own, "Write the key to `.env`.", told);
}

#[test]
fn code_in_another_language_than_the_page() {
    let check = |languages: &[&str], text: &str, expect: &[&str]| {
        Case::of(vec![page("docs/a.md", languages, text)]).check("min_score: 0", expect);
    };
    let python = "# A\n```python\nx = 1\n```\n";
    check(&["typescript"], python, &["docs/a.md:2 fence-language"]);
    check(&["python"], python, &[]);
    check(&[], python, &[]);
    check(&["typescript"], "# A\n```js\nx\n```\n```json\n{}\n```\n```sh\nls\n```\n", &[]);
    check(&["python"], "# A\n```html\n<p>\n```\n", &[]);
}

#[test]
fn code_in_another_language_than_the_framework_or_the_airplane() {
    let check = |frameworks: &[&str], word: &str, expect: &[&str]| {
        let text = format!("# A\n```{word}\nx\n```\n");
        Case::of(vec![tagged("docs/a.md", (&[], frameworks), &text)]).check("min_score: 0", expect);
    };
    let told: &[&str] = &["docs/a.md:2 fence-language"];
    check(&["django"], "js", told);
    check(&["django"], "python", &[]);
    check(&["django", "react"], "js", &[]);
    check(&["nextjs"], "python", told);
    check(&["nextjs"], "tsx", &[]);
    check(&["hugo"], "go", &[]);
    let plane = |readme: &str, file: &str, expect: &[&str]| {
        let plane = plane(("python", "flask"), readme, &[(file, "x = 1\n")]);
        let readme = Text { tags: Some(plane.tags.clone()), ..prose("airplanes/plane/README.md", readme) };
        Case { texts: vec![readme], airplanes: vec![plane], ..Case::default() }.check("min_score: 0", expect);
    };
    plane("# A\n```python\nx\n```\n", "app.py", &[]);
    plane("# A\n```ts\nx\n```\n", "app.py", &["airplanes/plane/README.md:2 fence-language"]);
    plane("# A\n", "app.ts", &["airplanes/plane/airplane.yaml:1 fence-language"]);
    plane("# A\n", "templates/a.html", &[]);
    plane("# A\n", "requirements.txt", &[]);
}

#[test]
fn links_that_lead_nowhere() {
    let both = |link: &str, expect: &[&str]| {
        let texts = vec![
            page("docs/a.md", &[], &format!("# A\nSee [b]({link}).\n")),
            page("docs/sub/b.md", &[], "# Two words!\nb\n"),
        ];
        Case::of(texts).check("min_score: 0", expect);
    };
    both("sub/b.md", &[]);
    both("./sub/../sub/b.md#two-words", &[]);
    both("#a", &[]);
    both("https://example.com/none.md", &[]);
    both("sub/c.md", &["docs/a.md:2 dead-link"]);
    good("# A\n[b](#twice-1)\n## Twice\none\n## Twice\ntwo\n");
    bad("# A\n[b](#twice-2)\n## Twice\none\n## Twice\ntwo\n", "docs/a.md:2 dead-link");
    both("sub/b.md#three", &["docs/a.md:2 dead-link"]);
    both("sub/b.md#top", &[]);
    both("#b", &["docs/a.md:2 dead-link"]);
    good("# A\n<!-- [b](none.md) -->\nb\n");
    good("# A\n`[b](none.md)` is a link.\n".replace('`', "```").as_str());
}

#[test]
fn links_however_they_are_written() {
    let check = |text: &str, is_dead: bool| {
        let texts = vec![
            page("docs/a.md", &[], &format!("# A\n{text}\n")),
            page("docs/b c.md", &[], "Under\n=====\nb\n## Trail ##\nt\n## In C#\nc\n## A `b` [c](a.md)\nd\n"),
        ];
        let files = owned(&["docs/a.md", "docs/b c.md", "docs/a.png", "docs/sub/index.md", "top.md"]);
        let expect: &[&str] = if is_dead { &["docs/a.md:2 dead-link"] } else { &[] };
        Case { texts, files, ..Case::default() }.check("min_score: 0", expect);
    };
    for dead in [
        "[r]: none.md",
        "[b](<none.md>)",
        "<a href=\"none.md\">b</a>",
        "<a class='x' href='none.md'>b</a>",
        "![b](none.png)",
        "<img src=\"none.png\">",
        "[b](none)",
        "[b](/docs/none.md)",
        "[b](<b c.md#three>)",
        "[b](none%20c.md)",
    ] {
        check(dead, true);
    }
    for fine in [
        "[ref][r] and\n\n[r]: b%20c.md 'B'",
        "[b](<b c.md>)",
        "[b](b%20c.md#under)",
        "[b](b%20c.md#trail)",
        "[b](b%20c.md#in-c)",
        "[b](b%20c.md#a-b-c)",
        "<a href=\"a.md\">b</a> <a href='https://a.com/none.md'>c</a>",
        "![b](a.png)",
        "[b](sub) [b](sub/)",
        "[b](a)",
        "[b](/docs/a.md) [b](/a.md) [b](/top.md) [b](/pricing)",
        "[b](../src/app.ts) [b](mailto:a@b.c) [b]({{ url }})",
        "<a id=\"here\"></a> [b](#here)",
        "[^1]: See none.md",
    ] {
        check(fine, false);
    }
}

#[test]
fn passages_that_nobody_is_shown() {
    let long = format!("# A\n## B\n{}\n", "word ".repeat(60));
    let found = Case::one(&long).check("allowance: 100, min_score: 0", &["docs/a.md:2 unreachable"]);
    assert!(found[0].sentence.contains("room for 73"), "{found:?}");
    Case::one("# A\n## B\nsame words\n## C\nsame words\n").check("min_score: 0", &["docs/a.md:4 unreachable"]);
    Case::one("# A\n## B\nsame words\n## C\nother words\n").check("min_score: 0", &[]);
    // However often it is said, it is told once.
    let found = Case::one("Read on.\n# A\nRead on.\n# B\nRead on.\n# C\nRead on.\n")
        .check("min_score: 0", &["docs/a.md:2 unreachable"]);
    let expect = "The section `A` of `a.md` says what the beginning of `a.md` says, word for word, as 2 more do";
    assert!(found[0].sentence.starts_with(expect), "{found:?}");
    Case::one("# A\n## B\nthe of and\n").check("min_score: 90", &["docs/a.md:2 unreachable"]);
    // Of many that begin alike each is found by its page.
    let history =
        |at: u32| format!("# Call{at}\n## Version history\n| Version | Changes |\n| --- | --- |\n| v{at} | Added. |\n");
    let pages = (0..60).map(|at| page(&format!("docs/{at}.md"), &[], &history(at))).collect();
    Case::of(pages).check("min_score: 0.8", &[]);
    // With what stands around it as it is shown, and behind the words before all of them.
    let near = format!("# A\n## B\n{}\n", "x".repeat(180));
    Case::one(&near).check("allowance: 50, min_score: 0", &["docs/a.md:2 unreachable"]);
    Case::one(&near).check("allowance: 70, min_score: 0", &["docs/a.md:2 unreachable"]);
    Case::one(&near).check("allowance: 90, min_score: 0", &[]);
    // Of two pages whose names end alike, the one whose section it is.
    let long = format!("# B\n{}\n", "word ".repeat(60));
    let texts = vec![page("docs/x/a.md", &[], "# A\nshort\n"), page("docs/a.md", &[], &long)];
    Case::of(texts).check("allowance: 100, min_score: 0", &["docs/a.md:1 unreachable"]);
}

#[test]
fn tags_that_nobody_has() {
    let check = |tags: (&[&str], &[&str]), text: &str, expect: &[&str]| {
        let policy = "[{ id: look, prompt: a.md }] # docs: { folder: docs, frameworks: [djnago] }".into();
        Case { policy, texts: vec![tagged("docs/a.md", tags, text)], ..Case::default() }.check("min_score: 0", expect);
    };
    check(
        (&[], &["djnago"]),
        "---\ntitle: A\nframeworks: [djnago]\n---\n# Apples\nApples and pears.\n",
        &["docs/a.md:3 front-matter"],
    );
    check((&[], &["djnago"]), "# Apples\nApples and pears.\n", &["policy.yaml:1 unreachable"]);
    check((&["django"], &[]), "# Apples\nApples and pears.\n", &["policy.yaml:1 unreachable"]);
    check((&["python"], &["django"]), "# Apples\nApples and pears.\n", &[]);
    check((&["ts", "c++"], &["next.js"]), "# Apples\nApples and pears.\n", &[]);
    let plane = plane(("python", "falsk"), "# A\n", &[]);
    Case { airplanes: vec![plane], ..Case::default() }
        .check("min_score: 0", &["airplanes/plane/airplane.yaml:1 unreachable"]);
}

#[test]
fn front_matter_that_cannot_be_read() {
    let check = |matter: &str, expect: &[&str]| {
        let text = format!("{matter}\n# Apples\nApples and pears.\n");
        let tags = Tags::of(&text, &Tags::default());
        let text = Text { tags: Some(tags), ..page("docs/a.md", &[], &text) };
        Case::of(vec![text]).check("min_score: 0", expect)
    };
    let found = check("---\ntitle: A\nlanguage: pyhton\n---", &["docs/a.md:3 front-matter"]);
    assert!(found[0].sentence.contains("`pyhton` in the front matter"), "{found:?}");
    check("---\nlanguages: { a: b }\n---", &["docs/a.md:2 front-matter"]);
    check("+++\nlanguages = ['python']\n+++", &["docs/a.md:2 front-matter"]);
    check("---\nlanguages: python\n", &["docs/a.md:2 front-matter"]);
    check("---\nlanguages: python, django\n---", &[]);
    check("---\ntitle: [never closed\nlanguage: python\n---", &[]);
    check("---\nlanguages: python\nframeworks: []\n---", &[]);
    // Prose is shown as it stands.
    Case::of(vec![prose("ask.md", "---\nlanguage: pyhton\n---\nGo.\n")]).check("min_score: 0", &[]);
}

#[test]
fn airplanes_that_there_is_no_room_for() {
    let check = |readme: usize, files: &[usize], expect: &[&str]| {
        let texts: Vec<(String, String)> =
            files.iter().enumerate().map(|(at, size)| (format!("{at}.py"), "x".repeat(*size))).collect();
        let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let plane = plane(("python", "flask"), &"r".repeat(readme), &files);
        let policy = "[{ id: look-on, prompt: a.md },\n { id: look, prompt: a.md }]".into();
        Case { policy, airplanes: vec![plane], ..Case::default() }.check("allowance: 250, min_score: 0", expect)
    };
    check(500, &[200, 200], &[]);
    check(2_500, &[], &["airplanes/plane/README.md:1 small-allowance"]);
    // Not the README alone: its frame and the list of files come with it.
    let found = check(1_400, &[10, 10], &["airplanes/plane/README.md:1 small-allowance"]);
    assert!(!found[0].sentence.contains("takes 183 tokens"), "{found:?}");
    // What the first step shows stands in the same message.
    let plane = plane(("python", "flask"), &"r".repeat(500), &[("a.py", &"x".repeat(200)), ("b.py", &"x".repeat(200))]);
    let policy = "[{ id: look, prompt: a.md }]".into();
    let case = Case { policy, airplanes: vec![plane], ..Case::default() };
    case.check("allowance: 250, min_score: 0", &["airplanes/plane/README.md:1 small-allowance"]);
    case.check("allowance: 500, min_score: 0", &[]);
    let found = check(100, &[800, 800, 100], &["policy.yaml:2 small-allowance"]);
    assert!(found[0].sentence.contains("tokens of the airplane `plane`, and"), "{found:?}");
    assert!(found[0].sentence.contains("room for 250, so that `1.py` is left out"), "{found:?}");
}
