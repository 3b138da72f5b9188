//! Secrets that stand beside the word for them, without a sign between. Given
//! `- name: API_KEY\n  value: a8Fk2LmQ9xZp`, `--password hunter2`, or `https://a8Fk2LmQ9xZp4Rt7Vw1Y@host`:
//! what is behind. Given a file of variables in Base64: the whole of it.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::Regex;

use super::names::{self, Says};
use super::{Found, Kind, assigned, placeholder, values};

/// The name and the value each in an entry of its own, as Kubernetes, Terraform and XML have them.
const PAIR: &str = r#"\b(?:name|key|Name|Key|NAME|KEY)\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?(?<name>[A-Za-z_][A-Za-z0-9_.-]{1,79})\\?["']?[,;]?\s{1,40}(?:\d{1,6}[\t:→|-]\s{0,40})?\\?["']?(?:value|Value|VALUE)\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?(?<value>[^\s"'<>{}\[\],]{4,512})|"(?:name|key|Name|Key)"\s{0,4}:\s{0,4}"(?<name2>[A-Za-z_][A-Za-z0-9_.-]{1,79})",\s{0,40}"[Vv]alue"\s{0,4}:\s{0,4}"(?<value2>[^\s"]{4,512})"#;

/// Behind an option, or a word that sets a variable.
const BEHIND: &str = r#"(?:^|[\s"'`])(?:--(?<name>(?:api-?|access-?|auth-?|bot-?|secret-?|client-?)?(?:token|secret|key|password|passwd))|(?:ENV|ARG|setx|setenv|unsafe set)\s+(?<name2>[A-Z][A-Z0-9_]{1,79})|login\s+\S{1,80}\s+(?<name3>password)|[Aa]uthorization:\s*(?<name4>token))\s+["']?(?<value>[^\s"'`<>$-][^\s"'`<>]{5,511})"#;

/// A token in the place of a user: `https://token@host`.
const USER: &str = r"\bhttps?://(?<value>[A-Za-z0-9_-]{20,255})@[A-Za-z0-9]";

static FORMS: LazyLock<Vec<(&str, Option<Regex>)>> = LazyLock::new(|| {
    [
        ("alue", PAIR),
        ("ALUE", PAIR),
        ("--", BEHIND),
        ("ENV ", BEHIND),
        ("ARG ", BEHIND),
        ("set", BEHIND),
        ("login ", BEHIND),
        ("uthorization:", BEHIND),
        ("@", USER),
    ]
    .map(|(word, form)| (word, Regex::new(form).ok()))
    .into_iter()
    .collect()
});

/// No more of a text in Base64 is read.
const LONGEST: usize = 64 << 10;
/// Shorter ones hold no variable and its value.
const SHORTEST: usize = 20;

/// Finds what stands beside a word for it.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut tried: Vec<&str> = Vec::new();
    for (word, form) in FORMS.iter() {
        let Some(form) = form else { continue };
        if tried.contains(&form.as_str()) || memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_none() {
            continue;
        }
        tried.push(form.as_str());
        for hit in form.captures_iter(text) {
            let Some(value) = hit.name("value").or_else(|| hit.name("value2")) else { continue };
            let name = ["name", "name2", "name3", "name4"].iter().find_map(|name| hit.name(name));
            let says = name.map_or(Says::Secret, |name| names::read(name.as_str()).max(option_says(name.as_str())));
            let is_secret = match says {
                Says::Password => values::is_password(value.as_str()) || values::is_mixed(value.as_str()),
                Says::Secret | Says::Perhaps => values::is_random(value.as_str()),
                _ => false,
            };
            if is_secret && !values::is_harmless(value.as_str()) && !placeholder::is_inside(text, &value.range()) {
                let name = name.map(|name| name.as_str().to_owned());
                found.push(Found { span: value.range(), kind: Kind::Env, name, pattern: None });
            }
        }
    }
    encoded(text, found);
}

/// What options say is without doubt, whatever the word says elsewhere.
fn option_says(name: &str) -> Says {
    if name.ends_with("password") || name.ends_with("passwd") { Says::Password } else { Says::Nothing }
}

/// Files of variables in Base64, as `base64` writes them.
fn encoded(text: &str, found: &mut Vec<Found>) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(begin) = bytes.get(at..).and_then(|rest| rest.iter().position(is_part)).map(|skip| at + skip) {
        let end = begin + bytes[begin..].iter().take_while(|byte| is_part(byte)).count();
        at = end + 1;
        if end - begin < SHORTEST {
            continue;
        }
        // It goes on in the next lines.
        let mut whole = text[begin..end.min(begin + LONGEST)].to_owned();
        let mut last = end;
        while whole.len() < LONGEST && bytes.get(last) == Some(&b'\n') {
            let more = bytes[last + 1..].iter().take_while(|byte| is_part(byte)).count();
            if more == 0 || !(end - begin).is_multiple_of(4) {
                break;
            }
            whole.push_str(&text[last + 1..last + 1 + more]);
            last += 1 + more;
        }
        if holds_secret(&whole) {
            last += bytes[last..].iter().take(2).take_while(|byte| **byte == b'=').count();
            found.push(Found { span: begin..last, kind: Kind::Env, name: None, pattern: None });
            at = last + 1;
        }
    }
}

fn holds_secret(encoded: &str) -> bool {
    let begin = encoded.get(..SHORTEST).unwrap_or_default();
    let is_text = |bytes: &[u8]| bytes.iter().all(|byte| (b' '..=b'~').contains(byte) || b"\n\r\t".contains(byte));
    if !STANDARD_NO_PAD.decode(begin).is_ok_and(|bytes| is_text(&bytes)) {
        return false;
    }
    let encoded = if encoded.len() % 4 == 1 { &encoded[..encoded.len() - 1] } else { encoded };
    let Ok(text) = String::from_utf8(STANDARD_NO_PAD.decode(encoded).unwrap_or_default()) else { return false };
    let mut inner = Vec::new();
    assigned::find(&text, &mut inner);
    !inner.is_empty()
}
