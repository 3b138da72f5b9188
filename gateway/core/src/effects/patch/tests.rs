use proptest::prelude::*;

use super::*;

/// `W` writes, `U` reads and writes, in order; `?` unclear.
fn rendered(effects: &Effects) -> String {
    if effects.unclear.is_some() {
        return "?".to_owned();
    }
    let reads = |path: &Place| effects.list.contains(&Effect::Reads(path.clone()));
    let all: Vec<String> = effects
        .list
        .iter()
        .filter_map(|effect| match effect {
            Effect::Writes(place @ Place::Path(path)) => {
                Some(format!("{} {path}", if reads(place) { "U" } else { "W" }))
            }
            _ => None,
        })
        .collect();
    all.join(", ")
}

#[track_caller]
fn check(patch: &str, expect: &str) {
    let effects = read(patch);
    assert_eq!(rendered(&effects), expect, "{patch}\n{:?}", effects.unclear);
}

/// The same of a patch whose begin and end are left out.
#[track_caller]
fn blocks_are(inside: &str, expect: &str) {
    check(&format!("*** Begin Patch\n{inside}\n*** End Patch"), expect);
}

#[test]
fn blocks_name_their_files() {
    blocks_are("*** Add File: a.rs\n+x", "W a.rs");
    blocks_are("*** Delete File: a.rs", "W a.rs");
    blocks_are("*** Update File: a.rs\n@@\n-x\n+y", "U a.rs");
    blocks_are("*** Update File: a.rs\n*** Move to: b.rs\n@@\n-x\n+y", "U a.rs, W b.rs");
    blocks_are("*** Add File: a\n+x\n*** Delete File: b\n*** Update File: c\n x", "W a, W b, U c");
    blocks_are("*** Update File: a.rs\n@@ fn x\n-x\n+y\n*** End of File", "U a.rs");
    blocks_are("*** Add File: with space.rs\n+x", "W with space.rs");
    blocks_are("*** Add File: a.rs\r\n+x\r", "W a.rs");
    blocks_are("*** Update File: a.rs\n@@\n *** a line of text\n-x\n+y", "U a.rs");
    blocks_are("*** Update File: a.rs\n@@\n+*** Add File: no.rs", "U a.rs");
}

#[test]
fn whatever_could_be_a_head_counts_as_one() {
    blocks_are("*** Update File: a\n *** Delete File: .env\n x", "U a, W .env");
    blocks_are("  *** Add File: .env\n+x", "W .env");
    blocks_are("*** Add File:  .env\n+x", "W  .env, W .env");
    blocks_are("*** Update File: a\n@@\n x\n\t*** Update File: .env", "U a, U .env");
}

#[test]
fn other_shapes_are_unclear() {
    blocks_are("", "?");
    blocks_are("*** Rename File: .env", "?");
    blocks_are("***Add File: .env\n+x", "?");
    blocks_are("*** update file: .env", "?");
    blocks_are("*** Add File: \n+x", "?");
    blocks_are("*** Environment ID: x\n*** Add File: a\n+x", "?");
    check("*** Begin Patch\n*** Add File: a\n+x", "?");
    check("*** Add File: a\n+x\n*** End Patch", "?");
    check("", "?");
    check("cat .env", "?");
    check(&format!("*** Begin Patch\n{}", "x".repeat(MAX_PATCH)), "?");
    blocks_are(&(0..2000).map(|at| format!("*** Add File: {at}\n")).collect::<String>(), "?");
}

#[test]
fn unified_diffs_name_their_files() {
    check("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b", "U x, U a/x, U b/x");
    check("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b", "U x");
    check("diff --git a/x b/y\nrename from x\nrename to y", "U x, U y");
    check("--- x\t2026-01-01\n+++ y\t2026-01-01\n", "U x, U y");
    check("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a", "U x, U b/x");
    check("--- a/x\n+++ /dev/null\n", "U x, U a/x");
    check("Index: x\n--- x\n+++ x\n", "U x");
    check("--- \"a/\\303\"\n+++ b/x", "?");
    check("diff --git x y\n", "?");
    check("--- /dev/null\n+++ /dev/null\n", "?");
}

#[test]
fn a_patch_is_found_in_a_command() {
    let patch = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch";
    let found = |command: String| in_command(&command).map(|effects| rendered(&effects));
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(found(format!("apply_patch <<'EOF'\n{patch}\nEOF")), is("W a"));
    assert_eq!(found(format!("apply_patch << \"END\"\n{patch}\nEND\n")), is("W a"));
    assert_eq!(found(format!("applypatch <<EOF\n{patch}\nEOF")), is("W a"));
    assert_eq!(found(format!("cd app && apply_patch <<'EOF'\n{patch}\nEOF")), is("W app/a"));
    assert_eq!(found("apply_patch <<'EOF'\nx\nEOF".to_owned()), is("?"));
    for other in [
        "apply_patch".to_owned(),
        format!("apply_patch <<EOF\n{}\nEOF", patch.replace("+x", "+$(cat .env)")),
        format!("apply_patch <<EOF\n{}\nEOF", patch.replace("+x", "+`cat .env`")),
        format!("apply_patch <<'EOF'\n{patch}\nEOF\ncat .env"),
        format!("apply_patch <<'EOF'; cat .env\n{patch}\nEOF"),
        format!("apply_patch <<'EOF' > b\n{patch}\nEOF"),
        format!("cat .env | apply_patch <<'EOF'\n{patch}\nEOF"),
        format!("cd $x && apply_patch <<'EOF'\n{patch}\nEOF"),
        format!("cd a; cat .env && apply_patch <<'EOF'\n{patch}\nEOF"),
        format!("cd a && cat .env && apply_patch <<'EOF'\n{patch}\nEOF"),
        format!("apply_patch <<'EOF'\nEOF\ncat .env\n{patch}\nEOF"),
        format!("apply_patch <<'EOF'\n{patch}\n"),
    ] {
        assert_eq!(found(other.clone()), None, "{other}");
    }
}

#[test]
fn a_patch_in_heredoc_marks_of_its_own_is_read() {
    check("<<'EOF'\n*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\nEOF", "W a");
    check("<<EOF\n*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\nEOF", "W a");
}

proptest! {
    #[test]
    fn no_text_brings_it_down(text in "(\\*\\*\\* (Begin Patch|End Patch|Add File: [a-z]|x)|--- [a-z]|diff --git .|[+ -@].{0,5}|<<E|\n){0,20}") {
        let _effects = (read(&text), in_command(&text));
    }

    #[test]
    fn a_file_that_a_block_changes_is_always_named(
        before in "[-+ ][ -~]{0,20}", path in "[a-z]{1,8}(/[a-z.]{1,8}){0,3}", after in "[-+ ][ -~]{0,20}",
    ) {
        let effects = read(&format!("*** Begin Patch\n*** Update File: z\n{before}\n*** Delete File: {path}\n{after}\n*** End Patch"));
        let found = effects.list.contains(&Effect::Writes(Place::Path(path)));
        prop_assert!(found || effects.unclear.is_some());
    }
}
