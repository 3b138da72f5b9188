use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn place(text: &str) -> Place {
    match text.split_once(' ') {
        Some(("glob", text)) => Place::Glob(text.to_owned()),
        Some(("tree", text)) => Place::Tree(text.to_owned()),
        _ if text == "?" => Place::Unknown,
        _ => Place::Path(text.to_owned()),
    }
}

fn folders(working: &str, home: &str) -> Folders {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Folders { working: known(working), home: known(home) }
}

#[track_caller]
fn deny_in(pattern: &str, text: &str, folders: &Folders, expect: bool) {
    assert_eq!(Pattern::parse(pattern).unwrap().reaches(&place(text), folders), expect, "deny {pattern} | {text}");
}

#[track_caller]
fn allow_in(pattern: &str, text: &str, folders: &Folders, expect: bool) {
    let read = Pattern::parse(pattern).unwrap();
    assert_eq!(read.covers(&place(text), folders, true), expect, "allow {pattern} | {text}");
}

#[track_caller]
fn deny(pattern: &str, text: &str, expect: bool) {
    deny_in(pattern, text, &Folders::default(), expect);
}

#[track_caller]
fn allow(pattern: &str, text: &str, expect: bool) {
    allow_in(pattern, text, &Folders::default(), expect);
}

#[test]
fn a_denied_file_is_found_however_its_path_is_written() {
    for text in [
        ".env",
        "./.env",
        ".//.env",
        "././/./.env",
        "x/../.env",
        "a/b/../../.env",
        "../.env",
        "../../x/.env",
        "a/.env",
        "/.env",
        "/home/me/.env",
        "//home//me//.env",
        "~/.env",
        "~me/.env",
        "~+/.env",
        ".env.local",
        ".environment",
        ".env/",
        ".env/.",
        ".env/x",
        ".env.d/secrets",
        ".\\.env",
        "a\\.env",
        "C:\\p\\.env",
        "C:/p/.env",
        ".e\\nv",
        ".ENV",
        ".Env.Local",
        ".env.",
        ".env ",
        ".env. .",
        ".env::$DATA",
        "\u{ff0e}\u{ff45}\u{ff4e}\u{ff56}",
        ".e\u{200b}nv",
        ".en\u{fe0f}v",
        "file:///p/.env",
        "/proc/self/cwd/.env",
        "/proc/1/root/p/.env",
        ".env\0",
        "a\nb",
        "~-/x",
    ] {
        deny("**/.env*", text, true);
        deny(".env*", text, true);
    }
    for text in [
        "env",
        "x.env",
        "a/x.env",
        "e/nv",
        ".en",
        ".envx/..",
        ".",
        "..",
        "/",
        "~",
        "src/main.rs",
        "README.md",
        ".git/config",
        "/etc/hosts",
        "env.ts",
        ".nvmrc",
    ] {
        deny("**/.env*", text, false);
        deny(".env*", text, false);
    }
}

#[test]
fn a_shell_s_pattern_is_denied_where_it_could_match() {
    for text in [
        ".*",
        ".e?v",
        ".e[n]v",
        ".e[a-z]v",
        ".e[!x]v",
        ".e[[:alpha:]]v",
        ".e{n,}v",
        ".e{n..n}v",
        "{a,.env}",
        "{a,.e}nv",
        "{.,}env",
        "*/.env",
        "**/.env",
        "**/.e*",
        ".??*",
        ".e*",
        ".[e]nv",
        "\\.env",
        ".\\env",
        "./.en*",
        "a/../.e*",
        "/*/.env",
        "~/.e*",
        ".ENV*",
        ".e\\nv",
        "src/{a,../.env}",
        "@(.env|x)",
        "(.env)",
        ".e{1..999}",
        "x/{b,c/{d,.env}}",
        ".*/x",
        "src/.*",
        "{.env}",
    ] {
        deny("**/.env*", &format!("glob {text}"), true);
    }
    for text in [
        "*",
        "?env",
        "[.]env",
        "*env",
        "*.env",
        "src/*",
        "src/**",
        "**/*",
        "**",
        "*/*",
        "src/*.ts",
        "{a,b}.env",
        "[a-z]*",
        "x{.env,.ts}",
        ".g*",
        ".?",
        "{}",
        "[!.]*",
        "*.{ts,js}",
    ] {
        deny("**/.env*", &format!("glob {text}"), false);
    }
}

#[test]
fn a_folder_with_all_in_it_is_denied_where_something_in_it_could_match() {
    for text in [".", "src", "/", "~", "..", "a/b", "src/*", ""] {
        deny("**/.env*", &format!("tree {text}"), true);
    }
    deny("src/**", "tree .", true);
    deny("src/**", "tree src", true);
    deny("src/**", "tree src/a", true);
    deny("src/**", "tree docs", false);
    deny("src/secret.ts", "tree src", true);
    deny("src/secret.ts", "tree src/a", false);
    deny("/etc/**", "tree /", true);
    deny("/etc/**", "tree src", false);
    deny("/etc/**", "tree ..", true);
    deny("~/.ssh/**", "tree ~", true);
    deny("~/.ssh/**", "tree .", true);
}

#[test]
fn what_cannot_be_told_is_denied() {
    for pattern in ["**/.env*", "/etc/passwd", "src/**", "~/x"] {
        deny(pattern, "?", true);
        deny(pattern, &"a".repeat(5000), true);
        deny(pattern, "glob **/../x", true);
    }
}

#[test]
fn a_denied_folder_is_denied_with_all_in_it() {
    deny("secrets", "secrets", true);
    deny("secrets", "secrets/a/b", true);
    deny("secrets", "a/secrets/b", true);
    deny("secrets/", "a/secrets/b", true);
    deny("./secrets", "secrets/b", true);
    deny("./secrets", "a/secrets/b", false);
    deny("a/secrets", "a/secrets/b", true);
    deny("a/secrets", "b/a/secrets", false);
    deny("secrets/**", "secrets", true);
    deny("*.pem", "certs/a.pem", true);
    deny("*.pem", "certs/a.PEM", true);
    deny("*.pem", "certs/a.pem.txt", false);
    deny("*.{pem,key}", "a.key", true);
    deny("*.{pem,key}", "a.crt", false);
    deny("[!a]x", "bx", true);
    // `[!a]` takes in `A`, which is `a` to a file system that ignores case.
    deny("[!a]x", "ax", true);
    deny("src/*/x", "src/a/x", true);
    deny("src/*/x", "src/.a/x", true);
    deny("src/*/x", "src/a/b/x", false);
    deny("src/**/x", "src/x", true);
    deny("src/**/x", "src/a/b/x", true);
    deny(".git/hooks/**", ".GIT/Hooks/pre-commit", true);
}

#[test]
fn folders_that_are_not_known_could_be_any() {
    deny("src/**", "/anywhere/src/x", true);
    deny("src/**", "/anywhere/lib/x", false);
    deny("src/**", "../project/src/x", true);
    deny("src/**", "../project/lib/x", false);
    deny("src/**", "~/project/src/x", true);
    deny("/etc/**", "etc/x", false);
    deny("/etc/**", "../etc/x", true);
    deny("/etc/**", "/ETC/x", true);
    deny("/etc/**", "/etc/../etc/x", true);
    deny("/etc/**", "/../../etc/x", true);
    deny("/etc/**", "/proc/self/root/etc/x", true);
    deny("/etc/**", "~/x", false);
    deny("/srv/**", "~/x", true);
    deny("~/.ssh/**", "~/.ssh/id", true);
    deny("~/.ssh/**", "~root/.ssh/id", true);
    deny("~/.ssh/**", "/root/.ssh/id", true);
    deny("~/.ssh/**", ".ssh/id", true);
    deny("~/.ssh/**", "../.ssh/id", true);
    deny("~/.ssh/**", "ssh/id", false);
    deny("~/.ssh/**", "~/.ssh2/id", false);
    // The project's own folder may be called `x`, where it is not known.
    deny("../x", "x", true);
    deny("../x", "../x", true);
    deny("../x", "../../a/x", true);
    deny("../x", "/a/x", true);
}

#[test]
fn folders_that_are_known_are_put_before() {
    let known = folders("/home/me/proj", "/home/me");
    let check = |pattern: &str, text: &str, expect: bool| deny_in(pattern, text, &known, expect);
    check("src/**", "/home/me/proj/src/x", true);
    check("src/**", "/home/me/other/src/x", false);
    check("src/**", "../proj/src/x", true);
    check("src/**", "../other/src/x", false);
    check("src/**", "~/proj/src/x", true);
    check("src/**", "~/src/x", false);
    check("/etc/**", "../../../etc/x", true);
    check("/etc/**", "../etc/x", false);
    check("/home/me/proj/src/**", "src/x", true);
    check("~/.ssh/**", ".ssh/id", false);
    check("~/.ssh/**", "../.ssh/id", true);
    check("~/.ssh/**", "/home/me/.ssh/id", true);
    check("~/.ssh/**", "/root/.ssh/id", false);
    check("/srv/**", "~/x", false);
    check("**/.env*", "/elsewhere/.env", true);
    check("src/**", "/proc/self/cwd/src/x", true);
    let within = folders("/home/me/secrets/proj", "");
    deny_in("secrets", "x", &within, false);
    deny_in("secrets", "/home/me/secrets/proj/x", &within, false);
    deny_in("secrets", "../x", &within, true);
    let windows = folders("C:\\Users\\me\\proj", "");
    deny_in("src/**", "C:\\Users\\me\\proj\\src\\x", &windows, true);
    deny_in("src/**", "c:/users/ME/proj/src/x", &windows, true);
    deny_in("src/**", "C:\\Users\\me\\other\\src\\x", &windows, false);
}

#[test]
fn an_allowed_place_is_what_the_pattern_says() {
    for text in
        ["src/a", "./src/a", "src//a", "src/b/../a", "x/../src/a", "src/a/b/c.ts", "src/.env", "src/a b", "src/ä"]
    {
        allow("src/**", text, true);
    }
    for text in [
        "src",
        "src/",
        "src/..",
        "src/../x",
        "../src/a",
        "a/src/x",
        "/src/a",
        "~/src/a",
        "SRC/a",
        "srcx/a",
        ".",
        "",
        "src/a\\..\\..\\x",
        "src/...",
        "src/.. /x",
        "src/a\0",
        "src/a\n",
        "src/\u{200b}a",
        "~+/../src/a",
        "?",
        "src/../../proj/src/a",
    ] {
        allow("src/**", text, false);
    }
    allow("*.md", "README.md", true);
    allow("*.md", "docs/README.md", false);
    allow("**/*.md", "docs/README.md", true);
    allow("**/*.md", "README.md", true);
    allow("**/*.md", "../README.md", false);
    allow("**/*.md", "/README.md", false);
    allow("**", "a/b", true);
    allow("**", "/a/b", false);
    allow("/**", "/a/b", true);
    allow("/tmp/**", "/tmp/a", true);
    allow("/tmp/**", "/tmp/../etc/a", false);
    allow("/tmp/**", "/proc/self/root/tmp/a", false);
    allow("~/x/**", "~/x/a", true);
    allow("~/x/**", "~bob/x/a", false);
    allow("../lib/**", "../lib/a", true);
    allow("src/", "src/a/b", true);
    allow("src", "src/a", false);
    allow("src/[ab].ts", "src/a.ts", true);
    allow("src/[ab].ts", "src/c.ts", false);
    allow("{src,docs}/**", "docs/a", true);
    allow("src/**", "\\src\\a", false);
}

#[test]
fn an_allowed_pattern_holds_all_that_the_shell_s_could_match() {
    for text in ["src/*.ts", "src/*", "src/{a,b}", "src/a?[b-d]", "src/.*x", "{src/a,src/b}"] {
        allow("src/**", &format!("glob {text}"), true);
    }
    for text in [
        "*",
        "s*/a",
        "{src,lib}/a",
        "src/.*",
        "src/../*",
        "src/.*/x",
        "src\\/a",
        "src/@(a|b)",
        "**/src/a",
        "src/{a,../b}",
    ] {
        allow("src/**", &format!("glob {text}"), false);
    }
    allow("*.ts", "glob *.ts", true);
    allow("*.ts", "glob a*.ts", true);
    allow("*.ts", "glob *", false);
    allow("[a-f]", "glob [b-d]", true);
    allow("[a-f]", "glob [b-z]", false);
    allow("[a-f]", "glob ?", false);
    allow("src/**", "tree src", true);
    allow("src/**", "tree src/a", true);
    allow("src/**", "tree .", false);
    allow("src/*", "tree src", false);
    allow("src/**/x", "tree src", false);
    allow("**", "tree .", true);
    allow("**", "tree ..", false);
}

#[test]
fn to_read_a_folder_itself_is_covered_and_to_write_it_is_not() {
    let read = Pattern::parse("src/**").unwrap();
    assert!(read.covers(&place("src"), &Folders::default(), false));
    assert!(!read.covers(&place("src"), &Folders::default(), true));
}

#[test]
fn an_absolute_path_is_covered_only_where_the_folder_is_known() {
    let known = folders("/home/me/proj", "/home/me");
    allow("src/**", "/home/me/proj/src/a", false);
    allow_in("src/**", "/home/me/proj/src/a", &known, true);
    allow_in("src/**", "~/proj/src/a", &known, true);
    allow_in("src/**", "../proj/src/a", &known, true);
    allow_in("src/**", "/home/me/proj/lib/a", &known, false);
    allow_in("src/**", "/HOME/me/proj/src/a", &known, false);
    allow_in("src/**", "glob /home/me/proj/src/*.ts", &known, true);
    allow_in("/home/me/proj/**", "src/a", &known, true);
    allow_in("src/**", "C:\\p\\src\\a", &folders("C:\\p", ""), true);
    allow_in("src/**", "src\\a", &folders("C:\\p", ""), true);
    allow_in("src/**", "src\\..\\a", &folders("C:\\p", ""), false);
}

#[test]
fn bad_patterns_say_what_is_wrong() {
    let error = |text: &str| Pattern::parse(text).unwrap_err();
    assert!(error("src\\**").contains("backslash"));
    assert!(error("src/{a,b").contains("braces"));
    assert!(error("src/[a").contains("`[`"));
    assert!(error("src/../a").contains("`..`"));
    assert!(error("~-/a").contains("no path"));
    assert!(error("a\u{200b}").contains("cannot be seen"));
    assert!(error("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}").contains("too many"));
}

/// Whether a name fits a pattern, found by trying; `hides` keeps wildcards off a first dot.
fn name_fits(pattern: &[char], name: &[char], hides: bool, first: bool) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some(('*', more)), rest) => {
            let may_take = rest.is_some_and(|(c, _)| !(first && hides && *c == '.'));
            let starts_with_dot = first && hides && rest.is_some_and(|(c, _)| *c == '.');
            !starts_with_dot && name_fits(more, name, hides, false)
                || may_take && rest.is_some_and(|(_, rest)| name_fits(pattern, rest, hides, false))
        }
        (Some(('?', more)), Some((c, rest))) => !(first && hides && *c == '.') && name_fits(more, rest, hides, false),
        (Some((p, more)), Some((c, rest))) => p == c && name_fits(more, rest, hides, false),
        (Some(_), None) => false,
    }
}

fn path_fits(pattern: &[&str], path: &[&str], hides: bool) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    match (pattern.split_first(), path.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((&"**", more)), rest) => {
            path_fits(more, path, hides)
                || rest.is_some_and(|(name, rest)| !(hides && name.starts_with('.')) && path_fits(pattern, rest, hides))
        }
        (Some((p, more)), Some((name, rest))) => {
            name_fits(&chars(p), &chars(name), hides, true) && path_fits(more, rest, hides)
        }
        (Some(_), None) => false,
    }
}

fn shapes(text: &str, tongue: Tongue) -> Vec<Segment> {
    text.split('/').map(|part| segment(part, tongue).unwrap()).collect()
}

/// Every path of up to so many characters, in few letters.
fn paths(length: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..length {
        last = last.iter().flat_map(|path| ['a', 'b', '.', '/'].map(|c| format!("{path}{c}"))).collect();
        all.extend(last.iter().cloned());
    }
    all.retain(|path| path.split('/').all(|name| !name.is_empty()));
    all
}

fn patterns() -> impl Strategy<Value = String> {
    let name = prop_oneof![3 => "[ab.?*]{1,3}", 1 => Just(String::from("**"))];
    prop::collection::vec(name, 1..=2).prop_map(|names| names.join("/"))
}

fn written() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just(".."),
        Just("."),
        Just(""),
        Just("a"),
        Just("~"),
        Just("b."),
        Just("C:"),
        Just("*"),
        Just("**"),
        Just(" "),
        Just("file://"),
        Just(".env"),
        Just("~x"),
        Just("{a,b}")
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.join("/"))
}

proptest! {
    #[test]
    fn two_patterns_meet_just_where_some_path_fits_both(rule in patterns(), glob in patterns()) {
        let (p, g): (Vec<&str>, Vec<&str>) = (rule.split('/').collect(), glob.split('/').collect());
        let found = paths(6).into_iter().find(|path| {
            let path: Vec<&str> = path.split('/').collect();
            path_fits(&p, &path, false) && path_fits(&g, &path, true)
        });
        let met = meet(&shapes(&rule, Tongue::Rule), &shapes(&glob, Tongue::Shell));
        prop_assert!(found.is_none() || met, "{} and {} meet at {:?}", rule, glob, found);
    }

    #[test]
    fn what_holds_a_pattern_fits_every_path_of_it(rule in patterns(), glob in patterns()) {
        let (p, g): (Vec<&str>, Vec<&str>) = (rule.split('/').collect(), glob.split('/').collect());
        if holds(&shapes(&rule, Tongue::Rule), &shapes(&glob, Tongue::Shell)) {
            for path in paths(5) {
                let path: Vec<&str> = path.split('/').collect();
                prop_assert!(!path_fits(&g, &path, true) || path_fits(&p, &path, false), "{} {} {:?}", rule, glob, path);
            }
        }
    }

    #[test]
    fn what_a_pattern_allows_it_denies_too(
        rule in patterns(), text in written(), sort in 0..3, writes in any::<bool>(), known in any::<bool>(),
    ) {
        let read = Pattern::parse(&rule);
        let place = match sort {
            0 => Place::Path(text),
            1 => Place::Glob(text),
            _ => Place::Tree(text),
        };
        let folders = if known { folders("/a/.env/b", "/a") } else { Folders::default() };
        if let Ok(read) = read && read.covers(&place, &folders, writes) {
            prop_assert!(read.reaches(&place, &folders), "{} {:?}", rule, place);
        }
    }

    #[test]
    fn a_path_that_was_read_reads_the_same_again(text in prop_oneof![written(), "[a~./:C +-]{0,12}"]) {
        if let Some(once) = Located::literal(&text) {
            let again = Located::literal(&once.to_string()).unwrap();
            prop_assert_eq!(&once, &again, "{}", once);
        }
    }

    #[test]
    fn folding_twice_is_folding_once(text in "\\PC{0,12}") {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn nothing_that_is_written_breaks_it(rule in "\\PC{0,20}", text in "\\PC{0,20}") {
        if let Ok(read) = Pattern::parse(&rule) {
            for place in [Place::Path(text.clone()), Place::Glob(text.clone()), Place::Tree(text.clone())] {
                let covered = read.covers(&place, &Folders::default(), false);
                prop_assert!(!covered || read.reaches(&place, &Folders::default()));
            }
        }
    }
}
