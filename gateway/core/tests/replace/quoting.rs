//! No text that a model can write is anything but a word.

use std::path::Path;
use std::process::{Command, Stdio};

use jetway_core::policy::lockdown::replace::shell::{line, quoted, spelled};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;

use super::machine::{Folder, command, inner_shells, program, run};

fn printed(shell: &Path, command: &str) -> String {
    let output = Command::new(shell).args(["-c", command]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Any text, with what means something to a shell more often than not.
fn texts() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        3 => proptest::sample::select(vec!['\'', '"', '\\', '$', '`', '\n', '!', '*', '#', '~', '&', ';', ' ', '’', '%', '=']),
        1 => any::<char>().prop_filter("no argument has a NUL", |character| *character != '\0'),
    ];
    proptest::collection::vec(odd, 0..20).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_quoted_text_is_one_word_to_every_shell(text in texts()) {
        // fish prints no invalid or private characters as they are, so it is tried on ASCII alone.
        let shells = ["sh", "bash", "dash", "zsh", "fish"];
        for shell in shells.iter().filter(|shell| text.is_ascii() || **shell != "fish").filter_map(|name| program(name)) {
            let printed = printed(&shell, &format!("printf %s {}", quoted(&text)));
            prop_assert_eq!(&printed, &text, "{}", shell.display());
        }
    }

    #[test]
    fn a_spelled_text_is_plain_and_comes_back(text in texts()) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _./:,@+=?-\\".contains(&byte);
        prop_assert!(spelled(&text).bytes().all(plain));
        for shell in inner_shells().iter().filter(|shell| !shell.ends_with("busybox")) {
            let printed = printed(shell, &format!("printf %b {}", quoted(&spelled(&text))));
            prop_assert_eq!(&printed, &text, "{}", shell.display());
        }
    }

    #[test]
    fn a_model_s_text_is_never_part_of_a_script(text in texts()) {
        let words = ["sh", "-c", "echo \"it's \\\\ $#\"", "tool", &spelled(&text)].map(str::to_owned);
        let command = line(&words);
        let before = r#"sh -c 'echo "it'"'"'s '"\\"'\ $#"' tool '"#;
        let word = command.strip_prefix(before).and_then(|rest| rest.strip_suffix('\''));
        prop_assert_eq!(word.map(str::to_owned), Some(spelled(&text)));
        prop_assert_eq!(printed(Path::new("/bin/sh"), &command), "it's \\ 1\n");
    }
}

#[test]
fn a_tool_runs_in_whatever_shell_the_agent_has() {
    let folder = Folder::new();
    folder.write("it's a $HOME/.env", "A=1\nB=\"a\\\"\nC=2\"\n");
    let arguments = serde_json::json!({"file": "it's a $HOME/.env", "keys": ["A", "B", "C"]});
    let command = command("check_env_keys", &arguments).unwrap();
    for shell in ["sh", "bash", "dash", "zsh", "fish"].iter().filter_map(|name| program(name)) {
        let printed = run(&shell, Path::new("/bin/sh"), folder.path(), &command);
        assert_eq!(printed, "A=present\nB=present\nC=missing\n", "{}", shell.display());
    }
}
