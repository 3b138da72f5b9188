//! What people write, of every kind of finding: as it stands in pages, steps and policies.

use super::*;

/// What is looked at, under which settings, and the rule that is to tell something.
type Sample = (Case, &'static str, Option<&'static str>);

/// A page, where nothing else counts.
fn one(text: &str, told: Option<&'static str>) -> Sample {
    (Case::one(&format!("# Setting it up\n{text}\n")), "min_score: 0", told)
}

fn pages(texts: Vec<Text>, told: Option<&'static str>) -> Sample {
    (Case::of(texts), "min_score: 0", told)
}

fn step(policy: &str, told: Option<&'static str>) -> Sample {
    let texts = vec![page("docs/a.md", &[], "# Events\nHow an event is captured.\n")];
    (Case { policy: policy.into(), texts, ..Case::default() }, "min_score: 0.1", told)
}

/// An airplane with a README of so many words and files of so many, and an allowance.
fn flown(readme: usize, files: &[usize], allowance: &'static str, told: Option<&'static str>) -> Sample {
    let texts: Vec<(String, String)> =
        files.iter().enumerate().map(|(at, words)| (format!("app/{at}.py"), "value = 1\n".repeat(*words))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let airplanes = vec![plane(("python", "flask"), &"Word ".repeat(readme), &files)];
    let policy = "[{ id: begin, prompt: a.md },\n { id: look, prompt: a.md }]".into();
    (Case { policy, airplanes, ..Case::default() }, allowance, told)
}

/// Holds what is found against the rule that is to tell something.
#[track_caller]
fn check(samples: &[Sample]) {
    let told = |(case, context, _): &Sample| -> Vec<&'static str> {
        let mut rules: Vec<&str> = case.found(context).into_iter().map(|found| found.rule).collect();
        rules.dedup();
        rules
    };
    let wrong: Vec<String> = samples
        .iter()
        .filter(|sample| told(sample) != sample.2.into_iter().collect::<Vec<_>>())
        .map(|sample| format!("{:?}, not {:?}: {:#?} {}", told(sample), sample.2, sample.0.texts, sample.0.policy))
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), samples.len(), wrong.join("\n"));
}

#[test]
fn what_agents_are_asked_to_do() {
    let (tool, forbidden) = (Some("refused-tool"), Some("forbidden"));
    check(&[
        one("Before you write code, search the web with WebSearch for the newest version of the SDK.", tool),
        one("Create the issue through `mcp__linear__create_issue` and put its link into your summary.", tool),
        one("Delegate the search to a subagent with the `Task` tool.", tool),
        one("The SDK takes your own `fetch`: call `fetch` once per flush.", None),
        one("If the person wants an issue, tell them to create it with `mcp__linear__create_issue` themselves.", None),
        one("We used to look it up with `WebFetch`; today everything is on these pages.", None),
        one("Confirm that the key is set:\n\n```bash\ngrep POSTHOG .env.local\n```", forbidden),
        one("Begin from the example:\n\n```sh\ncp .env.example .env\n```", forbidden),
        one("Take the value of `POSTHOG_KEY` from `apps/web/.env`.", forbidden),
        one("Vite reads `.env` at build time, so that it has to be started anew after a change.", None),
        one("Make sure that `.env*` stands in `.gitignore`, and commit that.", None),
        one("Tell the person to open `.env.local`, to put the key there and to start the server anew.", None),
    ]);
}

#[test]
fn pages_that_say_two_things() {
    let disagreement = Some("disagreement");
    let ts = |code: &str| format!("# {}\n```ts\n{code}\n```\n", code.len());
    let of = |framework: &'static [&'static str], file: &str, text: &str| tagged(file, (&[], framework), text);
    check(&[
        pages(
            vec![
                page("docs/a.md", &[], "# Deploying\nSet `NEXT_PUBLIC_POSTHOG_KEY` in the dashboard of your host.\n"),
                prose("steps/3.md", "Add this:\n```ts\nposthog.init(process.env.NEXT_PUBLIC_POSTHOG_TOKEN!)\n```\n"),
            ],
            disagreement,
        ),
        pages(
            vec![
                page("docs/a.md", &[], &ts("import { Analytics } from '@segment/analytics-node'")),
                page("docs/b.md", &[], &ts("import { Analytics } from 'analytics-node'")),
            ],
            disagreement,
        ),
        pages(
            vec![
                page(
                    "docs/a.md",
                    &[],
                    "# Docker\n```yaml\nenvironment:\n  POSTHOG_HOST: https://eu.i.posthog.com\n```\n",
                ),
                page("docs/b.md", &[], "# Shell\n```sh\nexport POSTHOG_HOST=https://app.posthog.com\n```\n"),
            ],
            disagreement,
        ),
        pages(
            vec![
                of(&["nextjs"], "docs/a.md", &ts("import { useFeatureFlag } from 'posthog-js/react'")),
                of(&["react-native"], "docs/b.md", &ts("import { useFeatureFlag } from 'posthog-react-native'")),
            ],
            None,
        ),
        pages(
            vec![
                page("docs/a.md", &[], "# Server\nIt signs with `STRIPE_SECRET_KEY`.\n"),
                page("docs/b.md", &[], "# Browser\nIt begins with `STRIPE_PUBLISHABLE_KEY`.\n"),
            ],
            None,
        ),
    ]);
}

#[test]
fn code_and_links_of_pages() {
    let (fence, dead) = (Some("fence-language"), Some("dead-link"));
    let events = "# Events\n## Naming an event\nIn the past tense.\n## Identify a user with `identify`\nOnce.\n";
    let linked = |link: &str, told| {
        pages(
            vec![page("docs/a.md", &[], &format!("# Start\nSee {link}.\n")), page("docs/events.md", &[], events)],
            told,
        )
    };
    let of = |framework: &'static [&'static str], file: &str, text: &str| tagged(file, (&[], framework), text);
    let ruby_plane =
        Case { airplanes: vec![plane(("python", "flask"), "# A\n", &[("app.rb", "puts 1\n")])], ..Case::default() };
    check(&[
        pages(vec![page("docs/a.md", &["python"], "# View\n```tsx\n<App />\n```\n")], fence),
        (ruby_plane, "min_score: 0", fence),
        pages(vec![of(&["django"], "docs/a.md", "# Template\n```html+django\n{% load static %}\n```\n")], None),
        pages(vec![of(&["sveltekit"], "docs/a.md", "# Hook\n```svelte\n<p>\n```\n```ts\nlet a = 1\n```\n")], None),
        pages(
            vec![page(
                "docs/a.md",
                &["go"],
                "# Image\n```dockerfile\nFROM golang\n```\n```toml\na = 1\n```\n```go\nmain()\n```\n",
            )],
            None,
        ),
        linked("[naming](./events.md#naming-events)", dead),
        linked("[what to do](../troubleshoting.md)", dead),
        linked("[naming](events.md#naming-an-event)", None),
        linked("[`identify`](/docs/events#identify-a-user-with-identify)", None),
        linked("[the site](https://posthog.com/docs/none.md) and [this](#start)", None),
    ]);
}

#[test]
fn what_nobody_sees_or_ends() {
    let (unreachable, hopeless, small) = (Some("unreachable"), Some("hopeless-step"), Some("small-allowance"));
    check(&[
        pages(
            vec![
                page("docs/a.md", &[], "# One\n## License\nMIT, of the authors.\n"),
                page("docs/b.md", &[], "# Other\n## License\nMIT, of the authors.\n"),
            ],
            unreachable,
        ),
        step("[{ id: look, prompt: a.md, docs: [\"ingress of kubernetes\"] }]", unreachable),
        pages(vec![page("docs/a.md", &[], "# FAQ\nSee what is below.\n## Why?\nBecause.\n")], None),
        pages(
            vec![
                page("docs/a.md", &[], "# Node\n## Install\nWith npm, for servers.\n"),
                page("docs/b.md", &[], "# Browser\n## Install\nWith a script tag, for pages.\n"),
            ],
            None,
        ),
        step("[{ id: look, prompt: a.md, done: { call: WebFetch } }]", hopeless),
        step("[{ id: look, prompt: a.md, done: { call: 'Bash(npm run build && npm test)' } }]", hopeless),
        step("[{ id: look, prompt: a.md, tools: [Read, Bash], done: { call: 'Write(src/**)' } }]", hopeless),
        step("[{ id: look, prompt: a.md, done: { call: 'Bash(npm run build)' } }]", None),
        step("[{ id: look, prompt: a.md, done: { any: [{ call: 'runs(pytest *)' }, { call: mcp__ci__run }] } }]", None),
        flown(2_000, &[10], "min_score: 0, allowance: 500", small),
        flown(10, &[10, 900], "min_score: 0, allowance: 500", small),
        flown(10, &[10, 50], "min_score: 0, allowance: 1000", None),
        flown(200, &[], "min_score: 0, allowance: 1000", None),
    ]);
}
