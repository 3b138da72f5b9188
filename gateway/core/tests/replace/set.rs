//! `set_env_values` on real files.

use std::path::Path;

use serde_json::json;

use super::machine::{Folder, called, command, inner_shells, program, run};

const LINKED: &str = "The path in `file` leads through a link, and links are not followed.";

#[track_caller]
fn check(before: &str, values: &[(&str, &str)], after: &str, expect: &str) {
    let values: serde_json::Map<String, serde_json::Value> =
        values.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    for sh in inner_shells() {
        let folder = Folder::new();
        folder.write(".env", before);
        let seen = called(&folder, &sh, "set_env_values", &json!({"file": ".env", "values": values}));
        assert_eq!(folder.read(".env"), after, "{}", sh.display());
        assert_eq!(seen, expect, "{}", sh.display());
        assert_eq!(folder.names(), [".env"], "nothing is left beside it");
    }
}

#[test]
fn keys_are_added_at_the_end() {
    check("", &[("A", "MARK")], "A=MARK\n", "A=added");
    check("# note\nB=1\n", &[("A", "MARK")], "# note\nB=1\nA=MARK\n", "A=added");
    check("B=1", &[("A", "MARK")], "B=1\nA=MARK\n", "A=added");
    check("B=1\r\n", &[("A", "MARK")], "B=1\r\nA=MARK\r\n", "A=added");
    check("B=1", &[("A", "")], "B=1\nA=\n", "A=added");
    check("\n\nB=  1  \n", &[("C", "1"), ("A", "2")], "\n\nB=  1  \nA=2\nC=1\n", "A=added\nC=added");
}

#[test]
fn a_key_that_is_there_is_changed_in_its_place() {
    check("X=1\nA=old\nY=2\n", &[("A", "MARK")], "X=1\nA=MARK\nY=2\n", "A=set");
    check("A=old", &[("A", "MARK")], "A=MARK\n", "A=set");
    check("A=old\r\nB=1\r\n", &[("A", "MARK")], "A=MARK\r\nB=1\r\n", "A=set");
    check("export A=old # x\n", &[("A", "MARK")], "export A=MARK\n", "A=set");
    check("  A = old\n", &[("A", "MARK")], "  A=MARK\n", "A=set");
    check("# A=old\n#A=old\n", &[("A", "MARK")], "# A=old\n#A=old\nA=MARK\n", "A=added");
    check("AB=1\nXA=2\nA_=3\n", &[("A", "MARK")], "AB=1\nXA=2\nA_=3\nA=MARK\n", "A=added");
    check("A=1\nB=2\nA=3\n", &[("A", "MARK")], "A=MARK\nB=2\n", "A=set");
    check("A=1\nB=2\n", &[("C", "3"), ("B", "4")], "A=1\nB=4\nC=3\n", "B=set\nC=added");
}

#[test]
fn values_of_several_lines_are_kept_or_replaced_whole() {
    let key = "K=\"-----BEGIN\nA=MARK==\n-----END\"\n";
    check(key, &[("A", "new")], &format!("{key}A=new\n"), "A=added");
    check(&format!("{key}Z=1\n"), &[("K", "new")], "K=new\nZ=1\n", "K=set");
    check("K='a\nA=1\n'\nK=\"b\nA=2\"\nA=3\n", &[("K", "new")], "K=new\nA=3\n", "K=set");
    check("K=\"a\nA=1\n", &[("A", "new")], "K=\"a\nA=1\n", "file: unclear");
}

#[test]
fn odd_values_are_quoted_and_change_nothing_else() {
    let check = |value: &str, line: &str| {
        check("X=1\nA=old\nY=2\n", &[("A", value)], &format!("X=1\nA={line}\nY=2\n"), "A=set");
    };
    check("postgres://u:p@h:5432/d", "postgres://u:p@h:5432/d");
    check("a b", "'a b'");
    check(" a ", "' a '");
    check("a#b", "'a#b'");
    check("a&b", "'a&b'");
    check("a=b==", "a=b==");
    check("p$w$1$$", "'p$w$1$$'");
    check("$(touch x)`touch y`${z}", "'$(touch x)`touch y`${z}'");
    check("a\"b", "'a\"b'");
    check("it's", "\"it's\"");
    check("it's # & ; | <b>", "\"it's # & ; | <b>\"");
    check("a\\1b\\nc", "'a\\1b\\nc'");
    check("[.*]^$+?(){}|", "'[.*]^$+?(){}|'");
    check("%s%n%b", "%s%n%b");
    check("é😀’", "'é😀’'");
    check("~/x", "'~/x'");
    check("!!", "'!!'");
    check("-n", "-n");
    check("*", "'*'");
    check("\u{2028}B=1", "'\u{2028}B=1'");
    check("A=x B=y", "'A=x B=y'");
}

#[test]
fn what_is_quoted_reads_back_the_same() {
    let values = ["a b", "p$w", "it's", "a\"b", "a\\nb", "`x`", "#", "é’", "", "a;b&c|d", "~", "*"];
    for value in values {
        let folder = Folder::new();
        called(&folder, Path::new("/bin/sh"), "set_env_values", &json!({"file": ".env", "values": {"A": value}}));
        let read = run(Path::new("/bin/sh"), Path::new("/bin/sh"), folder.path(), ". ./.env; printf %s \"$A\"");
        assert_eq!(read, value, "{}", folder.read(".env"));
    }
}

#[test]
fn values_that_no_two_readers_read_alike_are_refused() {
    let refused = |value: &str, why: &str| {
        let refused = command("set_env_values", &json!({"file": ".env", "values": {"A": value}}));
        assert_eq!(refused, Err(format!("The value of `A` in `values` {why}")), "{value:?}");
    };
    let line = "must be one line of plain text, without line ends, tabs and control characters.";
    refused("a\nB=1", line);
    refused("a\r", line);
    refused("a\tb", line);
    refused("\u{1b}[0m", line);
    refused("\u{85}", line);
    let quotes = "cannot be taken. A backslash may not stand at the end, before another or before a single \
                  quote; beside a single quote there may be no double quote, dollar sign, backslash or backtick.";
    refused("a\\", quotes);
    refused("a\\\\b", quotes);
    refused("a\\'b", quotes);
    refused("it's $x", quotes);
    refused("it's \"x\"", quotes);
    refused("it's `x`", quotes);
    refused(&"x".repeat(4001), "may have at most 4000 characters.");
}

#[test]
fn keys_and_paths_outside_the_lists_are_refused() {
    let refused =
        |file: &str, key: &str| command("set_env_values", &json!({"file": file, "values": {key: "x"}})).is_err();
    assert!(!refused(".env", "A"));
    for key in ["a", "A B", ".*", "A=B\nC", "LD_PRELOAD ", "", "Ä", "A\\"] {
        assert!(refused(".env", key), "{key:?}");
    }
    for file in
        ["../.env", "/tmp/.env", "a/../../.env", "~/.env", ".bashrc", ".envrc", ".env.d/x", ".env/", "x/.ENV", ".env\n"]
    {
        assert!(refused(file, "A"), "{file:?}");
    }
}

#[test]
fn a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode() {
    for sh in inner_shells() {
        let folder = Folder::new();
        let set = |file: &str| called(&folder, &sh, "set_env_values", &json!({"file": file, "values": {"A": "MARK"}}));
        assert_eq!(set(".env"), "A=added");
        assert_eq!(folder.mode(".env"), 0o600, "{}", sh.display());
        folder.write(".env.shared", "A=1\n");
        folder.permit(".env.shared", 0o664);
        assert_eq!(set(".env.shared"), "A=set");
        assert_eq!(folder.mode(".env.shared"), 0o664, "{}", sh.display());
        assert_eq!(folder.names(), [".env", ".env.shared"]);
    }
}

#[test]
fn nothing_is_written_through_a_link_or_where_there_is_no_folder() {
    for sh in inner_shells() {
        let folder = Folder::new();
        folder.write("real/.env", "A=1\n");
        folder.link(".env", "real/.env");
        folder.link("linked", "real");
        folder.link(".env.gone", "made");
        folder.write("odd/.env/x", "");
        let set = |file: &str| called(&folder, &sh, "set_env_values", &json!({"file": file, "values": {"A": "MARK"}}));
        assert_eq!(set(".env"), LINKED);
        assert_eq!(set("linked/.env"), LINKED);
        assert_eq!(set(".env.gone"), LINKED);
        assert_eq!(set("none/.env"), "folder: missing");
        assert_eq!(set("odd/.env"), "file: not writable");
        assert_eq!(folder.read("real/.env"), "A=1\n");
        assert_eq!(folder.names(), [".env", ".env.gone", "linked", "odd", "real"]);
    }
}

#[test]
fn a_file_that_git_would_take_is_named() {
    if program("git").is_none() {
        return;
    }
    let sh = Path::new("/bin/sh");
    let folder = Folder::new();
    run(sh, sh, folder.path(), "git init -q .");
    let set = |file: &str| called(&folder, sh, "set_env_values", &json!({"file": file, "values": {"A": "MARK"}}));
    assert_eq!(set(".env"), "A=added\ngitignored=no");
    folder.write(".gitignore", ".env\n");
    assert_eq!(set(".env"), "A=set");
    assert_eq!(set(".env.local"), "A=added\ngitignored=no");
}

#[test]
fn a_full_disk_loses_nothing() {
    // A file may have one block and no more, so that the new one cannot be written whole.
    let before = format!("A=1\n#{}\n", "x".repeat(400));
    let command = command("set_env_values", &json!({"file": ".env", "values": {"B": "x".repeat(1000)}})).unwrap();
    for sh in inner_shells() {
        let folder = Folder::new();
        folder.write(".env", &before);
        let outer = Path::new("/bin/sh");
        let printed = run(outer, &sh, folder.path(), &format!("trap '' XFSZ; ulimit -f 1; {command}"));
        assert!(printed.contains("file: not writable") && !printed.contains("B="), "{}: {printed}", sh.display());
        assert_eq!(folder.read(".env"), before, "{}", sh.display());
        assert_eq!(folder.names(), [".env"]);
    }
}

#[test]
fn calls_at_once_leave_a_whole_file() {
    let folder = Folder::new();
    folder.write(".env", "A=1\nB=2\n");
    let command = |value: &str| command("set_env_values", &json!({"file": ".env", "values": {"A": value}})).unwrap();
    let all: String = ["MARK1", "MARK2", "MARK3"].map(|value| format!("{} & ", command(value))).concat();
    let sh = Path::new("/bin/sh");
    run(sh, sh, folder.path(), &format!("{all} wait"));
    let after = folder.read(".env");
    assert!(["1", "2", "3"].iter().any(|digit| after == format!("A=MARK{digit}\nB=2\n")), "{after}");
    assert_eq!(folder.names(), [".env"]);
}
