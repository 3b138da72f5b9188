//! For each rule what is wrong and what is not.

use super::*;
use crate::retrieval::chunk;
use crate::retrieval::profile::Tags;

const LOCKDOWN: &str =
    "{ allow: ['{Bash,Read,Write}'], deny: ['mcp__*', 'WebFetch', { rule: 'reads(**/.env*)', reason: No. }] }";

struct Case {
    policy: String,
    texts: Vec<Text>,
}

fn page(file: &str, languages: &[&str], text: &str) -> Text {
    let languages = languages.iter().map(|name| (*name).to_owned()).collect();
    Text { file: file.into(), text: text.into(), tags: Some(Tags { languages, frameworks: Vec::new() }) }
}

impl Case {
    fn of(texts: Vec<Text>) -> Self {
        Self { policy: String::new(), texts }
    }

    fn one(text: &str) -> Self {
        Self::of(vec![page("docs/a.md", &[], text)])
    }

    /// `file:line rule` of all that is found.
    #[track_caller]
    fn check(&self, context: &str, expect: &[&str]) -> Vec<Finding> {
        let lockdown: Arc<Rules> = Arc::new(serde_saphyr::from_str(LOCKDOWN).unwrap());
        let context: context::Rules = serde_saphyr::from_str(&format!("{{ docs: docs, {context} }}")).unwrap();
        let chunks = self.texts.iter().filter(|text| text.tags.is_some());
        let name = |text: &Text| text.file.trim_start_matches("docs/").to_owned();
        let index = Index::new(chunks.flat_map(|text| chunk::cut(&name(text), &text.text)).collect());
        let path = (!self.policy.is_empty()).then(|| {
            let rules: breadcrumbs::Rules = serde_saphyr::from_str(&self.policy).unwrap();
            let texts =
                rules.steps().iter().map(|_| breadcrumbs::Texts { prose: "Go.".into(), schema: None }).collect();
            breadcrumbs::Path::new(rules, texts).unwrap()
        });
        let facts = Facts {
            lockdown: Some(&lockdown),
            context: Some(&context),
            path: path.as_ref(),
            index: Some(&index),
            airplanes: &[],
            texts: &self.texts,
            policy: &self.policy,
        };
        let found = lint(&facts);
        let told: Vec<String> =
            found.iter().map(|found| format!("{}:{} {}", found.file, found.line, found.rule)).collect();
        assert_eq!(told, expect, "{found:#?}");
        found
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
}

#[test]
fn what_a_rule_forbids() {
    bad("# A\n```sh\nnpm install x\ncat .env\n```\n", "docs/a.md:3 forbidden");
    bad("# A\nRun `cat app/.env.local` to see the key.\n", "docs/a.md:2 forbidden");
    bad("# A\nThen open the file `.env` and add it.\n", "docs/a.md:2 forbidden");
    good("# A\n```sh\nnpm install x\n```\n");
    good("# A\n```console\n$ ls -a\ncat .env\n```\n");
    bad("# A\n```sh\n# look\n\ncat .env\n```\n", "docs/a.md:5 forbidden");
    good("# A\nNever run `cat .env`. Do not read `.env`.\n");
    good("# A\nOpen `src/app.ts`. The `.env` file stays closed.\n");
    good("# A\n```text\ncat .env\n```\n");
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
    both("#b", &["docs/a.md:2 dead-link"]);
    good("# A\n`[b](none.md)` is a link.\n".replace('`', "```").as_str());
}

#[test]
fn passages_that_nobody_is_shown() {
    let long = format!("# A\n## B\n{}\n", "word ".repeat(60));
    let found = Case::one(&long).check("allowance: 50, min_score: 0", &["docs/a.md:2 unreachable"]);
    assert!(found[0].sentence.contains("room for 200"), "{found:?}");
    Case::one("# A\n## B\nsame words\n## C\nsame words\n").check("min_score: 0", &["docs/a.md:4 unreachable"]);
    Case::one("# A\n## B\nsame words\n## C\nother words\n").check("min_score: 0", &[]);
    Case::one("# A\n## B\nthe of and\n").check("min_score: 90", &["docs/a.md:2 unreachable"]);
}

#[test]
fn steps_that_nothing_can_complete() {
    let check = |done: &str, expect: &[&str]| {
        let policy = format!("[{{ id: look, prompt: a.md, done: {done} }}]");
        Case { policy, texts: vec![page("docs/a.md", &[], "# Apples\nApples and pears.\n")] }
            .check("min_score: 0.01", expect);
    };
    check("{ call: 'WebFetch(domain:a.com)' }", &["policy.yaml:1 hopeless-step"]);
    check("{ all: [complete_step, { call: Edit }] }", &["policy.yaml:1 hopeless-step"]);
    check("{ any: [complete_step, { call: Edit }] }", &[]);
    check("{ call: 'Write(**/plan.json)' }", &[]);
    check("{ call: 'writes(**/plan.json)' }", &[]);
    check("complete_step, docs: [bridges]", &["policy.yaml:1 unreachable"]);
    check("complete_step, docs: [apples]", &[]);
}

#[test]
fn pages_that_disagree() {
    let two = |one: &str, other: &str, languages: [&[&str]; 2], expect: &[&str]| {
        let texts = vec![page("docs/a.md", languages[0], one), page("docs/b.md", languages[1], other)];
        Case::of(texts).check("min_score: 0", expect);
    };
    let import = |module: &str| format!("# {module}\n```ts\nimport {{ PostHogProvider }} from '{module}'\n```\n");
    let ts: &[&str] = &["typescript"];
    two(&import("posthog-js/react"), &import("@posthog/react"), [ts, ts], &["docs/b.md:3 disagreement"]);
    two(&import("@posthog/react"), &import("@posthog/react"), [ts, ts], &["docs/b.md:1 unreachable"]);
    two(&import("./own"), &import("@posthog/react"), [ts, ts], &[]);
    let key = |name: &str| format!("# {name}\nSet `{name}` first.\n");
    two(&key("POSTHOG_KEY"), &key("POSTHOG_TOKEN"), [ts, ts], &["docs/b.md:1 disagreement"]);
    two(&key("POSTHOG_KEY"), &key("POSTHOG_HOST"), [ts, ts], &[]);
    let router = |module: &str| format!("# {module}\n```ts\nimport {{ Router }} from '{module}'\n```\n");
    two(&router("express"), &router("vue-router"), [ts, ts], &[]);
    two(&key("STRIPE_KEY"), &format!("{}And `STRIPE_KEY`.\n", key("STRIPE_TOKEN")), [ts, ts], &[]);
    let py: &[&str] = &["python"];
    two(&key("POSTHOG_KEY"), &key("POSTHOG_TOKEN"), [ts, py], &[]);
    let gone = "# A\n`identifyUser` was renamed to `identify`.\n";
    two(gone, "# B\n```ts\nposthog.identifyUser('x')\n```\n", [ts, ts], &["docs/b.md:3 disagreement"]);
    two(gone, "# B\n```ts\nposthog.identifyUserAgain('x')\n```\n", [ts, ts], &[]);
}
