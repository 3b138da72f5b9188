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
