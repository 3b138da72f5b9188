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
        Fit::Not(Kind::Framework) => "other framework",
        Fit::Not(_) => "other language",
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
    check(&next, JS, &["react", "vite"], "other framework");
    check(&next, JS, &["nextjs-pages"], "other framework");
    check(&next, JS, &["express"], "other framework");
    check(&next, &["python"], &[], "other language");
    check(&next, &["python"], &["nextjs"], "other language");
    check(&next, &["php", "javascript"], &[], "language");
    check(&next, &[], &["a framework of their own"], "other framework");

    let flask = project("app.py", "requirements.txt", "flask==3");
    // Of what can stand for each other one is enough.
    check(&flask, &["python"], &["flask", "fastapi"], "own framework");
    check(&flask, &["python"], &["django"], "other framework");
    check(&flask, JS, &[], "other language");

    let svelte = project("src/App.svelte", "package.json", "{\"dependencies\": {\"svelte\": \"5\"}}");
    check(&svelte, JS, &["svelte"], "own framework");
    check(&svelte, JS, &["sveltekit", "svelte"], "other framework");

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
    check(&nothing, &["python"], &[], "other language");
    check(&nothing, &[], &["react"], "other framework");
}

#[test]
fn what_of_a_passage_is_not_the_project_s_is_told() {
    let flask = project("app.py", "requirements.txt", "flask==3");
    let check = |frameworks: &[&str], code: &str, expect: Option<Kind>| {
        let text = format!("text\n```{code}\n```\n");
        assert_eq!(fits(&tags(&["python"], frameworks), &text, &flask).other(), expect, "{frameworks:?} {code}");
    };
    check(&[], "python\nimport flask", None);
    check(&[], "python\nfrom django.db import models", Some(Kind::Framework));
    check(&["django"], "python\nx = 1", Some(Kind::Framework));
    check(&[], "ruby\nx = 1", Some(Kind::Language));
    assert_eq!(fits(&Tags::default(), "```python\nimport django\n```", &flask).other(), Some(Kind::Framework));
}

#[test]
fn a_framework_that_a_person_names_tells_the_language_where_it_has_only_one() {
    let next = Profile::of_words("Add a login to my Next.js app router project");
    assert_eq!((next.languages.len(), next.frameworks.contains(&"nextjs-app".to_owned())), (0, true));
    for languages in [&["typescript", "javascript"], &["typescript"] as &[_], &["javascript"]] {
        check(&next, languages, &[], "language");
    }
    check(&next, &[], &["nextjs-app"], "own framework");
    check(&next, &[], &["nextjs-pages"], "other framework");
    check(&next, &["python"], &[], "other language");
    let both = Profile::of_words("My Django app has a React.js front end: it is my React.js app.");
    check(&both, &["python"], &[], "language");
    check(&both, &["typescript"], &[], "language");
    check(&both, &["ruby"], &[], "other language");
    let spring = Profile::of_words("I have a Spring Boot app");
    assert!(!spring.frameworks.is_empty(), "{spring:?}");
    check(&spring, &["java"], &[], "other language");
    check(&spring, &["java"], &["spring-boot"], "own framework");
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
fn a_passage_is_known_by_the_frameworks_that_its_code_imports() {
    let check = |fence: &str, code: &str, languages: &[&str], frameworks: &[&str]| {
        let markdown = format!("text\n```{fence}\n{code}\n```\n");
        assert_eq!(detect(&markdown), tags(languages, frameworks), "{markdown}");
    };
    check("python", "from django.db import models", &["python"], &["django"]);
    check("ts", "import Link from 'next/link'", &["typescript"], &["nextjs"]);
    check("ts", "import {\n  fail,\n} from '@sveltejs/kit'", &["typescript"], &["sveltekit"]);
    check("vue", "import { ref } from 'vue'\nimport { defineNuxtConfig } from 'nuxt'", &[], &["nuxt", "vue"]);
    check("rust", "use axum::Router;", &["rust"], &["axum"]);
    check("go", "import (\n\t\"github.com/gin-gonic/gin\"\n)", &["go"], &["gin"]);
    // One that says no language may be in any.
    check("", "from flask import Flask", &[], &["flask"]);
    check("", "const app = require('express')()", &[], &["express"]);
    // These are in projects of every framework.
    check("ts", "import { defineConfig } from 'vite'\nimport http from 'node:http'", &["typescript"], &[]);
    check("ts", "import { capture } from './django'\nimport posthog from 'posthog-js'", &["typescript"], &[]);
    // It is no code, or code of another language.
    check("text", "from django import forms", &[], &[]);
    check("ruby", "from django import forms", &["ruby"], &[]);
    assert_eq!(detect("from django import forms\n\n`from flask import x`"), Tags::default());
    assert_eq!(
        detect("1. ```py\n   from django import forms\n   ```\n+ ~~~rb\n  ~~~"),
        tags(&["python", "ruby"], &["django"])
    );
}

#[test]
fn a_whole_page_is_for_the_one_language_that_all_its_code_is_in() {
    let check = |fences: &[&str], languages: &[&str], frameworks: &[&str]| {
        let fences: Vec<String> = fences.iter().map(|fence| format!("# A\n```{fence}\nx\n```\n")).collect();
        assert_eq!(detect_page(&fences.concat()), tags(languages, frameworks), "{fences:?}");
    };
    check(&["python", "bash", "json", "html", ""], &["python"], &[]);
    check(&["tsx", "js"], &["javascript", "typescript"], &[]);
    check(&["svelte"], &[], &["svelte"]);
    check(&["svelte", "js"], &["javascript"], &[]);
    check(&["svelte", "vue"], &[], &[]);
    check(&["python", "ruby"], &[], &[]);
    check(&["html", "yaml", "sh"], &[], &[]);
    check(&[], &[], &[]);
    check(&["javascript", "", ""], &[], &[]);
}

#[test]
fn a_passage_fits_by_the_tags_of_its_page_and_by_its_code() {
    let check = |said: &str, (languages, frameworks): (&[&str], &[&str]), (fence, code): (&str, &str), expect: bool| {
        let text = format!("text\n```{fence}\n{code}\n```\n");
        let fit = fits(&tags(languages, frameworks), &text, &Profile::of_words(said));
        assert_eq!(fit.is_fit(), expect, "{said} {languages:?} {frameworks:?} {text}");
    };
    const PYTHON: &str = "Add it to my Python project.";
    const JS: &str = "Add it to my JavaScript project.";
    const NEXT: &str = "Add it to my Next.js app.";
    for fence in ["", "bash", "json", "yaml", "html", "text", "css", "sql", "toml", "diff"] {
        check(JS, (&["javascript"], &[]), (fence, "x"), true);
        check(PYTHON, (&["python"], &[]), (fence, "x"), true);
    }
    check(JS, (&["javascript"], &[]), ("tsx", "x"), true);
    check(JS, (&["javascript"], &[]), ("python", "x"), false);
    check(PYTHON, (&["python"], &[]), ("ts", "x"), false);
    check(PYTHON, (&["python"], &[]), ("py", "x\n```\n```js\ny"), true);
    // A page for several has parts for each.
    check(PYTHON, (&["python", "javascript"], &[]), ("js", "x"), false);
    check(PYTHON, (&["python", "javascript"], &[]), ("py", "x"), true);
    check(PYTHON, (&["python", "javascript"], &[]), ("sh", "x"), true);
    // A framework may come with code in a language that it says itself.
    check("Add it to my Rails app.", (&["ruby", "javascript"], &["rails"]), ("js", "x"), true);
    check("Add it to my Rails app.", (&["ruby"], &["rails"]), ("js", "x"), false);
    check("Add it to my Rails app.", (&[], &["rails"]), ("ruby", "x"), true);
    check("Add it to my Rails app.", (&[], &["rails"]), ("go", "x"), false);
    // What is imported counts as the framework does.
    let django = ("python", "from django.db import models");
    check("Add it to my Django app.", (&["python"], &[]), django, true);
    check("Add it to my Flask app.", (&["python"], &[]), django, false);
    check("Add it to my Flask app.", (&[], &[]), django, false);
    check(PYTHON, (&["python"], &[]), django, false);
    check(
        "Add it to my Flask app.",
        (&["python"], &["flask", "fastapi"]),
        ("py", "from fastapi import FastAPI"),
        false,
    );
    check(
        NEXT,
        (&["typescript"], &["nextjs"]),
        ("ts", "import Link from 'next/link'\nimport { useState } from 'react'"),
        true,
    );
    check(NEXT, (&["typescript"], &["nextjs"]), ("ts", "import { ref } from 'vue'"), false);
    check("Add it to my SvelteKit app.", (&["typescript"], &["sveltekit"]), ("svelte", "x"), true);
    check(NEXT, (&["typescript"], &["nextjs"]), ("svelte", "x"), false);
    // What is part of a project of another framework is no other one.
    let native = ("tsx", "import { useEffect } from 'react'");
    check("Add it to my React Native app.", (&["typescript"], &["react-native"]), native, true);
    check(
        "Add it to my FastAPI app.",
        (&[], &["fastapi"]),
        ("py", "from starlette.middleware import Middleware"),
        true,
    );
    check(
        "Add it to my NestJS app.",
        (&["typescript"], &["nestjs"]),
        ("ts", "import { Request } from 'express'"),
        true,
    );
    check("Add it to my Nuxt app.", (&["typescript"], &["nuxt"]), ("ts", "import { defineConfig } from 'vite'"), true);
    // Nothing is known yet.
    check("Add it.", (&[], &[]), ("sh", "x"), true);
    check("Add it.", (&[], &[]), ("js", "x"), false);
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
