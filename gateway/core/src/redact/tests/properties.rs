//! What holds for any text.

use std::sync::LazyLock;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{ALL, redactor};

static WITH_PATTERN: LazyLock<super::Redactor> =
    LazyLock::new(|| redactor("patterns: [{ name: p, regex: \"itk_[a-z0-9]{4}\", keywords: [itk_] }]"));

fn name() -> impl Strategy<Value = String> {
    let word = "(KEY|TOKEN|SECRET|PASSWORD|API_KEY|PRIVATE_KEY|DB_PASS|AUTH_TOKEN|CLIENT_SECRET|SALT|CREDENTIALS)";
    proptest::string::string_regex(&format!("[A-Z]{{2,8}}_{word}")).unwrap()
}

/// A value, and how it is written.
fn value() -> impl Strategy<Value = (String, String)> {
    let plain = "[A-Za-z0-9+/=_.@!%^*~-]{8,40}".prop_filter("a random one", |value| {
        !super::super::values::is_harmless(value)
            && value.bytes().any(|byte| byte.is_ascii_digit())
            && !super::super::values::is_number(value)
    });
    let spaced = "[A-Za-z0-9]{4,10} [A-Za-z0-9#$&|;<>(){}]{4,10} [A-Za-z0-9]{4,10}x9";
    let many = "[A-Za-z0-9 ]{8,30}x9\n[A-Za-z0-9]{8,30}x9";
    prop_oneof![
        plain.clone().prop_map(|value| (value.clone(), value)),
        plain.clone().prop_map(|value| (value.clone(), format!("\"{value}\""))),
        plain.prop_map(|value| (value.clone(), format!("'{value}'"))),
        spaced.prop_map(|value| (value.clone(), format!("\"{value}\""))),
        spaced.prop_map(|value| (value.clone(), format!("'{value}'"))),
        many.prop_map(|value| (value.clone(), format!("\"{value}\""))),
    ]
}

/// How a tool shows a file.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Plain,
    Arrow,
    Tab,
    Grep,
    Diff,
    Json,
    JsonTwice,
}

fn shown() -> impl Strategy<Value = Shown> {
    use Shown::{Arrow, Diff, Grep, Json, JsonTwice, Plain, Tab};
    prop_oneof![Just(Plain), Just(Arrow), Just(Tab), Just(Grep), Just(Diff), Just(Json), Just(JsonTwice)]
}

fn show(file: &str, shown: Shown, break_: &str) -> String {
    let lines = |mark: &dyn Fn(usize) -> String| -> String {
        file.lines().enumerate().map(|(number, line)| format!("{}{line}{break_}", mark(number + 1))).collect()
    };
    match shown {
        Shown::Plain => lines(&|_| String::new()),
        Shown::Arrow => lines(&|number| format!("{number:6}→")),
        Shown::Tab => lines(&|number| format!("{number:6}\t")),
        Shown::Grep => lines(&|number| format!("app/.env:{number}:")),
        Shown::Diff => lines(&|_| String::from("+")),
        Shown::Json => serde_json::json!({ "stdout": file }).to_string(),
        Shown::JsonTwice => {
            serde_json::json!({ "result": serde_json::json!({ "stdout": file }).to_string() }).to_string()
        }
    }
}

proptest! {
    #[test]
    fn nothing_of_a_value_remains(
        lines in proptest::collection::vec((name(), value(), any::<bool>()), 1..6),
        shown in shown(),
        crlf in any::<bool>(),
    ) {
        let mut file = String::from("PORT=3000\n");
        for (name, (_, written), export) in &lines {
            let export = if *export { "export " } else { "" };
            file.push_str(&format!("{export}{name}={written}\n"));
        }
        let text = show(&file, shown, if crlf { "\r\n" } else { "\n" });
        let redacted = ALL.redact(&text).text.unwrap_or_default();
        for (name, (value, _), _) in &lines {
            for piece in value.as_bytes().windows(8) {
                let piece = String::from_utf8_lossy(piece);
                let may_stand = name.contains(&*piece) || piece.contains('\n') || piece.trim().len() < 8;
                prop_assert!(may_stand || !redacted.contains(&*piece), "{piece:?} of {value:?}\nin {text}\nbecame {redacted}");
            }
            prop_assert!(redacted.contains(name.as_str()));
        }
        prop_assert!(redacted.contains("PORT=3000"));
        prop_assert_eq!(ALL.redact(&redacted).text, None, "{}", redacted);
    }

    #[test]
    fn doing_it_twice_changes_nothing(parts in proptest::collection::vec(part(), 0..24)) {
        let text = parts.concat();
        if let Some(once) = WITH_PATTERN.redact(&text).text {
            prop_assert_eq!(WITH_PATTERN.redact(&once).text, None, "{}\nbecame {}", text, once);
        }
    }

    #[test]
    fn findings_are_in_order_and_apart(parts in proptest::collection::vec(part(), 0..24)) {
        let text = parts.concat();
        let findings = ALL.redact(&text).findings;
        prop_assert!(findings.iter().all(|one| text.get(one.span.clone()).is_some_and(|secret| !secret.is_empty())));
        prop_assert!(findings.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
    }

    #[test]
    fn any_text_can_be_searched(text in any::<String>()) {
        prop_assert!(ALL.find(&text).len() <= text.len());
    }

    #[test]
    fn text_without_signs_and_keywords_stays(text in "[a-z0-9 .,\n]{0,400}") {
        prop_assert_eq!(ALL.redact(&text).text, None);
    }

    #[test]
    fn pieces_find_what_the_whole_finds(
        before in "[a-z ]{0,60}", number in 1_usize..40, behind in "[a-z ]{0,60}",
    ) {
        let text: String =
            (0..number).map(|n| format!("{before}\nA{n}_KEY=abc{n}x\n{behind}\n")).collect();
        let mut small = ALL.clone();
        small.piece = 256;
        prop_assert_eq!(small.find(&text), ALL.find(&text));
    }
}

/// Bits of text that matter to the search, in any order.
fn part() -> impl Strategy<Value = String> {
    let fixed = [
        "KEY",
        "_TOKEN",
        "password",
        "apiKey",
        "=",
        ":",
        ": ",
        " = ",
        "\"",
        "'",
        "`",
        "\\",
        "\\n",
        "\\\"",
        "\n",
        "\r\n",
        " ",
        "://",
        "@",
        "user",
        "hunter2",
        "postgres",
        "Bearer ",
        "Basic ",
        "YW5uOmI=",
        "${",
        "}",
        ":-",
        "[redacted:env:KEY]",
        "[redacted:",
        "]",
        "export ",
        "     1→",
        "12:",
        "+",
        "#",
        ";",
        "&",
        "<",
        ">",
        "</",
        "|",
        "|\n",
        "  ",
        "true",
        "->",
        "-----BEGIN ",
        "PRIVATE KEY",
        "-----",
        "-----END ",
        "MIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V",
        "sk_",
        "live_",
        "itk_ab12",
        "eyJhbGciOiJIUzI1NiJ9.",
        "eyJzdWIiOiIxMjM0NTY3ODkwIn0.",
        "Password=",
        "Server=a;",
        "Cookie: ",
        "é",
        "→",
        "(",
        ")",
    ];
    prop_oneof![
        4 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        1 => "[A-Za-z0-9]{1,40}",
        1 => "[A-Z_]{2,8}_(KEY|SECRET|PASSWORD)=",
    ]
}

#[test]
fn one_secret_has_one_placeholder() {
    let key = concat!("gh", "p_a8Fk2LmQ9xZp4Rt7Vw1Ya8Fk2LmQ9xZp4Rt7");
    let redactor = &*ALL;
    let one = redactor.redact(&format!("first {key}")).text.unwrap();
    let two = redactor.redact(&format!("second {key} and more")).text.unwrap();
    assert_eq!(one.trim_start_matches("first "), &two["second ".len()..two.len() - " and more".len()]);
}

#[test]
fn time_grows_with_the_text_only() {
    // Each of these would take hours if every sign looked at all that follows.
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA8Fk2LmQ9xZp4Rt7V ";
    for (part, is_secret) in [
        ("A_KEY=", true),
        ("A_KEY='", true),
        (key, true),
        ("a://b:", false),
        ("\"", false),
        ("eyJ", false),
        ("=", false),
        ("A_KEY=`${", false),
        ("key=a ", false),
    ] {
        let text = part.repeat(400_000 / part.len());
        assert_eq!(!ALL.find(&text).is_empty(), is_secret, "{part}");
    }
}
