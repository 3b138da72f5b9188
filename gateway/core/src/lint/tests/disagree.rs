//! Texts that say one thing and another.

use super::*;

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
    let code =
        "# B\n```ts\nimport Image from 'next/image'\nexport const metadata = getProps({ themeColor, route })\n```\n";
    for (gone, is_told) in [
        ("Support for `getProps` was removed.", true),
        ("`getProps()` has been removed from the library.", true),
        ("Using `getProps` is deprecated.", true),
        ("The `color` option in `metadata` is deprecated.", false),
        ("The `unsized` property on `next/image` was removed.", false),
        ("The old `next/image` was renamed to `next/legacy/image`.", false),
        ("The component's `themeColor` was deprecated.", false),
        ("The import for `getProps` was renamed.", false),
        ("What is inside `getProps` is removed from the bundle.", false),
        ("- `getProps` is removed from the bundle.", false),
        ("- `route` has been removed.", false),
        ("The `needed` property on `other()`, `tool()` and `getProps()` is deprecated.", false),
        ("`other()` and `getProps()` are deprecated.", true),
    ] {
        let expect: &[&str] = if is_told { &["docs/b.md:4 disagreement"] } else { &[] };
        two(&format!("# A\n{gone}\n"), code, [ts, ts], expect);
    }
}

#[test]
fn pages_that_disagree_however_they_are_tagged() {
    let two = |one: Text, other: Text, expect: &[&str]| {
        Case::of(vec![one, other]).check("min_score: 0", expect);
    };
    let import = |line: &str| format!("# {line}\n```ts\n{line}\n```\n");
    let (old, new) = (
        import("import { PostHogProvider } from 'posthog-js/react'"),
        import("import { PostHogProvider } from '@posthog/react'"),
    );
    type For<'a> = (&'a [&'a str], &'a [&'a str]);
    let (ts, js): (&[&str], &[&str]) = (&["typescript"], &["javascript"]);
    let check = |one: For<'_>, other: For<'_>, is_told: bool| {
        let expect: &[&str] = if is_told { &["docs/b.md:3 disagreement"] } else { &[] };
        two(tagged("docs/a.md", one, &old), tagged("docs/b.md", other, &new), expect);
        let expect: &[&str] = if is_told { &["docs/b.md:1 disagreement"] } else { &[] };
        let key = |name: &str| format!("# {name}\n");
        let texts = (key("POSTHOG_KEY") + "a", key("POSTHOG_API_KEY") + "b");
        two(tagged("docs/a.md", one, &texts.0), tagged("docs/b.md", other, &texts.1), expect);
    };
    check((&[], &[]), (&[], &[]), true);
    check((js, &[]), (ts, &[]), true);
    check((ts, &["nextjs"]), (ts, &[]), true);
    check((ts, &["nextjs"]), (&[], &[]), true);
    check((ts, &["nextjs"]), (ts, &["nuxt"]), false);
    // Without tags it is code that says for whom a section is.
    let py = "# b\n```python\nfrom posthog.old import Posthog\n```\n";
    two(page("docs/a.md", &[], &import("import { Posthog } from 'posthog'")), page("docs/b.md", &[], py), &[]);
}

#[test]
fn sections_that_disagree_and_two_ways_that_are_told_apart() {
    let check = |text: &str, expect: &[&str]| {
        Case::of(vec![page("docs/a.md", &[], text)]).check("min_score: 0", expect);
    };
    let fence = |line: &str| format!("```ts\n{line}\n```\n");
    let two = |headings: [&str; 2], lines: [&str; 2], expect: &[&str]| {
        let [one, other] = lines.map(fence);
        check(&format!("# A\n## {}\n{one}## {}\n{other}", headings[0], headings[1]), expect);
    };
    let told: &[&str] = &["docs/a.md:8 disagreement"];
    let old = "import { PostHogProvider } from 'posthog-js/react'";
    let new = "import { PostHogProvider } from '@posthog/react'";
    two(["Set up", "Provide"], [old, new], told);
    // In one section, in a sentence, or by a heading they are told apart.
    check(&format!("# A\n{}{}", fence(old), fence(new)), &[]);
    check(
        &format!(
            "# A\n## B\n{}## C\n{}## D\nLeave `posthog-js/react` alone, use `@posthog/react`.\n",
            fence(old),
            fence(new)
        ),
        &[],
    );
    two(["Before 15.3", "Provide"], [old, new], &[]);
    two(["Migrate from the old package", "Provide"], [old, new], &[]);
    two(["a", "b"], ["import posthog from 'posthog-js'", "import posthog from 'posthog-node'"], &[]);
    two(
        ["a", "b"],
        ["import { initializeApp } from 'firebase/app'", "import { initializeApp } from 'firebase-admin/app'"],
        &[],
    );
    two(
        ["a", "b"],
        ["import { useQuery } from '@tanstack/react-query'", "import { useQuery } from '@tanstack/vue-query'"],
        &[],
    );
    two(
        ["a", "b"],
        ["import { useQuery } from 'react-query'", "import { useQuery } from '@tanstack/react-query'"],
        told,
    );
    two(["a", "b"], ["import posthog from 'posthog'", "import posthog from 'posthog-js'"], told);
    two(["a", "b"], ["const posthog = require('posthog')", "import posthog from 'posthog-js'"], told);
    two(["a", "b"], ["posthog(POSTHOG_KEY)", "posthog(POSTHOG_API_KEY)"], told);
    two(["a", "b"], ["django(SECRET_KEY)", "rails(SECRET_TOKEN)"], &[]);
    check(
        "# A\nStart with `POSTHOG_KEY`, or on a server `POSTHOG_API_KEY`.\n## B\n`POSTHOG_KEY`\n## C\n`POSTHOG_API_KEY`\n",
        &[],
    );
    check("# A\n`identifyUser` was renamed.\n## B\n```ts\nidentifyUser(1)\n```\n", &["docs/a.md:5 disagreement"]);
    check("# A\n`identifyUser` was renamed.\n## Older versions\n```ts\nidentifyUser(1)\n```\n", &[]);
}

#[test]
fn pages_that_disagree_with_the_code_of_an_airplane() {
    let check = |tags: (&[&str], &[&str]), text: &str, expect: &[&str]| {
        let code = "import {\n  PostHogProvider,\n} from '@posthog/react'\nstart(VITE_POSTHOG_KEY)\noldCall()\n";
        let airplanes = vec![plane(("typescript", "react"), "# A\n", &[("src/main.tsx", code)])];
        Case { airplanes, texts: vec![tagged("docs/a.md", tags, text)], ..Case::default() }
            .check("min_score: 0", expect)
    };
    let react: (&[&str], &[&str]) = (&["typescript"], &["react"]);
    let old = "# A\n```ts\nimport { PostHogProvider } from 'posthog-js/react'\n```\n";
    let found = check(react, old, &["docs/a.md:3 disagreement"]);
    assert!(found[0].sentence.contains("airplanes/plane/src/main.tsx:2 says `@posthog/react`"), "{found:?}");
    check((&[], &["nuxt"]), old, &[]);
    check(react, "# A\nSet `VITE_POSTHOG_API_KEY`.\n", &["docs/a.md:2 disagreement"]);
    check(react, "# A\n`oldCall` was removed.\n", &["airplanes/plane/src/main.tsx:5 disagreement"]);
    check((&["python"], &[]), "# A\n`oldCall` was removed.\n", &[]);
}

/// A section of `docs/a.md` and one of `docs/b.md`, each with one fence of code.
#[track_caller]
fn fences(language: &str, one: &str, other: &str, is_told: bool) {
    let fence = |title: &str, code: &str| format!("# {title}\n```{language}\n{code}\n```\n");
    let texts = vec![page("docs/a.md", &[], &fence("One", one)), page("docs/b.md", &[], &fence("Other", other))];
    Case::of(texts).check("min_score: 0", if is_told { &["docs/b.md:3 disagreement"] } else { &[] });
}

#[test]
fn values_that_a_variable_cannot_both_have() {
    let (old, new) = ("https://app.posthog.com", "https://us.i.posthog.com");
    let env = |value: &str| format!("POSTHOG_HOST={value}");
    let told = |language: &str, one: &str, other: &str| {
        fences(language, &one.replace('$', old), &other.replace('$', new), true);
        fences(language, &one.replace('$', old), &other.replace('$', old), false);
    };
    told("env", "POSTHOG_HOST=$", "POSTHOG_HOST=\"$\"");
    told("ts", "process.env.POSTHOG_HOST ?? '$'", "process.env.POSTHOG_HOST || \"$/\"");
    told("python", "os.environ.get('POSTHOG_HOST', '$')", "os.getenv(\"POSTHOG_HOST\", \"$\")");
    told("ruby", "ENV.fetch('POSTHOG_HOST', '$')", "ENV['POSTHOG_HOST'] || '$'");
    told("sh", "export POSTHOG_HOST=$", "run ${POSTHOG_HOST:-$}");
    fences("ts", "process.env.FLUSH_AT ?? 20", "process.env.FLUSH_AT ?? 1", true);
    // What is a project's own, what stands for something, and what depends on where it runs.
    fences("env", "SITE_URL=https://yoursite.com", "SITE_URL=https://myshop.com", false);
    fences("env", &env(old), &env("<your host>"), false);
    fences("env", "DATABASE_URL=postgres://localhost/a", "DATABASE_URL=postgres://db.example.com/a", false);
    fences("sh", "FLUSH_AT=20 npm start", "FLUSH_AT=1 npm start", false);
    fences("env", &env(new), &format!("# old:\n{}", env(old)), false);
    let both = |one: &str, other: &str, expect: &[&str]| {
        let texts = vec![page("docs/a.md", &[], one), page("docs/b.md", &[], other)];
        Case::of(texts).check("min_score: 0", expect);
    };
    let default = format!("# Default\n`POSTHOG_HOST` defaults to `{old}`.\n");
    both(&default, &format!("# Set\nSet `{}`.\n", env(new)), &["docs/b.md:2 disagreement"]);
    both(&default, &format!("# Set\nDo not set `{}`.\n", env(new)), &[]);
    // A page that names both tells them apart.
    both(&default, &format!("# Set\nSet `{}`.\n## Before\nIt was `{old}`.\n", env(new)), &[]);
}

#[test]
fn versions_and_options_that_do_not_go_together() {
    fences("sh", "npm install posthog-js@1.96.0", "pnpm add posthog-js@2", true);
    fences("sh", "npm i @posthog/react@^1", "npm i @posthog/react@2", true);
    fences("sh", "pip install posthog==3.7.0", "pip install posthog==6.0.1", true);
    fences("json", "\"posthog-js\": \"^1.96.0\"", "\"posthog-js\": \"2.0.0\"", true);
    fences("ruby", "gem \"posthog-ruby\", \"~> 2.0\"", "gem 'posthog-ruby', '3.1'", true);
    fences("sh", "cargo add posthog@0.2", "cargo add posthog@0.3.1", true);
    fences("sh", "npm i -D a posthog-js@1", "npm i -D posthog-js@2", true);
    fences("text", "+-- posthog-js@1.96.0", "+-- posthog-js@2.0.0", false);
    fences("sh", "npm install posthog-js@1.96.0", "npm install posthog-js@1", false);
    fences("sh", "npm install posthog-js@1.96.0", "npm install posthog-js@1.250.0", false);
    fences("sh", "npm install posthog-js@1.96.0", "npm install posthog-js@latest", false);
    fences("json", "\"version\": \"1.0.0\"", "\"version\": \"2.0.0\"", false);
    fences("ts", "posthog.init(KEY, { a: f(1), views: true })", "posthog.init(KEY, { views: false })", true);
    fences("ts", "new PostHog(KEY, { geo: true })", "new PostHog(KEY, { geo: false })", true);
    fences("python", "Posthog(KEY, debug=True)", "Posthog(KEY, debug=False)", true);
    fences("ts", "posthog.init(KEY, { views: true })", "posthog.init(KEY); other({ views: false })", false);
    fences("ts", "posthog.capture('paid', { first: true })", "posthog.capture('paid', { first: false })", false);
    fences("ts", "posthog.init(KEY, { views: true })", "// Don't:\nposthog.init(KEY, { views: false })", false);
}

#[test]
fn what_a_text_calls_wrong_is_not_what_it_says() {
    let fence = |line: &str| format!("```ts\n{line}\n```\n");
    let (old, new) = ("import { Provider } from 'posthog-js/react'", "import { Provider } from '@posthog/react'");
    let check = |other: &str, expect: &[&str]| {
        let texts = vec![
            page("docs/a.md", &[], &format!("# A\n{}`POSTHOG_KEY`\n", fence(new))),
            page("docs/b.md", &[], &format!("# B\n{other}")),
        ];
        Case::of(texts).check("min_score: 0", expect);
    };
    for lead in ["Wrong:\n", "Do not import it like this:\n", "Until 1.2 it was:\n", "## Never\n", "❌ Not so:\n"] {
        check(&format!("{lead}{}", fence(old)), &[]);
    }
    check(&fence(&format!("// wrong\n{old}")), &[]);
    check(&fence(&format!("{old} // deprecated")), &[]);
    check(&fence(&format!("// wrong\nsomething()\n\n{old}")), &["docs/b.md:6 disagreement"]);
    check(&format!("After that, add:\n{}", fence(old)), &["docs/b.md:4 disagreement"]);
    check("Do not\ncall it `POSTHOG_API_KEY`.\n", &[]);
    check("Call it `POSTHOG_API_KEY`.\n", &["docs/b.md:2 disagreement"]);
}

#[test]
fn the_prose_of_a_step_may_disagree_with_a_page() {
    let check = |step: &str, expect: &[&str]| {
        let own = page("docs/a.md", &[], "# A\n`POSTHOG_KEY`, and `oldCall` was removed, as `posthog-old` was.\n");
        Case::of(vec![prose("look.md", step), own]).check("min_score: 0", expect);
    };
    check("Set `POSTHOG_KEY`.\n", &[]);
    check("Set it.\nSet `POSTHOG_API_KEY`.\n", &["look.md:2 disagreement"]);
    check("```ts\noldCall()\n```\n", &["look.md:2 disagreement"]);
    check("```ts\noldCaller()\n```\n", &[]);
}

#[test]
fn modules_that_one_symbol_cannot_both_be_from() {
    let ts = |one: &str, other: &str, is_told: bool| {
        fences(
            "ts",
            &format!("import {{ thing }} from '{one}'"),
            &format!("import {{ thing }} from '{other}'"),
            is_told,
        );
    };
    ts("next/router", "next/navigation", true);
    ts("posthog-node", "@posthog/node", true);
    ts("@mui/material", "@mui/material/Button", false);
    ts("posthog-js", "src/lib/posthog", false);
    ts("posthog-js", "posthog-node", false);
    ts("eslint/config", "vitest/config", false);
    fences("python", "from posthog import thing", "from posthog_sdk import thing", true);
    fences("python", "from posthog import thing", "from app.posthog import thing", false);
    fences("python", "from openai.types.live import thing", "from openai.types.realtime import thing", false);
    fences("python", "from django.core.urlresolvers import thing", "from django.urls import thing", true);
    // A package that is gone, by its whole name.
    let gone = |code: &str, expect: &[&str]| {
        let old = page("docs/a.md", &[], "# A\nThe package `@posthog/old` has been renamed.\n");
        Case::of(vec![old, page("docs/b.md", &[], &format!("# B\n```sh\n{code}\n```\n"))])
            .check("min_score: 0", expect);
    };
    gone("npm i @posthog/old", &["docs/b.md:3 disagreement"]);
    gone("npm i @posthog/old-react", &[]);
}
