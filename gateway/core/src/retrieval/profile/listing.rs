//! Names of files in what a listing or a search printed: `ls -la`, `tree`, `find`, `git status`,
//! lists with bullets, `path:line:text`.

/// So many lines of a listing are looked at.
const MOST_LINES: usize = 4_000;
/// The longest line that is looked at, in bytes.
const LONGEST_LINE: usize = 400;

/// Visits each path in a listing. `base` is the folder that bare names stand in; `visit` also gets
/// the code behind a path, where the line has some.
pub(super) fn each(text: &str, base: &str, visit: &mut dyn FnMut(&str, Option<&str>)) {
    if text.trim_start().starts_with(['[', '{']) && text.contains("\"") && is_json(text) {
        quoted(text).take(MOST_LINES).for_each(|name| visit(&join(base, name), None));
        return;
    }
    let mut base = base.to_owned();
    let mut above: Vec<(usize, String)> = Vec::new();
    for line in text.lines().take(MOST_LINES).filter(|line| line.len() <= LONGEST_LINE) {
        if let Some((path, code)) = place(line) {
            if !code.is_empty() || has_ending(path) {
                visit(&join(&base, path), Some(code).filter(|code| !code.is_empty()));
            } else {
                path.clone_into(&mut base);
                above.clear();
            }
            continue;
        }
        if let Some(name) = long_form(line) {
            visit(&join(&base, name), None);
            continue;
        }
        let (indent, rest) = unindented(line);
        let Some(tokens) = names(rest) else { continue };
        match tokens.as_slice() {
            [] => {}
            [name] => {
                above.retain(|(depth, _)| *depth < indent);
                let path = if name.starts_with('/') {
                    (*name).to_owned()
                } else {
                    above.last().map_or_else(|| join(&base, name), |(_, folder)| join(folder, name))
                };
                visit(&path, None);
                if name.ends_with('/') || !has_ending(name) {
                    above.push((indent, path.trim_end_matches('/').to_owned()));
                }
            }
            // `M src/app.py`, `120 src/app.py`, `[FILE] package.json`
            [_, name] | [_, _, name] if !rest.contains("  ") && !rest.contains('\t') => visit(&join(&base, name), None),
            // Columns; words of a sentence stand closer.
            many if rest.contains("  ") || rest.contains('\t') || many.len() <= 3 => {
                many.iter().for_each(|name| visit(&join(&base, name), None));
            }
            _ => {}
        }
    }
}

/// A list of names as JSON, told from a line that begins with a mark such as `[FILE]`.
fn is_json(text: &str) -> bool {
    let rest = text.trim_start()[1..].trim_start();
    rest.starts_with(['"', '{']) && text.trim_end().ends_with([']', '}'])
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2).filter(|name| !name.is_empty() && name.len() <= LONGEST_LINE)
}

/// `src/app.py:3:import x`, and `src/app:` above the names in a folder.
fn place(line: &str) -> Option<(&str, &str)> {
    let (path, rest) = line.split_once(':')?;
    let path = path.trim_start();
    let is_path = !path.is_empty() && path.chars().all(is_of_name) && (path.contains(['/', '.']) || rest.is_empty());
    if !is_path || rest.starts_with("//") {
        return None;
    }
    let code = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches([':', '-']);
    Some((path, code.trim()))
}

/// The name in a line of `ls -l`.
fn long_form(line: &str) -> Option<&str> {
    let mode = line.split_whitespace().next()?;
    let is_mode = mode.len() >= 10
        && mode.starts_with(['-', 'd', 'l'])
        && mode.chars().skip(1).all(|c| matches!(c, 'r' | 'w' | 'x' | 's' | 'S' | 't' | 'T' | '-' | '.' | '+' | '@'));
    if !is_mode {
        return None;
    }
    let line = line.split(" -> ").next()?;
    line.split_whitespace().last()
}

/// A line without what draws the tree, and how far it stands in.
fn unindented(line: &str) -> (usize, &str) {
    let is_drawn =
        |c: char| c.is_whitespace() || matches!(c, '│' | '├' | '└' | '─' | '|' | '`' | '+' | '\\' | '•' | '*');
    let rest = line.trim_start_matches(is_drawn);
    let rest = rest.trim_start_matches("-- ").trim_start_matches("- ").trim_start_matches("--- ");
    let rest = rest.trim_start();
    (line.chars().count() - rest.chars().count(), rest.trim_end())
}

/// The names on a line. None where something on it is none, for then it is a sentence, or code.
fn names(line: &str) -> Option<Vec<&str>> {
    // The marks of `git status`, and what `git diff --stat` puts behind.
    const MARKS: &[&str] = &["?? ", "!! ", "modified:", "new file:", "deleted:", "renamed:"];
    let line = MARKS.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line);
    let line = line.split(" | ").next().unwrap_or(line);
    let tokens: Vec<&str> = line.split_whitespace().map(bare).collect();
    (!tokens.contains(&"")).then_some(tokens)
}

/// A name without what lists put around it. What no name has makes it none.
fn bare(token: &str) -> &str {
    let token = token.trim_matches(['"', '\'', ',', '`']).trim_end_matches('*');
    let token = token.strip_prefix("./").unwrap_or(token);
    if token.chars().all(is_of_name) { token } else { "" }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@' | '+' | '~' | '[' | ']' | '(' | ')' | '$' | '\\')
}

fn has_ending(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').is_some_and(|at| at > 0)
}

fn join(base: &str, name: &str) -> String {
    // A path that has folders is whole, for most listings print it so.
    if base.is_empty() || base == "." || name.starts_with(['/', '~']) || base.ends_with(name) && name.contains('/') {
        return name.to_owned();
    }
    let base = base.trim_end_matches('/');
    if name.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')) {
        return name.to_owned();
    }
    format!("{base}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, base: &str, expect: &[&str]) {
        let mut found = Vec::new();
        each(text, base, &mut |path, code| {
            if has_ending(path) {
                found.push(code.map_or_else(|| path.to_owned(), |code| format!("{path} <{code}>")));
            }
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn listings_of_every_kind_are_read() {
        check("a.py\nsrc\nb.rb\n", "", &["a.py", "b.rb"]);
        check("a.py\nsrc/b.py", "app", &["app/a.py", "app/src/b.py"]);
        check("app/a.py\n./app/b.py", "app", &["app/a.py", "app/b.py"]);
        check(
            "total 8\n-rw-r--r--  1 u g  12 Jan  1 10:00 a.py\ndrwxr-xr-x@ 2 u g 9 2026-01-01 10:00 c.d",
            "",
            &["a.py", "c.d"],
        );
        check(
            ".\n├── a.ts\n└── src\n    ├── b.ts\n    └── lib\n        └── c.ts\n",
            "",
            &["a.ts", "src/b.ts", "src/lib/c.ts"],
        );
        check(
            "- /repo/\n  - a.ts\n  - src/\n    - b.ts\n  - c.ts",
            "",
            &["/repo/a.ts", "/repo/src/b.ts", "/repo/c.ts"],
        );
        check(" M src/a.py\n?? b.py\nA  c.py", "", &["src/a.py", "b.py", "c.py"]);
        check(".:\na.py\n\n./src:\nb.py\n", "", &["a.py", "./src/b.py"]);
        check("a.py  b.rb  src", "", &["a.py", "b.rb"]);
        check("[\"a.py\", \"src/b.py\"]", "", &["a.py", "src/b.py"]);
        check("Directory listing for /repo:\n[DIR] src\na.py", "", &["a.py"]);
        check("\tmodified:   src/a.py\n b.py | 10 +++---", "", &["src/a.py", "b.py"]);
        check("[DIR] src\n[FILE] a.py", "", &["a.py"]);
        check("   12 a.py\n  120 src/b.py\n  132 total", "", &["a.py", "src/b.py"]);
    }

    #[test]
    fn the_code_of_a_search_comes_with_its_path() {
        check("src/a.py:3:from flask import Flask", "", &["src/a.py <from flask import Flask>"]);
        check("src/a.py:from flask import Flask", "", &["src/a.py <from flask import Flask>"]);
        check("/r/a.ts:\n  Line 12: import x from \"y\"", "", &["/r/a.ts"]);
    }

    #[test]
    fn sentences_and_addresses_are_no_names() {
        check("Please look at README.md for more about app.py and so on", "", &[]);
        check("https://example.com/a.py", "", &[]);
        check("  \"next\": \"15.0.0\",\n  if (a.b) {", "", &[]);
    }
}
