use super::*;
use crate::wire::Dialect;
use crate::wire::json::Json;

fn request(messages: &serde_json::Value) -> Request {
    let body = serde_json::json!({"model": "m", "max_tokens": 9, "messages": messages});
    Request::read(Dialect::Messages, Json::read(body.to_string().into()).unwrap()).unwrap()
}

/// A project of which these files are listed, and this one is read.
fn project(listing: &str, path: &str, content: &str) -> Profile {
    Profile::read(&request(&serde_json::json!([
        {"role": "user", "content": "Add analytics."},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "a", "name": "Bash", "input": {"command": "git ls-files"}},
            {"type": "tool_use", "id": "b", "name": "Read", "input": {"file_path": path}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": listing},
            {"type": "tool_result", "tool_use_id": "b", "content": content},
        ]},
    ])))
}

fn tags(languages: &[&str], frameworks: &[&str]) -> Tags {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Tags { languages: owned(languages), frameworks: owned(frameworks) }
}

#[test]
fn evidence_says_what_was_seen_and_where() {
    let profile = project("package.json\nyarn.lock", "package.json", "{\"dependencies\": {\"next\": \"16\"}}");
    let texts: Vec<String> = profile.evidence(Kind::Framework, "nextjs").iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["package.json read by Read: dependency next"]);
    let texts: Vec<String> = profile.evidence(Kind::Manager, "yarn").iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["yarn.lock listed by Bash: its name"]);
    assert!(profile.evidence(Kind::Framework, "vue").is_empty());
}

#[track_caller]
fn check(profile: &Profile, languages: &[&str], frameworks: &[&str], expect: &str) {
    let fit = match tags(languages, frameworks).fits(profile) {
        Fit::Not => "not",
        Fit::Neutral => "neutral",
        Fit::Language { .. } => "language",
        Fit::Framework { leading: false, .. } => "framework",
        Fit::Framework { leading: true, .. } => "own framework",
    };
    assert_eq!(fit, expect, "{languages:?} {frameworks:?}");
}

#[test]
fn a_page_fits_by_language_and_framework() {
    const JS: &[&str] = &["typescript", "javascript"];
    let next = project(
        "tsconfig.json\napp/page.tsx",
        "package.json",
        "{\"dependencies\": {\"next\": \"16\", \"react\": \"19\"}}",
    );
    check(&next, &[], &[], "neutral");
    check(&next, JS, &["nextjs"], "own framework");
    check(&next, JS, &["nextjs-app"], "own framework");
    check(&next, JS, &["react"], "framework");
    check(&next, &[], &["Next.js"], "own framework");
    check(&next, &["js"], &[], "language");
    // What goes together has to be there together.
    check(&next, JS, &["react", "vite"], "not");
    check(&next, JS, &["nextjs-pages"], "not");
    check(&next, JS, &["express"], "not");
    check(&next, &["python"], &[], "not");
    check(&next, &["python"], &["nextjs"], "not");
    check(&next, &["php", "javascript"], &[], "language");
    check(&next, &[], &["a framework of their own"], "not");

    let flask = project("app.py", "requirements.txt", "flask==3");
    // Of what can stand for each other one is enough.
    check(&flask, &["python"], &["flask", "fastapi"], "own framework");
    check(&flask, &["python"], &["django"], "not");
    check(&flask, JS, &[], "not");

    let svelte = project("src/App.svelte", "package.json", "{\"dependencies\": {\"svelte\": \"5\"}}");
    check(&svelte, JS, &["svelte"], "own framework");
    check(&svelte, JS, &["sveltekit", "svelte"], "not");

    let express = project("server.js", "package.json", "{\"dependencies\": {\"express\": \"5\"}}");
    check(&express, JS, &["node", "express"], "own framework");
    check(&express, JS, &["node"], "framework");
    check(&express, &["typescript"], &[], "language");
}

#[test]
fn without_evidence_only_neutral_pages_fit() {
    let nothing = Profile::default();
    assert!(nothing.is_empty());
    check(&nothing, &[], &[], "neutral");
    check(&nothing, &["python"], &[], "not");
    check(&nothing, &[], &["react"], "not");
}

#[test]
fn a_better_fit_is_a_greater_one() {
    let next = project("app/page.tsx", "package.json", "{\"dependencies\": {\"next\": \"16\", \"react\": \"19\"}}");
    let fit = |languages: &[&str], frameworks: &[&str]| tags(languages, frameworks).fits(&next);
    assert!(fit(&[], &["nextjs"]) > fit(&[], &["react"]));
    assert!(fit(&[], &["react"]) > fit(&["typescript"], &[]));
    assert!(fit(&["typescript"], &[]) > fit(&[], &[]));
    assert!(fit(&[], &[]) > fit(&["go"], &[]));
    assert!(!fit(&["go"], &[]).is_fit());
}

#[test]
fn a_page_is_known_by_its_fences() {
    let check = |markdown: &str, languages: &[&str], frameworks: &[&str]| {
        assert_eq!(detect(markdown), tags(languages, frameworks), "{markdown}");
    };
    check("# Setup\n```tsx title=\"app/page.tsx\"\nx\n```\n", &["typescript"], &[]);
    check("```bash\npip install x\n```\n\n```python\nimport x\n```", &["python"], &[]);
    check("- a list:\n  ~~~js {1,3}\n  x\n  ~~~\n", &["javascript"], &[]);
    check("```html\n<p>\n```\n```rb\nx\n```", &["ruby"], &[]);
    check("```html\n<script>\n```", &["html"], &[]);
    check("```vue\n<template>\n```", &[], &["vue"]);
    check("````md\n```python\n```\n````\n```go\n```", &["go"], &[]);
    check("no code, but python and `rust`\n```\nplain\n```\n```json\n{}\n```", &[], &[]);
    check("```js\n```\n```py\n```", &["javascript", "python"], &[]);
}

#[test]
fn a_new_turn_costs_what_is_new() {
    let mut messages = vec![serde_json::json!({"role": "user", "content": "Add analytics to my Rails app."})];
    let mut profile = Profile::read(&request(&messages.clone().into()));
    assert_eq!(profile.frameworks, ["rails"]);
    messages.push(serde_json::json!({"role": "assistant", "content": [
        {"type": "tool_use", "id": "a", "name": "LS", "input": {"path": "/r"}}]}));
    // The call is among what was told before; the result is new.
    let told = request(&messages.clone().into());
    messages.push(serde_json::json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "manage.py\n"}]}]}));
    profile.grow(&request(&messages.into()), length(&told));
    assert_eq!(
        (profile.languages.as_slice(), profile.frameworks.as_slice()),
        (&["python".to_owned()][..], &["django".to_owned()][..])
    );
}

#[test]
fn only_so_much_is_looked_at() {
    let far = format!("{}package.json\n", "a line of nothing\n".repeat(10_000));
    assert!(project(&far, "x.md", "").is_empty());
    let near = format!("package.json\n{}", "a line of nothing\n".repeat(10_000));
    assert_eq!(project(&near, "x.md", "").languages, ["javascript"]);
}
