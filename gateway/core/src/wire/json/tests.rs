use super::*;

fn read(text: &str) -> Result<Json, Unreadable> {
    Json::read(Bytes::copy_from_slice(text.as_bytes()))
}

#[track_caller]
fn check(text: &str, expect: Option<What>) {
    let found = read(text).err().map(|error| error.what);
    assert_eq!(found, expect, "{text}");
    // The standard parser must agree about everything that is not a rule of our own.
    let ours = matches!(expect, Some(What::Duplicate(_) | What::TooDeep | What::TooMany));
    if !ours {
        let theirs = serde_json::from_str::<serde_json::Value>(text);
        assert_eq!(theirs.is_ok(), expect.is_none(), "{text}: {theirs:?}");
    }
}

#[test]
fn values_of_every_kind_are_read() {
    for text in ["{}", "[]", " [1, -0.5e+3 ,1E2,0] ", "\"a\\u00e9\\n\"", "null", "true", "{\"a\":{\"b\":[{}]}}"] {
        check(text, None);
    }
}

#[test]
fn broken_grammar_is_refused() {
    check("{\"a\":1", Some(What::Truncated));
    check("{\"a", Some(What::Truncated));
    check("tru", Some(What::Truncated));
    check("", Some(What::Truncated));
    check("{\"a\":1,}", Some(What::Expected("a key in double quotes")));
    check("{a:1}", Some(What::Expected("a key in double quotes")));
    check("[1 2]", Some(What::Expected("a comma or a closing bracket")));
    check("01", Some(What::Trailing));
    check("1.", Some(What::Truncated));
    check("[1.]", Some(What::Expected("a digit")));
    check("\"a\nb\"", Some(What::Expected("an escaped control character")));
    check("\"\\x\"", Some(What::Expected("an escape that JSON has")));
    check("{} {}", Some(What::Trailing));
    check("NaN", Some(What::Expected("a JSON value")));
}

#[test]
fn duplicate_keys_are_refused_however_they_are_spelled() {
    let twice = |name: &str| Some(What::Duplicate(name.to_owned()));
    check("{\"tools\":1,\"tools\":2}", twice("tools"));
    check("{\"tools\":1,\"t\\u006fols\":2}", twice("tools"));
    check("{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", twice("b"));
    let many: Vec<String> = (0..20).map(|n| format!("\"k{n}\":{n}")).collect();
    check(&format!("{{{},\"k3\":0}}", many.join(",")), twice("k3"));
    check(&format!("{{{}}}", many.join(",")), None);
    check("{\"a\":1,\"A\":2}", None);
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(&nested(MAX_DEPTH), None);
    check(&nested(MAX_DEPTH + 1), Some(What::TooDeep));
    check(&nested(100_000), Some(What::TooDeep));
}

#[test]
fn text_is_unescaped_as_the_standard_parser_does() {
    for text in ["\"plain\"", "\"a\\\"b\\\\c\\/d\"", "\"\\b\\f\\n\\r\\t\"", "\"\\u00e9\\ud83d\\ude00x\"", "\"é😀\""]
    {
        let json = read(text).unwrap();
        let theirs: String = serde_json::from_str(text).unwrap();
        assert_eq!(json.root().text().unwrap(), theirs);
    }
    assert_eq!(read("\"\\ud800!\"").unwrap().root().text().unwrap(), "\u{fffd}!");
}

#[test]
fn walking_finds_what_is_there() {
    let json = read("{\"a\": [1, {\"b\": \"c\"}], \"d\": 1.0}").unwrap();
    let root = json.root();
    assert_eq!(root.get("a").unwrap().items().count(), 2);
    assert_eq!(root.get("a").unwrap().items().nth(1).unwrap().get("b").unwrap().text().unwrap(), "c");
    assert_eq!(root.get("d").unwrap().raw(), "1.0");
    assert_eq!(root.get("d").unwrap().integer(), None);
    assert_eq!(root.members().count(), 2);
    assert!(root.get("e").is_none());
}
