//! Pages that install two packages for one import.

use super::*;

/// A fence.
fn code(language: &str, lines: &str) -> String {
    format!("```{language}\n{lines}\n```\n")
}

/// A page that installs and imports something in one section.
fn way(language: &str, install: &str, import: &str) -> String {
    format!("{}Then:\n{}", code("sh", install), code(language, import))
}

#[track_caller]
fn check(one: &str, other: &str, is_told: bool) {
    let texts = vec![
        page("docs/a.md", &[], &format!("# Starting\n{one}")),
        page("docs/b.md", &[], &format!("# Going on\n{other}")),
    ];
    let found: Vec<String> = {
        let case = Case::of(texts);
        case.found("min_score: 0").into_iter().map(|found| format!("{} {}", found.file, found.rule)).collect()
    };
    let expect: &[&str] = if is_told { &["docs/b.md disagreement"] } else { &[] };
    assert_eq!(found, expect, "{one}\n{other}");
}

#[test]
fn two_packages_for_one_import() {
    let python =
        |one: &str, other: &str, import: &str| check(&way("python", one, import), &way("python", other, import), true);
    python("pip install acme", "pip install acme-sdk", "import acme");
    python("pip install python-dotenv", "pip install dotenv", "from dotenv import load_dotenv");
    python("pip install PyJWT", "pip install jwt", "import jwt");
    python("pip install 'acme[flask]'", "pip install 'acme-sdk[flask]==2.0'", "from acme.flask import Acme");
    python("python -m pip install -U acme_python", "poetry add acme", "import acme as a");
    python("uv add acme-client", "uv pip install flask acme httpx", "import os\nimport acme");
    let js = |one: &str, other: &str, import: &str| check(&way("ts", one, import), &way("ts", other, import), true);
    js("npm install posthog-js-lite", "npm install posthog-js", "import posthog from 'posthog-js'");
    js("npm install posthog", "yarn add posthog-js@1.2", "import posthog from 'posthog-js'");
    js("npm i --save react posthog-js-lite zod", "pnpm add posthog-js", "const posthog = require('posthog-js')");
    js("bun add acme-js-sdk", "npm install acme-js", "import { AcmeProvider } from 'acme-js/react'");
    js("npm install @acme/js-sdk", "npm install @acme/js", "import '@acme/js'");
    let ruby =
        |one: &str, other: &str, import: &str| check(&way("ruby", one, import), &way("ruby", other, import), true);
    ruby("gem install posthog-ruby", "bundle add posthog", "require 'posthog'");
    check(
        &code("ruby", "gem 'ruby-openai', '~> 7.0'\nrequire \"openai\""),
        &code("ruby", "gem \"openai\"\nrequire \"openai\""),
        true,
    );
    // In words, and in another section of the page than its import.
    check(
        "Install it with `pip install acme-sdk`, then `import acme`.\n",
        &way("python", "pip install acme", "import acme"),
        true,
    );
    check(
        &format!("{}## Using it\n{}", code("sh", "pip install acme"), code("python", "import acme")),
        &format!("{}## Using that\n{}", code("sh", "pip install acme-sdk"), code("python", "from acme import Acme")),
        true,
    );
    // One symbol, each from the package that is installed for it.
    check(
        &way("ts", "npm install posthog-js", "import posthog from 'posthog-js'"),
        &way("ts", "npm install posthog-js-lite", "import posthog from 'posthog-js-lite'"),
        true,
    );
}

#[test]
fn packages_that_go_together_or_are_for_something_else() {
    let python =
        |one: &str, other: &str, import: &str| check(&way("python", one, import), &way("python", other, import), false);
    python("pip install acme_sdk", "pip install Acme-SDK", "import acme_sdk");
    python("pip install acme", "pip install -U 'acme[flask]>=2' -r requirements.txt", "import acme");
    python("pip install flask", "pip install flask-cors", "from flask import Flask");
    python("pip install django", "pip install django-environ", "from django.conf import settings");
    python("pip install acme acme-sdk", "pip install acme", "import acme");
    python("pip install torch", "conda install pytorch", "import torch");
    python("pip install psycopg2", "pip install psycopg2-binary", "import psycopg2");
    python("pip install acme", "apt-get install python-acme", "import acme");
    python("pip install acme", "pip uninstall acme-sdk", "import acme");
    python("pip install acme", "pip install git+https://github.com/acme/acme-python", "import acme");
    let js = |one: &str, other: &str, import: &str| check(&way("ts", one, import), &way("ts", other, import), false);
    js("npm install posthog-js", "npm install posthog-js @posthog/react", "import posthog from 'posthog-js'");
    js("npm install posthog-js", "npm install @posthog/nextjs-config", "import posthog from 'posthog-js'");
    js("npm install acme-js", "npm i -D acme", "import acme from 'acme-js'");
    js("npm install @prisma/client", "npm install prisma", "import { PrismaClient } from '@prisma/client'");
    js("npm install express", "npm i @types/express", "import express from 'express'");
    js("npm install posthog-node", "npm install posthog-js", "import { PostHog } from 'posthog-node'");
    check(
        &way("ts", "npm install stripe", "import Stripe from 'stripe'"),
        &way(
            "ts",
            "npm install @stripe/stripe-js",
            "import Stripe from 'stripe'\nimport { loadStripe } from '@stripe/stripe-js'",
        ),
        false,
    );
    // For another language, or nothing that imports it.
    check(
        &way("python", "pip install posthog", "import posthog"),
        &way("ts", "npm install posthog-js", "import posthog from 'posthog-js'"),
        false,
    );
    check(&way("python", "pip install acme", "import acme"), &code("sh", "pip install acme-sdk"), false);
    // What is told apart, and what is not to be done.
    let new = way("python", "pip install acme", "import acme");
    let old = way("python", "pip install acme-sdk", "import acme");
    check(&new, &format!("{old}## Names\n`acme-sdk` was the name of `acme` for years.\n"), false);
    check(&new, &format!("## Before 2.0\n{old}"), false);
    check(
        &new,
        &format!("Do not do this:\n{}Then:\n{}", code("sh", "pip install acme-sdk"), code("python", "import acme")),
        false,
    );
    check(&new, "Never `pip install acme-sdk`. Say `import acme`.\n", false);
    check(&new, &way("python", "# old: pip install acme-sdk\npip install acme", "import acme"), false);
    let of = |framework: &'static [&'static str], file: &str, text: &str| tagged(file, (&[], framework), text);
    let texts = vec![
        of(&["flask"], "docs/a.md", &format!("# Flask\n{new}")),
        of(&["django"], "docs/b.md", &format!("# Django\n{old}")),
    ];
    Case::of(texts).check("min_score: 0", &[]);
}
