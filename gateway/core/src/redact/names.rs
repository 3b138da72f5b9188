//! What the name of a variable says about its value. Given `STRIPE_SECRET_KEY`: a secret. Given
//! `NEXT_PUBLIC_POSTHOG_KEY` or `TOKEN_TTL`: none.

/// How surely a name says that its value is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    /// It says that its value may be seen.
    Public,
    /// It says that its value is about a secret, and not one: `TOKEN_URL`.
    About,
    /// It says nothing.
    Nothing,
    /// It may hold a secret as well as something else: `key`, `auth`, `session`.
    Perhaps,
    /// A token, a secret.
    Secret,
    /// A password, which may be any word.
    Password,
}

/// Names of variables that are built into what browsers load.
const PUBLIC_BEGINNINGS: [&str; 10] = [
    "NEXT_PUBLIC_",
    "VITE_",
    "REACT_APP_",
    "EXPO_PUBLIC_",
    "NUXT_PUBLIC_",
    "GATSBY_",
    "VUE_APP_",
    "STORYBOOK_",
    "PUBLIC_",
    "NG_APP_",
];

/// A name is cut into at most this many words.
const MOST_WORDS: usize = 12;
/// Longer words are no words that this file knows.
const LONGEST_WORD: usize = 20;

/// Reads a name.
#[must_use]
pub(super) fn read(name: &str) -> Says {
    if PUBLIC_BEGINNINGS.iter().any(|begin| name.starts_with(begin)) || matches!(name, "PWD" | "OLDPWD") {
        return Says::Public;
    }
    let words = Words::of(name);
    let Some(last) = words.last() else { return Says::Nothing };
    if words.iter().any(|word| matches!(word, "public" | "publishable" | "fingerprint")) {
        return Says::Public;
    }
    if ABOUT.binary_search(&last).is_ok() {
        return Says::About;
    }
    if name.eq_ignore_ascii_case("secret_key_base") {
        return Says::Secret;
    }
    // In capitals the word may stand anywhere (`SECRET_STRIPE`); in code the last one says what it is
    // (a `tokenCount` is a count).
    let anywhere = is_capital(name);
    let mut before = "";
    let mut says = Says::Nothing;
    let last_at = words.count.saturating_sub(1);
    for (at, word) in words.iter().enumerate() {
        let is_end = at == last_at || words.iter().skip(at + 1).all(is_number);
        if anywhere || is_end {
            says = says.max(word_says(before, word, words.count));
        }
        before = word;
    }
    says
}

/// Whether a name is written as environment variables are.
#[must_use]
pub(super) fn is_capital(name: &str) -> bool {
    name.len() > 1
        && name.bytes().any(|byte| byte.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a word says, with the word before it.
fn word_says(before: &str, word: &str, count: usize) -> Says {
    match (before, word) {
        (_, "password" | "passwd" | "passphrase" | "passwort" | "userpass" | "dbpass" | "dbpassword") => Says::Password,
        // `PGPASSWORD`
        (_, word) if word.ends_with("password") || word.ends_with("passwd") => Says::Password,
        (_, "pass" | "pwd" | "pw") if count > 1 => Says::Password,
        (_, "pwd" | "pass") => Says::Perhaps,
        (_, "token" | "secret" | "apikey" | "authtoken" | "accesstoken" | "secretkey" | "privatekey") => Says::Secret,
        (_, "accesskey" | "apitoken" | "clientsecret" | "apisecret" | "jwtsecret" | "dsn") => Says::Secret,
        (
            "api" | "access" | "secret" | "private" | "signing" | "encryption" | "master" | "auth" | "service"
            | "account" | "webhook" | "admin" | "client" | "deploy" | "app" | "session",
            "key",
        ) => Says::Secret,
        ("connection", "string") | ("conn", "str") | ("shared", "key") => Says::Secret,
        (
            "primary" | "foreign" | "cache" | "sort" | "partition" | "host" | "gpg" | "storage" | "idempotency",
            "key",
        ) => Says::Nothing,
        (
            _,
            "key" | "auth" | "session" | "signature" | "cookie" | "pat" | "salt" | "private" | "connection"
            | "credential",
        ) => Says::Perhaps,
        (_, "credentials" | "cred" | "creds" | "secrets" | "authorization" | "pepper" | "otp" | "connstr") => {
            Says::Perhaps
        }
        _ => Says::Nothing,
    }
}

/// Last words that say that the value is about a secret, and not one: `TOKEN_URL`. In order.
const ABOUT: &[&str] = &[
    "age",
    "alg",
    "algorithm",
    "audience",
    "bits",
    "budget",
    "bytes",
    "callback",
    "class",
    "count",
    "days",
    "description",
    "dir",
    "disabled",
    "domain",
    "driver",
    "enabled",
    "endpoint",
    "error",
    "expiration",
    "expire",
    "expires",
    "expiry",
    "field",
    "file",
    "format",
    "header",
    "headers",
    "hint",
    "host",
    "hostname",
    "hours",
    "id",
    "ids",
    "index",
    "issuer",
    "keys",
    "kind",
    "label",
    "len",
    "length",
    "lifetime",
    "limit",
    "max",
    "message",
    "method",
    "min",
    "minutes",
    "mode",
    "ms",
    "name",
    "path",
    "pattern",
    "placeholder",
    "policy",
    "port",
    "prefix",
    "provider",
    "redirect",
    "regex",
    "region",
    "required",
    "rotation",
    "rules",
    "samesite",
    "scope",
    "scopes",
    "seconds",
    "size",
    "sock",
    "store",
    "strategy",
    "suffix",
    "timeout",
    "title",
    "tokens",
    "ttl",
    "type",
    "uri",
    "url",
    "usage",
    "version",
];

/// Words that say that a value is a digest or an identifier, however random it looks. In order.
const IDENTIFIERS: &[&str] = &[
    "branch",
    "build",
    "bundle",
    "checksum",
    "commit",
    "digest",
    "dir",
    "etag",
    "file",
    "fingerprint",
    "flags",
    "guid",
    "hash",
    "home",
    "host",
    "hostname",
    "id",
    "ids",
    "image",
    "integrity",
    "md5",
    "model",
    "name",
    "options",
    "opts",
    "package",
    "path",
    "public",
    "ref",
    "rev",
    "revision",
    "sha",
    "sha1",
    "sha256",
    "sha512",
    "sock",
    "socket",
    "tag",
    "uri",
    "url",
    "uuid",
    "version",
];

/// Whether a name says that its value is a digest or an identifier.
#[must_use]
pub(super) fn is_identifier(name: &str) -> bool {
    Words::of(name).iter().any(|word| IDENTIFIERS.binary_search(&word).is_ok())
}

/// The words of a name, in small letters: `stripeSecretKey` and `STRIPE_SECRET_KEY` have the same.
struct Words {
    letters: [u8; MOST_WORDS * LONGEST_WORD],
    lengths: [u8; MOST_WORDS],
    count: usize,
}

impl Words {
    fn of(name: &str) -> Self {
        let mut words = Self { letters: [0; MOST_WORDS * LONGEST_WORD], lengths: [0; MOST_WORDS], count: 0 };
        let mut before = b'_';
        let bytes = name.as_bytes();
        for (at, byte) in bytes.iter().copied().enumerate() {
            let is_next_small = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            let begins = !before.is_ascii_alphanumeric()
                || (byte.is_ascii_uppercase() && (before.is_ascii_lowercase() || is_next_small));
            if byte.is_ascii_alphanumeric() {
                words.push(byte.to_ascii_lowercase(), begins);
            }
            before = byte;
        }
        words
    }

    fn push(&mut self, byte: u8, begins: bool) {
        if begins {
            // Of a name with more words the last ones are wanted, for they say what it is.
            if self.count == MOST_WORDS {
                self.letters.copy_within(LONGEST_WORD.., 0);
                self.lengths.copy_within(1.., 0);
                self.count -= 1;
            }
            if let Some(length) = self.lengths.get_mut(self.count) {
                *length = 0;
            }
            self.count += 1;
        }
        let Some(at) = self.count.checked_sub(1) else { return };
        let Some(length) = self.lengths.get_mut(at) else { return };
        if usize::from(*length) < LONGEST_WORD {
            if let Some(place) = self.letters.get_mut(at * LONGEST_WORD + usize::from(*length)) {
                *place = byte;
            }
            *length += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.count).map(|at| {
            let begin = at * LONGEST_WORD;
            let length = self.lengths.get(at).copied().unwrap_or(0);
            let word = self.letters.get(begin..begin + usize::from(length)).unwrap_or_default();
            std::str::from_utf8(word).unwrap_or_default()
        })
    }

    fn last(&self) -> Option<&str> {
        let last = self.iter().last()?;
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], expect: Says) {
        for name in names {
            assert_eq!(read(name), expect, "{name}");
        }
    }

    #[test]
    fn a_name_says_whether_its_value_is_a_secret() {
        check(&["STRIPE_SECRET_KEY", "stripeApiKey", "GITHUB_TOKEN", "SECRET_STRIPE", "client-secret"], Says::Secret);
        check(&["API_KEY_2", "x-api-key", "SENTRY_DSN", "spring.apiKey"], Says::Secret);
        check(&["DB_PASSWORD", "password", "PGPASSWORD_PASS", "smtp.pass", "PASSWORD_PROD", "dbPwd"], Says::Password);
        check(&["STRIPE_KEY", "key", "AUTH", "sessionCookie"], Says::Perhaps);
    }

    #[test]
    fn lists_are_in_order() {
        assert!(ABOUT.is_sorted() && IDENTIFIERS.is_sorted());
    }

    #[test]
    fn other_names_do_not() {
        check(&["NEXT_PUBLIC_STRIPE_KEY", "VITE_TOKEN", "PWD", "PUBLIC_KEY", "publishableKey"], Says::Public);
        check(&["TOKEN_URL", "PASSWORD_MIN_LENGTH", "PORT", "maxTokens", "SSH_AUTH_SOCK"], Says::About);
        check(&["NODE_ENV", "tokenCounter", "keyboard", "author", "monkey", "PRIMARY_KEY"], Says::Nothing);
    }
}
