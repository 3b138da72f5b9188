//! MDX, which is markdown with components in it, as the markdown that it says. Given
//! `<Tab title="npm">Run it.</Tab>`: `**npm** Run it.`

use crate::retrieval::markdown::{self, Kind};

/// The longest tag, comment or piece of code in a sentence, in bytes. What is longer is text.
const LONGEST: usize = 1_000;
/// Attributes that say what a reader sees in place of a tag.
const SEEN: [&str; 2] = ["title", "label"];

/// Whether a page is MDX, by its path or its address.
#[must_use]
pub fn is_mdx(page: &str) -> bool {
    page.split(['?', '#']).next().is_some_and(|path| path.ends_with(".mdx"))
}

/// A page without front matter as markdown: without what it imports and exports, its comments and the tags
/// of its components. Code is left alone.
#[must_use]
pub fn to_markdown(body: &str) -> String {
    let (mut plain, mut said) = (String::with_capacity(body.len()), String::new());
    for line in markdown::read(body) {
        if matches!(line.kind, Kind::Opening(_) | Kind::Code(_) | Kind::Closing) {
            add(&mut plain, &mut said);
            plain.extend([line.text, "\n"]);
        } else {
            said.extend([line.text, "\n"]);
        }
    }
    add(&mut plain, &mut said);
    plain
}

/// Adds what stands between two pieces of code. Lines that said nothing but tags leave none behind.
fn add(plain: &mut String, said: &mut String) {
    let spoken = without_tags(&without_modules(said));
    said.clear();
    for line in spoken.lines().map(str::trim_end) {
        if !line.is_empty() || !plain.is_empty() && !plain.ends_with("\n\n") {
            plain.extend([line, "\n"]);
        }
    }
}

/// A text without what it imports and exports: blocks that begin so, each as far as the next blank line.
fn without_modules(text: &str) -> String {
    let (mut is_begin, mut is_module) = (true, false);
    let kept = text.split_inclusive('\n').filter(|line| {
        let is_blank = line.trim().is_empty();
        is_module = !is_blank && (is_module || is_begin && is_of_module(line));
        is_begin = is_blank;
        !is_module
    });
    kept.collect()
}

/// Whether a line of a program begins here. A sentence may begin with the same word.
fn is_of_module(line: &str) -> bool {
    let is_from = || line.contains(" from '") || line.contains(" from \"");
    let begins = |behind: &str, words: &[&str]| words.iter().any(|word| behind.starts_with(word));
    match (line.strip_prefix("import "), line.strip_prefix("export ")) {
        (Some(behind), _) => begins(behind, &["{", "*", "'", "\""]) || is_from(),
        (_, Some(behind)) => {
            begins(behind, &["{", "*", "const ", "let ", "var ", "function ", "async ", "class ", "default "])
        }
        _ => false,
    }
}

/// A text without comments and the tags of components, of which what a reader sees is kept.
fn without_tags(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['`', '<', '{']) {
        let (before, here) = rest.split_at(at);
        plain.push_str(before);
        let length = if let Some(length) = comment(here) {
            length
        } else if let Some(length) = tag(here) {
            plain.extend(seen(&here[..length]).into_iter().flat_map(|seen| ["**", seen, "** "]));
            length
        } else {
            let length = code(here).unwrap_or(1);
            plain.push_str(&here[..length]);
            length
        };
        rest = &here[length..];
    }
    plain + rest
}

/// What is looked at for the end of what begins here: it goes no further than a blank line.
fn near(text: &str) -> &str {
    let near = beginning(text);
    near.find("\n\n").map_or(near, |blank| &near[..blank])
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// The length of a piece of code in a sentence that begins here.
fn code(text: &str) -> Option<usize> {
    let marks = text.bytes().take_while(|byte| *byte == b'`').count();
    let (open, behind) = near(text).split_at_checked(marks).filter(|_| marks > 0)?;
    let end = behind.match_indices(open).map(|(at, _)| at).find(|at| {
        let before = behind[..*at].ends_with('`');
        !before && !behind[at + marks..].starts_with('`')
    });
    // One that is open is a mark like any other, and so are all of its marks.
    Some(end.map_or(marks, |end| marks + end + marks))
}

/// The length of a comment, `{/* … */}`, that begins here.
fn comment(text: &str) -> Option<usize> {
    text.strip_prefix("{/*")?;
    beginning(text).find("*/}").map(|at| at + "*/}".len())
}

/// The length of a tag of a component, or of the nameless one, that begins here. Elements of HTML have
/// small letters, and are markdown.
fn tag(text: &str) -> Option<usize> {
    let name = text.strip_prefix('<')?;
    let name = name.strip_prefix('/').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '>').then_some(())?;
    let (mut quote, mut depth) = (None, 0_usize);
    for (at, c) in near(text).char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => depth = depth.saturating_sub(1),
            (None, '>') if depth == 0 => return Some(at + 1),
            (None, '<') if depth == 0 && at > 0 => return None,
            (None, _) => {}
        }
    }
    None
}

/// What a reader sees in place of a tag.
fn seen(tag: &str) -> Option<&str> {
    let value = |name: &&str| {
        let (_, behind) = tag.split_once(&format!(" {name}="))?;
        let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        behind[1..].split(quote).next().filter(|value| !value.trim().is_empty())
    };
    SEEN.iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mdx: &str, expect: &str) {
        assert_eq!(to_markdown(mdx), expect);
    }

    #[test]
    fn what_it_imports_and_exports_is_left_out() {
        check("import Tabs from '@theme/Tabs'\nimport { a } from \"b\"\n\n# A\ntext\n", "# A\ntext\n");
        check("import {\n  a,\n} from 'b'\n\ntext\n", "text\n");
        check("# A\n\nexport const meta = {\n  title: 'x',\n}\n\ntext\n", "# A\n\ntext\n");
        check("import './a.css'\nexport default ({ children }) => <Layout>{children}</Layout>\n\ntext", "text\n");
        // Sentences that begin so, and code.
        check("import your data from the console\n", "import your data from the console\n");
        check("export the events\nas a file\n", "export the events\nas a file\n");
        check("text\nimport a from 'b'\n", "text\nimport a from 'b'\n");
        check(
            "```ts\nimport a from 'b'\n\nexport const c = <A/>\n```\n",
            "```ts\nimport a from 'b'\n\nexport const c = <A/>\n```\n",
        );
    }

    #[test]
    fn of_components_only_what_they_say_is_left() {
        check("<Note>Keep `a`.</Note>\n", "Keep `a`.\n");
        check(
            "<Tabs>\n<Tab title=\"npm\">\n\n```sh\nnpm i\n```\n\n</Tab>\n<Tab title='pip' icon={x > 1 ? <A/> : 'b'}>\n\ntext\n</Tab>\n</Tabs>\n",
            "**npm**\n\n```sh\nnpm i\n```\n\n**pip**\n\ntext\n\n",
        );
        check("<Card\n  title=\"Start\"\n  href=\"/start\"\n>\n  Do it.\n</Card>\n", "**Start**\n  Do it.\n\n");
        check("a {/* <A> */} b <></> c\n", "a  b  c\n");
        check("<Foo.Bar label=\"\" /> text\n", " text\n");
        check("# <Icon name=\"x\" /> A\n", "#  A\n");
    }

    #[test]
    fn what_is_no_component_stays() {
        for text in [
            "a `<Tab>` and ``a ` <B>`` b\n",
            "<a href=\"b.md\">b</a> {props.c}\n",
            "a <B and\n\nc > d\n",
            "1 <2, <A <b>\n",
            "a ` <b {\n",
            "é <É> ü\n",
        ] {
            check(text, text);
        }
        let long = format!("<A b=\"{}\">\n", "é".repeat(LONGEST));
        check(&long, &long);
    }

    #[test]
    fn a_page_that_never_ends_what_it_begins_is_read_at_once() {
        for text in ["<A", "<A{", "<A'", "{/*", "`a``b```c", "import {"] {
            assert!(!to_markdown(&text.repeat(100_000)).is_empty() || text == "import {");
        }
    }

    #[test]
    fn pages_are_known_by_their_names() {
        assert!(is_mdx("docs/a.mdx") && is_mdx("https://example.com/a.mdx?raw=1"));
        assert!(!is_mdx("a.md") && !is_mdx("https://example.com/a?b=c.mdx"));
    }
}
