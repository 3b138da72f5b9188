//! `check_env_keys` on real files.

use serde_json::json;

use super::machine::{Folder, called, command, inner_shells};

const UNSEEN: &str = "The file could not be looked into. Go on without it, and say which keys the person has to check.";
const LINKED: &str = "The path in `file` leads through a link, and links are not followed.";

#[track_caller]
fn check(text: &str, keys: &[&str], expect: &str) {
    for sh in inner_shells() {
        let folder = Folder::new();
        folder.write(".env", text);
        let seen = called(&folder, &sh, "check_env_keys", &json!({"file": ".env", "keys": keys}));
        assert_eq!(seen, expect, "{}: {text:?}", sh.display());
        assert_eq!(folder.read(".env"), text);
        assert_eq!(folder.names(), [".env"]);
    }
}

#[test]
fn it_says_which_keys_are_there() {
    check("A=MARK\nB=\n", &["A", "B", "C"], "A=present\nB=present\nC=missing");
    check("", &["A"], "A=missing");
    check("A=MARK", &["A"], "A=present");
    check("A=MARK\r\nB=MARK\r\n", &["A", "B"], "A=present\nB=present");
    check("export A=MARK\n  export\tB=MARK\n C = MARK\n", &["A", "B", "C"], "A=present\nB=present\nC=present");
    check("# A=MARK\n#B=MARK\n;C=MARK\n", &["A", "B", "C"], "A=missing\nB=missing\nC=missing");
    check("AB=MARK\nX_A=MARK\nexportA=MARK\n", &["A", "B"], "A=missing\nB=missing");
    check("A\nB: MARK\n", &["A", "B"], "A=missing\nB=missing");
    check("Ä=MARK\nA=MARKé😀\n", &["A"], "A=present");
    check("A=$(touch x)`touch y`\nB=\\\n", &["A", "B"], "A=present\nB=present");
    check("A=-n\n-n\n-e=1\nB=%s%s\\n", &["A", "B"], "A=present\nB=present");
}

#[test]
fn a_value_of_several_lines_has_no_keys() {
    check("A=\"MARK\nB=MARK\n\"\nC=MARK\n", &["A", "B", "C"], "A=present\nB=missing\nC=present");
    check("A='MARK\nB=\"MARK\n'\nC=MARK\n", &["A", "B", "C"], "A=present\nB=missing\nC=present");
    check("A=`MARK\nB=MARK`\nC=MARK\n", &["A", "B", "C"], "A=present\nB=missing\nC=present");
    check("A=\"MARK \\\" \nB=MARK\"\nC=MARK\n", &["A", "B", "C"], "A=present\nB=missing\nC=present");
    check("A=\"MARK \\\" x\" # it's\nB=MARK\n", &["A", "B"], "A=present\nB=present");
    check("A=it's\nB=MARK\n", &["A", "B"], "A=present\nB=present");
}

#[test]
fn a_file_that_cannot_be_understood_is_not_guessed_at() {
    check("A=\"MARK\nB=MARK\n", &["A", "B"], "file: unclear");
    check("A='MARK\\'\nB=MARK\n", &["A", "B"], "file: unclear");
}

#[test]
fn no_file_and_no_plain_file_are_said() {
    for sh in inner_shells() {
        let folder = Folder::new();
        folder.write("folder/.env/x", "A=MARK");
        let seen = |file: &str| called(&folder, &sh, "check_env_keys", &json!({"file": file, "keys": ["A"]}));
        assert_eq!(seen(".env"), "file: missing");
        assert_eq!(seen("none/.env"), "file: missing");
        assert_eq!(seen("folder/.env"), "file: not readable");
        assert_eq!(seen("-n/.env"), "file: missing");
    }
}

#[test]
fn links_are_not_followed() {
    for sh in inner_shells() {
        let folder = Folder::new();
        folder.write("real/.env", "A=MARK");
        folder.link(".env", "real/.env");
        folder.link("linked", "real");
        folder.link(".env.gone", "nowhere");
        let seen = |file: &str| called(&folder, &sh, "check_env_keys", &json!({"file": file, "keys": ["A"]}));
        assert_eq!(seen("real/.env"), "A=present");
        assert_eq!(seen(".env"), LINKED);
        assert_eq!(seen("linked/.env"), LINKED);
        assert_eq!(seen("./linked//.env"), LINKED);
        assert_eq!(seen(".env.gone"), LINKED);
    }
}

#[test]
fn odd_names_of_folders_are_names() {
    for sh in inner_shells() {
        for name in ["a b", "it's", "$(touch x)", "`touch x`", "a;touch x", "*", "-e", "a\"b", "é’"] {
            let folder = Folder::new();
            folder.write(&format!("{name}/.env"), "A=MARK");
            let file = format!("{name}/.env");
            let seen = called(&folder, &sh, "check_env_keys", &json!({"file": file, "keys": ["A", "B"]}));
            assert_eq!(seen, "A=present\nB=missing", "{}: {name}", sh.display());
            assert_eq!(folder.names(), [name]);
        }
    }
}

#[test]
fn keys_are_names_and_nothing_else() {
    for key in [".*", "A.*", "a", "A B", "A=B", "$(id)", "A\n", "", "1A", "Ä", &"A".repeat(65)] {
        let refused = command("check_env_keys", &json!({"file": ".env", "keys": [key]}));
        assert_eq!(refused, Err(String::from(refusal(key))), "{key:?}");
    }
}

fn refusal(key: &str) -> &'static str {
    if key.contains('\n') {
        "Item 1 of `keys` must be one line of plain text, without line ends, tabs and control characters."
    } else {
        "Item 1 of `keys` must match `^[A-Z][A-Z0-9_]{0,63}$`."
    }
}

#[test]
fn without_a_script_s_output_nothing_is_said() {
    let rules = super::machine::rules();
    assert_eq!(rules.find("check_env_keys").unwrap().filter("sh: command not found\nA=MARK"), UNSEEN);
}
