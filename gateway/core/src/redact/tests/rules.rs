//! What the operator says.

use super::{Action, Kind, Rules, read, redactor};

#[track_caller]
fn check(yaml: &str, row: &str) {
    let (given, expect) = read(row);
    let redacted = redactor(yaml).redact(&given);
    assert_eq!(super::without_digests(&redacted.text.unwrap_or(given)), expect);
}

#[track_caller]
fn refused(yaml: &str, expect: &str) {
    let error = serde_saphyr::from_str::<Rules>(yaml).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

const TOKEN: &str = "patterns: [{ name: internal-token, regex: \"itk_[a-z0-9]{8}\", keywords: [itk_] }]";

#[test]
fn each_kind_has_its_action() {
    check("default: off", "A_KEY=abc1");
    check("default: log", "A_KEY=abc1");
    check("kinds: { env: off }", "A_KEY=abc1");
    check("{ default: off, kinds: { env: replace } }", "A_KEY=«env:A_KEY|abc1»");
    check("kinds: { env: off }", "A_KEY=«provider-key:A_KEY|sk_~live_51H8sT3kLmN0pQrStUvWx»");
    check("kinds: { env: log }", "A_KEY=«provider-key:A_KEY|sk_~live_51H8sT3kLmN0pQrStUvWx»");
    check("kinds: { provider-key: log }", "A_KEY=«env:A_KEY|sk_~live_51H8sT3kLmN0pQrStUvWx»");
    check("kinds: { connection-string: off }", "U=redis://:hunter2@h");
}

#[test]
fn where_all_is_replaced_what_is_off_stays() {
    let check = |yaml: &str, expect: (Action, Action)| {
        let rules = serde_saphyr::from_str::<Rules>(yaml).unwrap().replacing();
        assert_eq!((rules.action(Kind::Env), rules.action(Kind::ProviderKey)), expect, "{yaml}");
    };
    check("default: log", (Action::Replace, Action::Replace));
    check("kinds: { env: log }", (Action::Replace, Action::Replace));
    check("{ default: log, kinds: { env: off } }", (Action::Off, Action::Replace));
    check("default: off", (Action::Off, Action::Off));
}

#[test]
fn what_is_logged_is_reported_and_stays() {
    let redacted = redactor("default: log").redact("A_KEY=abc1\n");
    assert_eq!(redacted.text, None);
    let [finding] = redacted.findings.as_slice() else { panic!() };
    assert_eq!((finding.span.clone(), finding.kind, finding.action), (6..10, "env", Action::Log));
    assert_eq!(finding.name.as_deref(), Some("A_KEY"));
}

#[test]
fn patterns_of_the_operator() {
    check(TOKEN, "x «pattern:internal-token.?|itk_abcd1234» y «pattern:internal-token.?|itk_abcd1235»");
    check(
        TOKEN,
        &format!(
            "«pattern:internal-token.?|itk_abcd1234»{}«pattern:internal-token.?|itk_abcd1235»",
            " ".repeat(20_000)
        ),
    );
    check("patterns: [{ name: a, regex: \"num (?<secret>[0-9]{4})\" }]", "num «pattern:a.?|1234» num 12");
    check(TOKEN, "itk_ABCD1234 itk_abc");
}

#[test]
fn what_is_ignored_stays() {
    check(
        "ignore: [hunter2, sk_test_shared4all]",
        "A_PASSWORD=hunter2\nB_PASSWORD=«env:B_PASSWORD|hunter3»\nsk_test_shared4all",
    );
}

#[test]
fn mistakes_are_refused() {
    refused("patterns: [{ name: a b, regex: x }]", "is made of letters");
    refused("patterns: [{ name: a, regex: \"(\" }]", "cannot be used");
    refused("patterns: [{ name: a, regex: \"x*\" }]", "matches the empty text");
    refused("patterns: [{ name: a, regex: x, keywords: [\"\"] }]", "is empty");
    refused("ignore: [\"\"]", "empty value");
    refused("other: 1", "unknown field");
    refused("kinds: { passwords: off }", "unknown variant");
}

#[test]
fn names_of_kinds_are_those_of_the_policy() {
    for kind in Kind::ALL {
        let rules: Rules = serde_saphyr::from_str(&format!("kinds: {{ {}: off }}", kind.name())).unwrap();
        assert_eq!((rules.action(kind), rules.is_off()), (Action::Off, false));
    }
    assert!(serde_saphyr::from_str::<Rules>("default: off").unwrap().is_off());
}

#[test]
fn a_finding_says_how_large_it_is() {
    let redactor = redactor("");
    let small = redactor.redact("A_KEY=abc1").size();
    assert!(redactor.redact(&"A_KEY=abc1\n".repeat(100)).size() > small + 1_000);
    assert!(redactor.redact("nothing").size() < small);
}
