//! Shell commands in whose midst something stands that is sure to be run, or that may be.

use crate::choice::Choices;

/// Ways to read `.env` that need no more than themselves.
const PLANTED: &[&str] =
    &["cat .env", "cat ./.env", "cat < .env", "head -n 1 -- .env", "grep x .env", "cat a .env", "cat src/.env.local"];
const HARMLESS: &[&str] = &[
    "true",
    "ls -la",
    "npm test",
    "git status",
    "echo \"$x\"",
    "cd src",
    "x=1",
    "pwd",
    "echo 'a b' > out",
    "echo a\\ b",
    "sed -n 1,2p a.ts",
    "test -f a",
    "[ -f a ]",
    "find . -name '*.ts'",
    "cat <<'E'\nhi\nE\n",
    "set -e",
    "export A=b",
    "echo $((1 + 2))",
    "echo ${x:-y} {a,b} *.rs",
    "printf '%s' a",
    "unset x",
    ":",
    "exit 1",
    "read x",
    "local y=2",
];
/// What a command may stand in: it takes the place of `@`, another that of `%`.
const AROUND: &[&str] = &[
    "@",
    "@; %",
    "%; @",
    "@\n%",
    "%\n@",
    "@ && %",
    "% && @",
    "@ || %",
    "% || @",
    "@ | %",
    "% | @",
    "% |& @",
    "@ & %",
    "! @",
    "(@)",
    "( @; % )",
    "{ @; }",
    "{ %; @\n}",
    "if @; then %; fi",
    "if %; then @; fi",
    "if %; then %; else @; fi",
    "if %; then %; elif @; then %; fi",
    "while @; do %; done",
    "until %; do @; done",
    "for i in a b; do @; done",
    "for ((i=0; i<2; i++)); do @; done",
    "case x in y) @;; *) %;; esac",
    "case $x in (y) %;& z) @;; esac",
    "f() { @; }",
    "echo $(@)",
    "echo \"a $(@) b\"",
    "echo `@`",
    "x=$(@)",
    "echo ${x:-$(@)}",
    "cat <(@)",
    "[[ $(@) = x ]]",
    "cat <<E\n$(@)\nE\n",
    "cat <<< \"$(@)\"",
    "time @",
    "@ > out",
    "@ 2>&1",
    "select i in a; do @; done",
    "coproc @",
    "# a comment\n@",
    "@ # a comment\n",
    "%;\n\n @",
    "\\\n@",
    "a=(1 $(@))",
    "echo $(( $(@) + 1 ))",
    "shopt -s extglob; @",
];

/// A command within which one of the planted ones stands where it is, or can be, run.
pub fn planted(choices: &mut Choices<'_>) -> String {
    let leaf = choices.pick(PLANTED).to_owned();
    built(leaf, choices)
}

/// A command of parts that read nothing.
pub fn harmless(choices: &mut Choices<'_>) -> String {
    let leaf = choices.pick(HARMLESS).to_owned();
    built(leaf, choices)
}

fn built(leaf: String, choices: &mut Choices<'_>) -> String {
    let mut command = leaf;
    for _ in 0..choices.below(5) {
        let around = choices.pick(AROUND);
        let mut out = String::new();
        for part in around.chars() {
            match part {
                '@' => out.push_str(&command),
                '%' => out.push_str(choices.pick(HARMLESS)),
                other => out.push(other),
            }
        }
        command = out;
    }
    command
}

const PLAIN: &[&str] = &[
    "cat",
    "head",
    "grep",
    "sort",
    "cp",
    "mv",
    "rm",
    "git",
    "npm",
    "sed",
    "find",
    "tar",
    "curl",
    "tee",
    "xargs",
    "env",
    "timeout",
    "bash",
    "sh",
    "node",
    "awk",
    "ls",
    "rg",
    "dd",
    "5",
    ".env",
    "./.env",
    "src/a.ts",
    "a",
    "-n",
    "-r",
    "-c",
    "-e",
    "-i",
    "--",
    "-",
    "diff",
    "show",
    "test",
    "if.env",
    "https://x.example/a",
    "@.env",
    "1,2p",
    "..",
    "/",
    "wget",
    "find",
    "-name",
    "-exec",
    "sudo",
    "nice",
    "python3",
    "make",
    "-C",
    "ln",
    "-s",
    "diff",
    "zip",
    "scp",
    "host:a",
];

/// Words in which the shell sees nothing to expand.
pub fn words(choices: &mut Choices<'_>) -> Vec<&'static str> {
    (0..=choices.below(6)).map(|_| choices.pick(PLAIN)).collect()
}

/// A word, spelled in one of the ways that mean the same.
pub fn spelled(word: &str, choices: &mut Choices<'_>) -> String {
    let escaped = |text: &str| text.chars().flat_map(|next| ['\\', next]).collect::<String>();
    let (head, tail) = word.split_at(choices.below(word.len() + 1));
    match choices.below(7) {
        0 => word.to_owned(),
        1 => format!("'{word}'"),
        2 => format!("\"{word}\""),
        3 => escaped(word),
        4 => format!("{head}''{tail}"),
        5 => format!("'{head}'\"{tail}\""),
        _ => format!("\"{head}\"{}", escaped(tail)),
    }
}
