//! What a value says about itself. Given `a8Fk2LmQ9xZp4Rt7Vw1Y`: it looks random. Given
//! `process.env.KEY`, `<your key>` or `user-profile`: it is no secret.

use super::placeholder;

/// The most bytes of a value that are looked at to judge it.
const JUDGED: usize = 4_096;

fn begin(value: &str) -> &str {
    let end = value.floor_char_boundary(JUDGED);
    value.get(..end).unwrap_or(value)
}

/// Whether a value is none that anybody would hide, wherever it stands: a reference to another
/// place, a switch, something that a person is to fill in.
#[must_use]
pub(super) fn is_harmless(value: &str) -> bool {
    let value = begin(value.trim());
    value.is_empty()
        || placeholder::is_first(value)
        || is_switch(value)
        || is_reference(value)
        || is_to_fill_in(value)
        || is_path(value)
        || is_address(value)
}

fn is_switch(value: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "0", "1", "null", "none", "nil", "undefined", "~", "{}", "[]"]
        .iter()
        .any(|switch| value.eq_ignore_ascii_case(switch))
}

/// A count, a time: `4096`, `15m`, `3.5`.
#[must_use]
pub(super) fn is_number(value: &str) -> bool {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    value.len() <= 9
        && value.len() - digits.len() <= 2
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The value stands elsewhere: `$KEY`, `${KEY}`, `$(pass show x)`, `{{ key }}`, `process.env.KEY`.
#[must_use]
pub(super) fn is_reference(value: &str) -> bool {
    const BEGINS: [&str; 28] = [
        "$(",
        "`",
        "{{",
        "{%",
        "<%",
        "#{",
        "process.env",
        "import.meta.env",
        "os.environ",
        "os.getenv",
        "environ[",
        "env(",
        "env.",
        "ENV[",
        "env!(",
        concat!("std::", "env"),
        "getenv(",
        "secrets.",
        "op://",
        "vault:",
        "ref+",
        "!Ref",
        "!vault",
        "arn:",
        "Deno.env",
        "System.getenv",
        "Bun.env",
        "f\"",
    ];
    if BEGINS.iter().any(|begin| value.starts_with(begin)) {
        return true;
    }
    // What a format string puts in: `{key}`.
    if let Some(name) = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
        && (name.is_empty() || is_name(name))
    {
        return true;
    }
    if let Some(name) = value.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
        return is_name(name);
    }
    let Some(rest) = value.strip_prefix('$') else { return value.starts_with("%(") };
    match rest.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        // `${NAME:-word}` has a word of its own; it is judged apart (see `default_of`).
        Some(inner) => default_of(value).is_none_or(str::is_empty) && !inner.is_empty(),
        None => is_name(rest) || rest.starts_with('{') && rest.contains('}') || rest.parse::<u8>().is_ok(),
    }
}

/// What `${NAME:-word}` becomes where the variable is not set.
#[must_use]
pub(super) fn default_of(value: &str) -> Option<&str> {
    let inner = value.strip_prefix("${")?.strip_suffix('}')?;
    let (name, word) = inner.split_once('-').or_else(|| inner.split_once('='))?;
    is_name(name.trim_end_matches(':')).then_some(word)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// `<your key>`, `xxxx`, `***`, `sk-...`, `your-api-key-here`, `changeme`.
fn is_to_fill_in(value: &str) -> bool {
    if value.starts_with('<') && value.ends_with('>') && value.len() < 64 {
        return true;
    }
    if value.ends_with("EXAMPLE") || value.ends_with("EXAMPLEKEY") {
        return true;
    }
    let is_dots = |byte: u8| matches!(byte, b'.' | b'*' | b'x' | b'X' | b'-' | b'_' | b'#' | b'?');
    if matches!(value, "value" | "VALUE" | "secret-value" | "string") {
        return true;
    }
    // `AIzaxxxxxxxx`, and `%s:%s` of a format string.
    if value.ends_with("xxxxxx") || value.contains("%s") && !value.replace("%s", "").contains(char::is_alphanumeric) {
        return true;
    }
    let tail = value.rsplit(['-', '_', '.', '=']).find(|part| !part.is_empty()).unwrap_or(value);
    if value.bytes().all(is_dots) || value.ends_with("...") || value.ends_with('…') || value.contains("****") {
        return true;
    }
    if tail.len() >= 3 && tail.bytes().all(|byte| matches!(byte, b'x' | b'X' | b'*')) {
        return true;
    }
    !value.bytes().any(|byte| byte.is_ascii_digit())
        && value.len() < 64
        && value.split(|c: char| !c.is_ascii_alphabetic()).any(|word| {
            ["your", "example", "changeme", "change", "replace", "replaceme", "insert", "placeholder", "dummy", "todo"]
                .iter()
                .any(|hint| word.eq_ignore_ascii_case(hint))
        })
}

/// `/run/secrets/key`, `./key.pem`, `~/.ssh/id`: where a secret is, not what it is.
fn is_path(value: &str) -> bool {
    let rest = ["/", "./", "../", "~/"].iter().find_map(|begin| value.strip_prefix(begin));
    let Some(rest) = rest else { return false };
    // A password may begin with a slash; a path has a second one.
    let is_whole = rest.contains('/') || !value.starts_with('/');
    is_whole
        && rest.split('/').all(|part| {
            part.len() < 40
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
                && (changes(part) * 5 < part.len().max(10))
        })
}

/// An address; what is secret in one is found by its own kind.
fn is_address(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && !rest.is_empty()
    }) || value.starts_with("file:")
        || value.starts_with("data:")
        || value.starts_with("localhost")
}

/// How often the sort of the characters changes: a small letter, then a capital or a digit. Words
/// have few changes, random text has many.
fn changes(value: &str) -> usize {
    let sort = |byte: u8| match byte {
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'a'..=b'z' => 3,
        _ => 0,
    };
    value
        .as_bytes()
        .windows(2)
        .filter(|pair| match **pair {
            [one, two] => match (sort(one), sort(two)) {
                (0, _) | (_, 0) | (2, 3) => false,
                (one, two) => one != two,
            },
            _ => false,
        })
        .count()
}

/// Whether a value is of words: `user-profile`, `claude-sonnet-4-5`, `createdAt2`.
#[must_use]
pub(super) fn is_words(value: &str) -> bool {
    let value = begin(value);
    value.split(['-', '_', '.', ':', '/', ' ', '@']).all(|part| {
        let letters =
            part.trim_end_matches(|c: char| c.is_ascii_digit()).trim_start_matches(|c: char| c.is_ascii_digit());
        letters.is_empty() && part.len() <= 10
            || letters.chars().all(char::is_alphabetic) && part.len() - letters.len() <= 3 && part.len() < 40
    })
}

/// Letters and digits, mixed: enough where the name says that it is a secret.
#[must_use]
pub(super) fn is_mixed(value: &str) -> bool {
    let value = begin(value);
    value.len() >= 8
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.contains(' ')
        && !is_words(value)
        || is_random(value)
}

/// Looks random whatever its name is.
#[must_use]
pub(super) fn is_random(value: &str) -> bool {
    let value = begin(value);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_.~-".contains(&byte);
    if value.len() < 16 || !value.bytes().all(is_token) || is_words(value) || is_uuid(value) {
        return false;
    }
    let has_digit = value.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        return value.len() >= 24 && has_digit && entropy(value) > 2.8;
    }
    let body = value.trim_end_matches('=');
    let is_varied = changes(body) * 5 >= body.len() && (has_digit || body.len() >= 32);
    is_varied && entropy(body) > 3.0
}

/// `8-4-4-4-12` hexadecimal digits: an identifier, as a rule.
#[must_use]
pub(super) fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Bits a byte, by Shannon.
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = f64::from(u32::try_from(value.len()).unwrap_or(u32::MAX));
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / length;
            -share * share.log2()
        })
        .sum()
}

/// Whether a literal under the name of a password is one: `hunter2`, not `string` or `Your password`.
#[must_use]
pub(super) fn is_password(value: &str) -> bool {
    const WORDS: [&str; 48] = [
        "string",
        "str",
        "text",
        "varchar",
        "char",
        "bytes",
        "number",
        "int",
        "integer",
        "boolean",
        "bool",
        "any",
        "required",
        "optional",
        "hidden",
        "password",
        "passwd",
        "secret",
        "token",
        "object",
        "unknown",
        "self",
        "input",
        "value",
        "prompt",
        "env",
        "file",
        "basic",
        "bearer",
        "digest",
        "default",
        "empty",
        "username",
        "user",
        "data",
        "form",
        "args",
        "config",
        "options",
        "props",
        "state",
        "field",
        "label",
        "passwort",
        "wachtwoord",
        "pass",
        "current-password",
        "new-password",
    ];
    let value = begin(value);
    let number = value.trim_start_matches('_').trim_start_matches(['u', 'i', 'f']);
    let is_number_type = value.len() > number.len() && matches!(number, "8" | "16" | "32" | "64" | "128" | "size");
    if is_number_type || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word)) {
        return false;
    }
    let is_sentence = value.split(' ').count() > 1
        && value.split(' ').all(|word| {
            let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
            word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '-' | '’')) || is_number(word)
        });
    // `Password`, `Passwort`, `userPassword`, `user.password`: a label or a name. A word in small
    // letters may be a password: `postgres`.
    let is_label = !value.contains(' ')
        && value.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '_'))
        && value.chars().any(|c| !c.is_ascii_lowercase());
    !is_sentence && !is_label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_is_told_from_words() {
        for value in ["a8Fk2LmQ9xZp4Rt7Vw1Y", "4f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKp"]
        {
            assert!(is_random(value), "{value}");
        }
        for value in [
            "claude-sonnet-4-5-20250929",
            "createdAtTimestampV2",
            "user-profile-settings-page",
            "aaaaaaaaaaaaaaaaaaaa",
            "123e4567-e89b-12d3-a456-426614174000",
            "registry.example.com/team/app:1.2.3",
            "com.example.application.MainActivity2",
        ] {
            assert!(!is_random(value), "{value}");
        }
    }

    #[test]
    fn references_and_blanks_are_harmless() {
        for value in [
            "",
            "true",
            "$KEY",
            "${KEY}",
            "$(pass show x)",
            "{{ key }}",
            "process.env.KEY",
            "<your key>",
            "xxxxxxxx",
            "sk-...",
            "your-api-key-here",
            "changeme",
            "/run/secrets/key",
            "~/.ssh/id_rsa",
            "https://a.example/b",
            "[redacted:env:KEY]",
            "${KEY:-}",
            "sk_test_xxxxxxxx",
            "AKIAIOSFODNN7EXAMPLE",
        ] {
            assert!(is_harmless(value), "{value}");
        }
        for value in ["hunter2", "$ecret9!", "${KEY:-hunter2}", "/9j/4AAQSkZJRgABAQ2x", "abc123", "yourk3y"] {
            assert!(!is_harmless(value), "{value}");
        }
        assert_eq!(default_of("${KEY:-hunter2}"), Some("hunter2"));
    }
}
