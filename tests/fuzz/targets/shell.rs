//! What commands do (`effects::shell`), and the rule `deny: reads(**/.env*)`. Holds of any text:
//!
//! - It is read within the time and memory that libFuzzer allows, and always in the same way.
//! - Where a command is understood, blanks around it change nothing.
//! - A command that stands with `cat .env`, before it or behind it, in whatever both stand in, is
//!   refused, understood or not.
//! - A command within which `cat .env` or its like stands where it may be run is refused.
//! - Words mean the same however they are quoted, where they are understood.

#![no_main]

use jetway_core::effects::shell;
use jetway_core::policy::lockdown::Rules;
use jetway_core::policy::lockdown::cases::{Case, Expected};
use jetway_core::policy::lockdown::place::Folders;
use jetway_core::policy::lockdown::rules::Verdict;
use jetway_fuzz::choice::Choices;
use jetway_fuzz::{command, rules, shown};
use std::sync::LazyLock;

static RULES: LazyLock<Rules> = LazyLock::new(|| rules(&["Bash"], &["reads(**/.env*)"], "explain"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The first byte says what is tried: capitals are choices, anything else is a command itself.
    match bytes.split_first() {
        Some((b'P', rest)) => {
            let planted = command::planted(&mut Choices::new(rest));
            assert!(is_refused(&planted), "{planted}\n{:?}", shell::read(&planted));
        }
        Some((b'H', rest)) => check(&command::harmless(&mut Choices::new(rest))),
        Some((b'Q', rest)) => check_quoting(&mut Choices::new(rest)),
        _ => check(&shown(bytes)),
    }
});

fn is_refused(command: &str) -> bool {
    let case = Case {
        about: None,
        tool: String::from("Bash"),
        namespace: None,
        agent: None,
        with: Some(serde_json::json!({ "command": command })),
        raw: None,
        expect: Expected::Refuse,
        by: None,
    };
    RULES.try_case(&case, &Folders::default()) != Verdict::Allow
}

fn check(command: &str) {
    let effects = shell::read(command);
    assert_eq!(effects, shell::read(command));
    for around in [format!("cat .env\n{command}"), format!("cat .env; {command}"), format!("cat .env && {command}")] {
        assert!(is_refused(&around), "{around:?}\n{:?}", shell::read(&around));
    }
    if effects.unclear.is_some() {
        return;
    }
    for same in [format!("{command}\n"), format!(" \t{command}"), format!("\n{command}")] {
        // Behind a backslash a line's end counts for nothing.
        if !command.ends_with('\\') {
            assert_eq!(shell::read(&same).list, effects.list, "{same:?}");
        }
    }
    // What begins a comment, a text of lines or an escape may take in what is put behind it.
    if command.ends_with('\\') || command.contains("<<") {
        return;
    }
    let quoted = command.replace('\'', "'\\''");
    let behind = [
        format!("{command}\ncat .env"),
        format!("({command}\ncat .env)"),
        format!("{{ {command}\ncat .env\n}}"),
        format!("if {command}\nthen cat .env\nfi"),
        format!("echo $({command}\ncat .env)"),
        format!("echo \"$({command}\ncat .env)\""),
        format!("bash -c '{quoted}\ncat .env'"),
        format!("eval '{quoted}\ncat .env'"),
    ];
    let on_the_line =
        [format!("{command}; cat .env"), format!("{command} && cat .env"), format!("{command} | cat .env")];
    for around in behind.iter().chain(on_the_line.iter().filter(|_| !command.contains('#'))) {
        assert!(is_refused(around), "{around:?}\n{:?}", shell::read(around));
    }
}

fn check_quoting(choices: &mut Choices<'_>) {
    let words = command::words(choices);
    let plain = words.join(" ");
    let quoted = words.iter().map(|word| command::spelled(word, choices)).collect::<Vec<_>>().join(" ");
    let (plain_effects, quoted_effects) = (shell::read(&plain), shell::read(&quoted));
    // The two parsers may disagree about one spelling and not about the other.
    if plain_effects.unclear.is_none() && quoted_effects.unclear.is_none() {
        assert_eq!(plain_effects.list, quoted_effects.list, "{plain:?} {quoted:?}");
    }
    assert!(is_refused(&quoted) || !is_refused(&plain) || plain_effects.unclear.is_some(), "{plain:?} {quoted:?}");
}
