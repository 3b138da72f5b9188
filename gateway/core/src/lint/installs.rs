//! What commands install, and for which imports. Given `pip install acme-sdk` and `import acme`: the
//! package `acme-sdk` is the one for the module `acme`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

/// Where packages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Registry {
    Npm,
    PyPi,
    RubyGems,
}

/// `npm i a b@1`, `python -m pip install -U a`, `uv add 'a[b]'`
static COMMAND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let tools = r"(npm|pnpm|yarn|bun)|(pip3?|uv|poetry|pipenv)|(gem|bundle)";
    Regex::new(&format!(r"(?:^|[\s`(]|&&)(?:{tools})\s+(?:[\w.=/-]+\s+){{0,3}}?(?:install|add|i)\s+([^\n;&|`#]+)")).ok()
});
/// `gem "name"` of a Gemfile.
static GEM: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"(?m)^[ \t]*gem[ \t]+['"]([\w-]+)['"]"#).ok());
/// `from 'module'`, `require('module')`, `import('module')`, `import 'module'`
static NPM: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\b(?:from\s*|(?:require|import)\(\s*|import\s+)['"]([^'"\s]+)['"]"#).ok());
/// `import module`, `from module.a import b`
static PYPI: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)^[ \t]*(?:from[ \t]+(\w+)[\w.]*[ \t]+import\b|import[ \t]+(\w+)[\w.]*(?:[ \t]+as[ \t]+\w+)?[ \t]*(?:,|#|$))").ok()
});
/// `require 'module'`
static RUBY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?m)^[ \t]*require[ \t]+['"]([\w-]+)[\w/-]*['"]"#).ok());
/// Options with which something else is installed than what the code imports, or with a value.
const APART: [&str; 6] = ["-D", "--save-dev", "--dev", "-d", "--group", "-G"];
const VALUED: [&str; 10] =
    ["-r", "--requirement", "-c", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "--registry", "-v"];
/// Parts of names that say only what a package is written for, or that it is one. Other parts tell it
/// from others: `flask-cors`, `posthog-node`, `psycopg2-binary`.
const PLAIN: [&str; 9] = ["sdk", "lib", "library", "official", "api", "legacy", "old", "new", "lite"];
/// More of them, by registry: `@prisma/client` is not `prisma`, and `acme-client` of Python is `acme`.
const OF_NPM: [&str; 3] = ["js", "javascript", "ts"];
const OF_PYPI: [&str; 3] = ["python", "py", "client"];
const OF_RUBY: [&str; 3] = ["ruby", "rb", "client"];

/// The packages that a text installs, each with where it stands.
pub(super) fn installed(text: &str) -> Vec<(usize, Registry, String)> {
    let mut found = Vec::new();
    for command in COMMAND.iter().flat_map(|command| command.captures_iter(text)) {
        let registries = [(1, Registry::Npm), (2, Registry::PyPi), (3, Registry::RubyGems)];
        let registry = registries.into_iter().find(|(group, _)| command.get(*group).is_some());
        let (Some((_, registry)), Some(all)) = (registry, command.get(4)) else { continue };
        if all.as_str().split_whitespace().any(|word| APART.contains(&word)) {
            continue;
        }
        let mut is_value = false;
        for word in all.as_str().split_whitespace() {
            let is_named = !word.starts_with('-') && !is_value;
            is_value = VALUED.contains(&word);
            let name = package(registry, word).filter(|_| is_named);
            let at = all.start() + (word.as_ptr() as usize - all.as_str().as_ptr() as usize);
            found.extend(name.map(|name| (at, registry, name)));
        }
    }
    let gems = GEM.iter().flat_map(|gem| gem.captures_iter(text)).filter_map(|gem| gem.get(1));
    found.extend(gems.map(|gem| (gem.start(), Registry::RubyGems, gem.as_str().to_owned())));
    found
}

/// The name of a package, without its version and extras, as its registry compares it. None of a path,
/// an address or what types are in.
fn package(registry: Registry, word: &str) -> Option<String> {
    let word = word.trim_matches(['\'', '"', '.', ',', ')']);
    let scope = usize::from(word.starts_with('@'));
    let end = word[scope..].find(['@', '=', '<', '>', '~', '^', '!', '[', ';']).map_or(word.len(), |end| scope + end);
    let name = word[..end].to_lowercase();
    let is_plain = |part: &str| part.starts_with(char::is_alphanumeric) && !part.contains([':', '\\', '$', '{', '+']);
    let is_named = match name.strip_prefix('@').and_then(|scoped| scoped.split_once('/')) {
        Some((scope, own)) => scope != "types" && is_plain(own) && is_plain(scope),
        None => !name.contains('/') && is_plain(&name),
    };
    is_named.then(|| if registry == Registry::PyPi { name.replace(['_', '.'], "-") } else { name })
}

/// The modules that code imports, each without what is below it: `acme` of `acme.flask`.
pub(super) fn modules(code: &str) -> BTreeSet<(Registry, String)> {
    let all = [(Registry::Npm, &NPM), (Registry::PyPi, &PYPI), (Registry::RubyGems, &RUBY)];
    let mut found = BTreeSet::new();
    for (registry, pattern) in all {
        let named = LazyLock::force(pattern).iter().flat_map(|pattern| pattern.captures_iter(code));
        for name in named.filter_map(|names| names.get(1).or_else(|| names.get(2))) {
            let parts = name.as_str().split('/');
            let parts: Vec<&str> = parts.take(if name.as_str().starts_with('@') { 2 } else { 1 }).collect();
            found.insert((registry, parts.join("/").to_lowercase()));
        }
    }
    found
}

/// Whether a module is the one of a package, as far as names tell: they differ at most in words such
/// as `sdk`.
pub(super) fn is_of(registry: Registry, module: &str, package: &str) -> bool {
    let own = match registry {
        Registry::Npm => OF_NPM,
        Registry::PyPi => OF_PYPI,
        Registry::RubyGems => OF_RUBY,
    };
    let parts = |name: &str| -> BTreeSet<String> {
        let parts = name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
        let parts = parts.filter(|part| !PLAIN.contains(part) && !own.contains(part));
        // `pyjwt` is `jwt`.
        let short = |part: &str| part.strip_prefix("py").filter(|rest| rest.len() > 2).unwrap_or(part).to_owned();
        parts.map(short).collect()
    };
    let (module, package) = (parts(module), parts(package));
    !module.is_empty() && module == package
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_out_of_commands() {
        let check = |text: &str, expect: &[&str]| {
            let found: Vec<String> = installed(text).into_iter().map(|(at, _, name)| format!("{at} {name}")).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("npm install posthog-js @posthog/react@^1", &["12 posthog-js", "23 @posthog/react"]);
        check("cd a && pnpm --filter web add acme\nls", &["30 acme"]);
        check("python -m pip install -U 'Acme_Sdk[flask]>=2' -r requirements.txt", &["25 acme-sdk"]);
        check("Use `uv pip install acme`, then go.", &["20 acme"]);
        check("  gem 'acme', '~> 1'", &["7 acme"]);
        for none in [
            "npm install",
            "npm uninstall acme",
            "npm i -D acme",
            "pip install .",
            "pip install git+https://a.com/acme",
            "npm install ./acme",
            "npm i @types/acme",
            "conda install acme",
            "apt-get install acme",
            "skip install acme",
        ] {
            check(none, &[]);
        }
    }

    #[test]
    fn modules_are_read_and_told_from_others() {
        let check = |code: &str, expect: &[&str]| {
            let found: Vec<String> = modules(code).into_iter().map(|(_, name)| name).collect();
            assert_eq!(found, expect, "{code}");
        };
        check("import a from '@acme/js/react'\nimport 'b/c'\nconst d = require(\"d\")", &["@acme/js", "b", "d"]);
        check("import acme.flask as a\nfrom b.c import d\n  import e, f", &["acme", "b", "e"]);
        check("require 'acme/rails'", &["acme"]);
        check("import Foo from './foo'; import static a.B;", &["."]);
        let of = |module: &str, package: &str, expect: bool| {
            assert_eq!(is_of(Registry::PyPi, module, package), expect, "{module} {package}");
        };
        of("jwt", "pyjwt", true);
        of("acme", "acme-sdk", true);
        of("flask", "flask-cors", false);
        of("sdk", "client", false);
    }
}
