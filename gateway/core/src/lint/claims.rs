//! What a text says of things that another may say otherwise. Given `POSTHOG_HOST=https://a.posthog.com`:
//! of the variable `POSTHOG_HOST` that its value is that address.

use std::sync::LazyLock;

use regex::Regex;

use super::imports::{imported, is_kin};
use super::installs::Registry;

/// What something is said about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// Where a symbol is imported from.
    Import(String),
    /// The package that is installed for a module.
    Package(Registry, String),
    /// What a variable is called, by what its name begins with.
    Variable(String),
    /// The value of a variable, or the one that it has where nothing sets it.
    Value(String),
    /// The version of a package.
    Version(String),
    /// An option by which something is set up: `posthog.init`, `capture_pageview`.
    Option(String, String),
}

/// Where something is said, from the beginning of its text, of what, and what.
pub(super) type Claim = (usize, Subject, String);

static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b").ok());
/// `X=https://…`, `process.env.X ?? 'https://…'`, `os.environ.get("X", 'https://…')`, `${X:-https://…}`,
/// ``"`X` defaults to `https://…`"``; a number or a truth only as what counts where nothing is set.
static VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let default = r#"\?\?|\|\||:-|defaults\s+to|or\s|['"]\s*,"#;
    let truth = r"\d+(?:\.\d+)?|true|false|True|False";
    let behind = r#"[`"'\]})]*\s*"#;
    Regex::new(&format!(
        r#"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:{behind}(?:{default}|=|:)\s*[`"']?(https?://[^\s"'`,)}}>;|]+)|{behind}(?:{default})\s*[`"']?({truth})\b)"#
    ))
    .ok()
});
/// `npm install name@1.2`, `name==1.2`, `"name": "^1.2"`, `gem "name", "~> 1.2"`
static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"(?:@[\w.-]+/)?[A-Za-z][\w.-]+";
    let number = r"[\^~]?v?(\d+(?:\.\d+)*)\b";
    Regex::new(&format!(
        r#"\b(?:install|add|i|get|npx|dlx)\s+(?:[^\s`]+\s+)*?({name})@{number}|(?m:^|[\s`])({name})[=~]={number}|"({name})"\s*:\s*"[\^~]?(\d+\.\d+\.\d+)\b|\bgem\s+['"]({name})['"]\s*,\s*['"](?:~>\s*)?{number}"#
    ))
    .ok()
});
/// Calls that set something up.
static SET_UP: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"((?:\b[\w$]+\.)*\b(?:init|setup|configure|create[A-Z_]|[A-Z])\w*)\(").ok());
static TRUTH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z_]\w*)['"]?\s*[:=]\s*(?i:(true|false))\b"#).ok());
/// Words for one thing at the end of a variable's name.
const ENDINGS: [&str; 3] = ["_API_KEY", "_TOKEN", "_KEY"];
/// Beginnings of names that say nothing of whose they are: a `SECRET_KEY` is not a `SECRET_TOKEN`.
const GENERIC: [&str; 16] = [
    "ACCESS",
    "API",
    "APP",
    "AUTH",
    "BOT",
    "CLIENT",
    "CSRF",
    "DEPLOY",
    "ENCRYPTION",
    "JWT",
    "PRIVATE",
    "PUBLIC",
    "SECRET",
    "SERVER",
    "SESSION",
    "USER",
];
/// The longest call that is looked into, in bytes.
const LONGEST_CALL: usize = 4_000;

/// What code says.
pub(super) fn of_code(code: &str) -> Vec<Claim> {
    let imports = imported(code).into_iter().map(|(at, symbol, module)| (at, Subject::Import(symbol), module));
    imports.chain(of_words(code)).chain(options(code)).collect()
}

/// What words say, and code does too.
pub(super) fn of_words(text: &str) -> Vec<Claim> {
    let mut found = Vec::new();
    for name in VARIABLE.iter().flat_map(|variable| variable.find_iter(text)) {
        let stem = ENDINGS.iter().find_map(|ending| name.as_str().strip_suffix(ending));
        if let Some(stem) = stem.filter(|stem| !GENERIC.contains(stem)) {
            found.push((name.start(), Subject::Variable(stem.to_owned()), name.as_str().to_owned()));
        }
    }
    for captures in VALUE.iter().flat_map(|value| value.captures_iter(text)) {
        let (Some(name), value) = (captures.get(1), captures.get(2).or_else(|| captures.get(3))) else { continue };
        if let Some(value) =
            value.map(|value| value.as_str().trim_end_matches(['/', '.'])).filter(|value| is_meant(value))
        {
            found.push((name.start(), Subject::Value(name.as_str().to_owned()), value.to_lowercase()));
        }
    }
    for captures in VERSION.iter().flat_map(|version| version.captures_iter(text)) {
        let mut groups = captures.iter().skip(1).flatten();
        let (Some(name), Some(version)) = (groups.next(), groups.next()) else { continue };
        if name.as_str() != "version" {
            found.push((name.start(), Subject::Version(name.as_str().to_owned()), version.as_str().to_owned()));
        }
    }
    found
}

/// Whether a value is more than an example: an address without anybody's own names or secrets.
fn is_meant(value: &str) -> bool {
    let Some((_, address)) = value.split_once("://") else { return true };
    !address.contains(|c: char| c.is_uppercase() || "<>[]{}$@…".contains(c)) && domain(value).is_some()
}

/// What an address is of: the last two parts of its host, if that is a public name.
fn domain(address: &str) -> Option<String> {
    let host = address.split("://").nth(1)?.split(['/', ':', '?', '#']).next()?;
    let parts: Vec<&str> = host.rsplit('.').collect();
    let is_name = parts.len() > 1 && !parts[0].is_empty() && parts[0].chars().all(char::is_alphabetic);
    is_name.then(|| format!("{}.{}", parts[1], parts[0]))
}

fn options(code: &str) -> Vec<Claim> {
    let mut found = Vec::new();
    for call in SET_UP.iter().flat_map(|set_up| set_up.captures_iter(code)).filter_map(|call| call.get(1)) {
        let begin = call.end() + 1;
        let inside = inside(&code[begin..]);
        for option in TRUTH.iter().flat_map(|truth| truth.captures_iter(inside)) {
            let (Some(name), Some(value)) = (option.get(1), option.get(2)) else { continue };
            // What stands deeper is an option of something else.
            if depth(&inside[..name.start()]) > 1 {
                continue;
            }
            let subject = Subject::Option(call.as_str().to_owned(), name.as_str().to_owned());
            found.push((begin + name.start(), subject, value.as_str().to_lowercase()));
        }
    }
    found
}

/// How many brackets are open at the end of a piece of code.
fn depth(code: &str) -> usize {
    code.chars().fold(0, |depth, c| match c {
        '(' | '[' | '{' => depth + 1,
        ')' | ']' | '}' => depth.saturating_sub(1),
        _ => depth,
    })
}

/// What stands before the bracket that closes a call.
fn inside(code: &str) -> &str {
    let code = &code[..code.floor_char_boundary(LONGEST_CALL)];
    let mut depth = 1_usize;
    let end = code.char_indices().find(|(_, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.map_or("", |(at, _)| &code[..at])
}

impl Subject {
    /// Whether two things that are said of it cannot both hold.
    pub(super) fn clash(&self, one: &str, other: &str) -> bool {
        match self {
            Self::Import(_) => is_kin(one, other),
            Self::Package(..) | Self::Variable(_) | Self::Option(..) => true,
            // Two addresses of one maker; others are a project's own.
            Self::Value(_) => domain(one) == domain(other),
            Self::Version(_) => major(one) != major(other),
        }
    }

    pub(super) fn sentence(&self, what: &str, other: &str) -> String {
        match self {
            Self::Import(symbol) => format!("It imports `{symbol}` from `{what}`, and {other}. One of them is stale."),
            Self::Package(_, module) => {
                format!(
                    "For `{module}` it installs `{what}`, and {other}. Say which is right, and what the other is for."
                )
            }
            Self::Variable(_) => format!("It calls the variable `{what}`, and {other}. Use one name."),
            Self::Value(name) => format!("It gives `{name}` the value `{what}`, and {other}. One of them is stale."),
            Self::Version(name) => {
                format!("It takes `{name}` of the version {what}, and {other}. One of them is stale.")
            }
            Self::Option(call, name) => {
                format!(
                    "It calls `{call}` with `{name}` as `{what}`, and {other}. Say where which is right, or use one."
                )
            }
        }
    }
}

/// By what versions are told that do not go together: `2` of `2.1.0`, and `0.3` of `0.3.1`.
fn major(version: &str) -> &str {
    let end = version.strip_prefix("0.").and_then(|rest| rest.find('.').map(|end| end + 2));
    let end = end.or_else(|| (!version.starts_with("0.")).then(|| version.find('.')).flatten());
    &version[..end.unwrap_or(version.len())]
}
