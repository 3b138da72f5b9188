//! What code imports, and from where. Given `import posthog, { type Hook } from 'posthog-js'`: the
//! symbols `posthog` and `Hook`, both of `posthog-js`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// `import whole, { one, two as three } from 'module'`, `import * as whole from 'module'`
static IMPORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let whole = r"(?:\*\s+as\s+)?([A-Za-z_$][\w$]*)\s*";
    let named = r"\{([^}]*)\}\s*";
    Regex::new(&format!(r#"\bimport\s+(?:type\s+)?(?:{whole}(?:,\s*{named})?|{named})from\s*['"]([^'"]+)['"]"#)).ok()
});
/// `const whole = require('module')`, `const { one, two: three } = await import('module')`
static REQUIRE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"\b(?:const|let|var)\s+(?:([A-Za-z_$][\w$]*)|\{([^}]*)\})\s*=\s*(?:await\s+)?(?:require|import)\(\s*['"]([^'"]+)['"]\s*\)"#,
    )
    .ok()
});
/// `from module import one, two`, also in parentheses
static PYTHON: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]*from\s+([A-Za-z_][\w.]*)\s+import\s+(?:\(([^)]*)\)|([\w, ]+))").ok());

/// Folders of a project's own.
const OWN: [&str; 12] =
    ["src", "app", "apps", "lib", "libs", "core", "config", "utils", "components", "services", "server", "project"];
/// Parts of packages' names that say nothing of whose they are.
const COMMON: [&str; 17] = [
    "react", "next", "vue", "nuxt", "svelte", "node", "express", "router", "client", "server", "core", "types",
    "utils", "http", "test", "plugin", "config",
];
/// Parts of packages' names by which one maker's packages for different places are told apart.
const PLATFORMS: [&str; 27] = [
    "admin",
    "angular",
    "astro",
    "browser",
    "bun",
    "client",
    "deno",
    "edge",
    "electron",
    "expo",
    "express",
    "fastify",
    "native",
    "nestjs",
    "next",
    "nextjs",
    "node",
    "nuxt",
    "preact",
    "react",
    "server",
    "solid",
    "ssr",
    "svelte",
    "sveltekit",
    "vue",
    "web",
];

/// The symbols that code imports: where, what, and from which module. A project's own modules say
/// nothing, and neither do symbols of three letters.
pub(super) fn imported(code: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut add = |captures: &Captures<'_>, names: &[usize], module: usize| {
        let Some(module) = captures.get(module).map(|module| module.as_str()).filter(|module| !is_own(module)) else {
            return;
        };
        let lists = names.iter().filter_map(|group| captures.get(*group));
        for list in lists {
            let mut at = list.start();
            for name in list.as_str().split(',') {
                let symbol = symbol(name);
                if symbol.len() > 3 && symbol != "default" {
                    let blank = name.len() - name.trim_start().len();
                    found.push((at + blank, symbol.to_owned(), module.to_owned()));
                }
                at += name.len() + 1;
            }
        }
    };
    for captures in IMPORT.iter().flat_map(|import| import.captures_iter(code)) {
        add(&captures, &[1, 2, 3], 4);
    }
    for captures in REQUIRE.iter().flat_map(|require| require.captures_iter(code)) {
        add(&captures, &[1, 2], 3);
    }
    for captures in PYTHON.iter().flat_map(|import| import.captures_iter(code)) {
        add(&captures, &[2, 3], 1);
    }
    found
}

/// The name that the module gives it: of `type Hook as Own` and of `Hook: own` it is `Hook`.
fn symbol(name: &str) -> &str {
    let name = name.split(" as ").next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default().trim();
    name.strip_prefix("type ").unwrap_or(name).trim()
}

/// Whether a module is the project's own, by where such lie.
fn is_own(module: &str) -> bool {
    let first = module.split(['/', '.']).next().unwrap_or_default();
    module.starts_with(['.', '~', '$', '#']) || module.starts_with("@/") || OWN.contains(&first)
}

/// Whether two modules cannot both be where a symbol is from: they are of one maker and for the same
/// place, by their names. `posthog-js/react` and `@posthog/react` are, `posthog-js` and `posthog-node`
/// are not, and what is below another is its own: `lodash` and `lodash/debounce`, or `openai.types.a`
/// and `openai.types.b`.
pub(super) fn is_kin(one: &str, other: &str) -> bool {
    let is_below = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with(['/', '.']));
    let parts = |module: &str| -> BTreeSet<String> {
        module.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect()
    };
    let (own, others) = (parts(one), parts(other));
    let places = |parts: &BTreeSet<String>| -> Vec<String> {
        parts.iter().filter(|part| PLATFORMS.contains(&part.as_str())).cloned().collect()
    };
    let is_of_maker = own.intersection(&others).any(|part| part.len() > 3 && !COMMON.contains(&part.as_str()));
    let is_same = root(one) == root(other) && one.contains('/') && other.contains('/');
    let are_beside = matches!((one.rsplit_once('.'), other.rsplit_once('.')), (Some((a, _)), Some((b, _))) if a == b);
    let is_own = are_beside || is_below(one, other) || is_below(other, one);
    places(&own) == places(&others) && (is_of_maker || is_same) && !is_own
}

/// The package of a module: `next` of `next/router`.
fn root(module: &str) -> &str {
    let skip = if module.starts_with('@') { module.find('/').map_or(0, |at| at + 1) } else { 0 };
    module[skip..].find('/').map_or(module, |at| &module[..skip + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_their_modules_are_read() {
        let check = |code: &str, expect: &[&str]| {
            let found: Vec<String> =
                imported(code).into_iter().map(|(at, name, module)| format!("{at} {name} {module}")).collect();
            assert_eq!(found, expect, "{code}");
        };
        check("import posthog from 'posthog-js'", &["7 posthog posthog-js"]);
        check("import * as posthog from \"posthog-js\"", &["12 posthog posthog-js"]);
        check("import posthog, { type Hook } from 'p'", &["7 posthog p", "18 Hook p"]);
        check("import type {\n  Hook as Own,\n  Other,\n} from 'p'", &["16 Hook p", "31 Other p"]);
        check("const posthog = require('posthog-js')", &["6 posthog posthog-js"]);
        check("const { PostHog: Own } = await import('posthog-node')", &["8 PostHog posthog-node"]);
        check(
            "  from posthog import (\n    Posthog,\n    context as own,\n)\n",
            &["28 Posthog posthog", "41 context posthog"],
        );
        check("from posthog import Posthog, x", &["20 Posthog posthog"]);
        for own in ["./a", "~/a", "@/a", "$lib/a", "#a"] {
            check(&format!("import posthog from '{own}'"), &[]);
        }
        check("import 'dotenv/config'", &[]);
    }
}
