//! A page as its reader sees it: without comments, and of MDX, which is markdown with components in it, only
//! what stands in those. Given `<Tab title="npm">Run it.</Tab> <!-- draft -->`: `**npm** Run it.`

use std::borrow::Cow;

use crate::retrieval::markdown::{self, Fence, Kind};

/// The longest tag, or piece of code in a sentence, in bytes. What is longer is text.
const LONGEST: usize = 1_000;
/// Attributes that say what a reader sees in place of a tag.
const SAID: [&str; 2] = ["title", "label"];

/// What a comment begins and ends with.
type Marks = (&'static str, &'static str);
const MARKDOWN: Marks = ("<!--", "-->");
const MDX: Marks = ("{/*", "*/}");

/// A page without front matter, as it is seen. Code is left alone.
#[must_use]
pub fn seen<'a>(page: &str, body: &'a str) -> Cow<'a, str> {
    if is_mdx(page, body) {
        return Cow::Owned(without_components(&without_comments(body, vec![MDX, MARKDOWN])));
    }
    if body.contains(MARKDOWN.0) { Cow::Owned(without_comments(body, vec![MARKDOWN])) } else { Cow::Borrowed(body) }
}

/// Whether a page is MDX: by its path or its address, or by a line that is in no other markdown.
fn is_mdx(page: &str, body: &str) -> bool {
    let is_named = page.split(['?', '#']).next().is_some_and(|path| path.ends_with(".mdx"));
    let is_closing = |line: &str| {
        let name = line.trim().strip_prefix("</").and_then(|line| line.strip_suffix('>'));
        name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.contains(['<', ' ']))
    };
    let tells = |line: &markdown::Line<'_>| {
        line.kind == Kind::Text && (line.text.trim_start().starts_with(MDX.0) || is_closing(line.text))
    };
    is_named || (body.contains(MDX.0) || body.contains("</")) && markdown::read(body).iter().any(tells)
}

/// A text without its comments. One that never ends is text.
fn without_comments(body: &str, mut marks: Vec<Marks>) -> String {
    let (mut kept, mut rest, mut fence) = (String::with_capacity(body.len()), body, None::<Fence>);
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.find('\n').map_or(rest.len(), |end| end + 1));
        let is_code = match &fence {
            Some(open) => {
                let is_closed = open.is_closed_by(line);
                fence = fence.filter(|_| !is_closed);
                true
            }
            None => {
                fence = Fence::opened_by(line);
                fence.is_some()
            }
        };
        let comment = if is_code { None } else { opened(line, &marks) };
        let Some((at, (begin, end))) = comment else {
            kept.push_str(line);
            rest = behind;
            continue;
        };
        let Some(length) = rest[at + begin.len()..].find(end) else {
            // Nor does any that comes behind it.
            marks.retain(|(other, _)| *other != begin);
            continue;
        };
        kept.push_str(&rest[..at]);
        rest = &rest[at + begin.len() + length + end.len()..];
        if kept.is_empty() || kept.ends_with('\n') {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
    }
    kept
}

/// Where a comment begins in a line, and its marks.
fn opened(line: &str, marks: &[Marks]) -> Option<(usize, Marks)> {
    let mut at = 0;
    while let Some(next) = line[at..].find(['`', '<', '{']) {
        at += next;
        let here = &line[at..];
        if let Some(marks) = marks.iter().find(|(begin, _)| here.starts_with(begin)) {
            return Some((at, *marks));
        }
        at += code(here).unwrap_or(1);
    }
    None
}

/// MDX as markdown: without what it imports and exports, and without the tags of its components.
fn without_components(body: &str) -> String {
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

/// A text without the tags of components, of which what a reader sees is kept.
fn without_tags(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['`', '<']) {
        let (before, here) = rest.split_at(at);
        plain.push_str(before);
        let tag = tag(here).filter(|length| !is_whole(&here[..*length]));
        let length = match tag {
            Some(length) => {
                plain.extend(words(&here[..length]).into_iter().flat_map(|words| ["**", words, "** "]));
                length
            }
            None => {
                let length = code(here).unwrap_or(1);
                plain.push_str(&here[..length]);
                length
            }
        };
        rest = &here[length..];
    }
    plain + rest
}

/// What is looked at for the end of what begins here: it goes no further than a blank line.
fn near(text: &str) -> &str {
    let near = &text[..text.floor_char_boundary(LONGEST)];
    near.find("\n\n").map_or(near, |blank| &near[..blank])
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

/// Whether all that a component says is in its tag: `<Snippet text="npm install" />`.
fn is_whole(tag: &str) -> bool {
    tag.ends_with("/>") && tag.contains('=')
}

/// What a reader sees in place of a tag.
fn words(tag: &str) -> Option<&str> {
    let value = |name: &&str| {
        let (_, behind) = tag.split_once(&format!(" {name}="))?;
        let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        behind[1..].split(quote).next().filter(|value| !value.trim().is_empty())
    };
    SAID.iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mdx: &str, expect: &str) {
        assert_eq!(seen("a.mdx", mdx), expect);
    }

    #[test]
    fn comments_are_left_out_wherever_they_end() {
        let check = |markdown: &str, expect: &str| assert_eq!(seen("a.md", markdown), expect);
        check("# A\n<!-- draft -->\na <!-- b --> c\n", "# A\na  c\n");
        check("a\n<!--\nb\n\n```sh\nc\n```\n-->\nd\n", "a\nd\n");
        check("<!-- a --><!-- b -->\nc", "c");
        // Code, and what never ends.
        for text in ["```html\n<!-- a -->\n```\n", "`<!-- a -->` b\n", "a <!-- b\n<!-- c\n", "a {b} <C\n"] {
            check(text, text);
        }
        let open = "<!--".repeat(500_000);
        check(&open, &open);
    }

    #[test]
    fn mdx_is_known_by_its_name_or_by_its_lines() {
        for (page, text, expect) in [
            ("a.md", "{/* b */}\nc <D>e</D>\n", "c e\n"),
            ("a.md", "<AppOnly>\n\na\n\n</AppOnly>\n", "a\n\n"),
            ("https://example.com/a.mdx?raw=1", "a <B/>\n", "a\n"),
            ("a.md", "a Promise<Response> {/* b */}\n", "a Promise<Response> {/* b */}\n"),
            ("a.md?b=c.mdx", "a <B/>\n", "a <B/>\n"),
            ("a.md", "```tsx\n</App>\n{/* b */}\n```\n<B>\n", "```tsx\n</App>\n{/* b */}\n```\n<B>\n"),
            ("a.md", "</div>\n<B>\n", "</div>\n<B>\n"),
        ] {
            assert_eq!(seen(page, text), expect);
        }
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
        check("<Foo.Bar label=\"\"> text\n", " text\n");
        check("# <Icon /> A\n", "#  A\n");
    }

    #[test]
    fn what_is_no_component_stays() {
        for text in [
            "a `<Tab>` and ``a ` <B>`` b\n",
            "<a href=\"b.md\">b</a> {props.c}\n",
            "<Snippet text=\"npm install\" dark />\n",
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
            assert!(!seen("a.mdx", &text.repeat(100_000)).is_empty() || text == "import {");
        }
    }
}
