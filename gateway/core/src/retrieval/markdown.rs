//! Reads markdown line by line: which are headings, which are code. Given `## Trail ##`: a heading
//! of the second level, `Trail`. One reader for all who ask, so that a page is cut, tagged and
//! linked by the same headings and the same fences.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// A line, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// From one.
    pub number: usize,
    pub text: &'a str,
    pub kind: Kind<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A heading, or its first line, of this level from 1 to 6.
    Heading {
        level: usize,
        title: Cow<'a, str>,
    },
    /// What else belongs to a heading: further lines of it, and what underlines it.
    Underline,
    /// Opens a fence, with these words behind its mark.
    Opening(&'a str),
    /// Stands in a fence with these words.
    Code(&'a str),
    Closing,
    /// Anything else.
    Text,
}

/// A heading, and the line that it begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading<'a> {
    /// From one, front matter counted.
    pub line: usize,
    pub level: usize,
    pub title: Cow<'a, str>,
}

/// The headings of a page, outside of front matter and of fences.
#[must_use]
pub fn headings(markdown: &str) -> Vec<Heading<'_>> {
    let body = split(markdown).1;
    let before = markdown[..markdown.len() - body.len()].matches('\n').count();
    let read = read(body).into_iter();
    read.filter_map(|line| match line.kind {
        Kind::Heading { level, title } => Some(Heading { line: line.number + before, level, title }),
        _ => None,
    })
    .collect()
}

/// The lines of a text without front matter.
#[must_use]
pub fn read(body: &str) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut fence: Option<(Fence, &str)> = None;
    let mut above = Above::default();
    for (at, text) in body.lines().enumerate() {
        let kind = match &fence {
            Some((open, _)) if open.is_closed_by(text) => {
                fence = None;
                Kind::Closing
            }
            Some((_, words)) => Kind::Code(words),
            None => match Fence::opened_by(text) {
                Some(open) => {
                    let words = Fence::words(text);
                    fence = Some((open, words));
                    Kind::Opening(words)
                }
                None => outside(text, &mut lines, &mut above),
            },
        };
        if kind != Kind::Text {
            (above.paragraph, above.is_other) = (None, false);
        }
        lines.push(Line { number: at + 1, text, kind });
    }
    lines
}

/// What stands above a line, as far as a line drawn under it depends on that.
#[derive(Default)]
struct Above {
    /// The first line of the paragraph that would go on, by its place.
    paragraph: Option<usize>,
    /// Whether something else would go on, such as an item of a list or a table.
    is_other: bool,
    /// Whether an indented line belongs to an item of a list.
    is_list: bool,
}

/// The longest heading that is written with a line under it, in bytes. What is longer is a
/// paragraph that somebody drew a line under.
const LONGEST_TITLE: usize = 200;

/// What a line outside of fences is. Lines above it may turn out to be a heading.
fn outside<'a>(text: &'a str, lines: &mut [Line<'a>], above: &mut Above) -> Kind<'a> {
    if text.trim().is_empty() {
        (above.paragraph, above.is_other) = (None, false);
        return Kind::Text;
    }
    let (indent, _) = indented(text);
    if let Some((level, title)) = heading(text) {
        *above = Above::default();
        return Kind::Heading { level, title: title.into() };
    }
    if let (Some(level), Some(first)) = (underline(text), above.paragraph) {
        if let Some(title) = joined(&lines[first..]) {
            let mut lines = lines[first..].iter_mut();
            if let Some(line) = lines.next() {
                line.kind = Kind::Heading { level, title: title.into() };
            }
            lines.for_each(|line| line.kind = Kind::Underline);
            *above = Above::default();
            return Kind::Underline;
        }
        // It only grows, so it is not joined again.
        (above.paragraph, above.is_other) = (None, true);
    }
    if above.paragraph.is_some() || above.is_other {
        // An item or a quote ends a paragraph, and another line goes on with either.
        if is_item(text) || text.trim_start().starts_with(['>', '|']) {
            *above = Above { paragraph: None, is_other: true, is_list: above.is_list || is_item(text) };
        }
        return Kind::Text;
    }
    above.is_list = is_item(text) || above.is_list && indent > 0;
    let is_paragraph = !above.is_list && indent < 4 && !text.trim_start().starts_with(['>', '|', '<']);
    above.is_other = !is_paragraph;
    above.paragraph = is_paragraph.then_some(lines.len());
    Kind::Text
}

/// A heading of these lines; none where it is too long for one.
fn joined(lines: &[Line<'_>]) -> Option<String> {
    let mut title = String::new();
    for part in lines.iter().map(|line| line.text.trim()) {
        if title.len() + part.len() > LONGEST_TITLE {
            return None;
        }
        let space = if title.is_empty() { "" } else { " " };
        title.extend([space, part]);
    }
    Some(title)
}

/// How far a line is indented, and what stands there.
fn indented(line: &str) -> (usize, &str) {
    let text = line.trim_start_matches([' ', '\t']);
    let before = &line[..line.len() - text.len()];
    (before.chars().map(|c| if c == '\t' { 4 } else { 1 }).sum(), text)
}

/// `## Trail ##`
fn heading(line: &str) -> Option<(usize, &str)> {
    let (indent, text) = indented(line);
    let level = text.bytes().take_while(|byte| *byte == b'#').count();
    let title = text.get(level..)?.strip_prefix([' ', '\t'])?.trim();
    // The marks that close it stand apart: `C#` ends in none.
    let open = title.trim_end_matches('#');
    let title = if open.is_empty() || open.ends_with([' ', '\t']) { open.trim_end() } else { title };
    (indent < 4 && (1..=6).contains(&level) && !title.is_empty()).then_some((level, title))
}

/// The level of the heading that this underlines, if it does.
fn underline(line: &str) -> Option<usize> {
    let (indent, text) = indented(line.trim_end());
    let mark = text.chars().next().filter(|_| indent < 4 && !text.is_empty())?;
    let level = match mark {
        '=' => 1,
        '-' => 2,
        _ => return None,
    };
    text.chars().all(|c| c == mark).then_some(level)
}

/// Whether an item of a list begins with this line.
pub(crate) fn is_item(line: &str) -> bool {
    let text = line.trim_start();
    item(text).is_some() || matches!(text.trim_end(), "-" | "*" | "+")
}

/// What stands behind the mark of an item: `- `, `* `, `+ `, `1. `, `1) `.
fn item(text: &str) -> Option<&str> {
    let behind = text.strip_prefix(['-', '*', '+']).or_else(|| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        text.get(digits..).filter(|_| (1..=9).contains(&digits))?.strip_prefix(['.', ')'])
    })?;
    behind.starts_with([' ', '\t']).then_some(behind)
}

/// A line without the marks of the items and quotes that it stands in.
fn unmarked(line: &str) -> &str {
    let mut text = line.trim_start_matches([' ', '\t', '>']);
    while let Some(behind) = item(text) {
        text = behind.trim_start_matches([' ', '\t', '>']);
    }
    text
}

/// A fence that is open.
#[derive(Debug, Clone)]
pub struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    #[must_use]
    pub fn opened_by(line: &str) -> Option<Self> {
        let line = unmarked(line);
        let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let length = line.chars().take_while(|found| *found == mark).count();
        let is_inline = mark == '`' && line[length..].contains('`');
        (length >= 3 && !is_inline).then_some(Self { mark, length })
    }

    /// The words behind the mark of a line that opens one.
    #[must_use]
    pub fn words(line: &str) -> &str {
        unmarked(line).trim_start_matches(['`', '~']).trim()
    }

    #[must_use]
    pub fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim_start_matches([' ', '>', '\t']);
        let length = line.chars().take_while(|found| *found == self.mark).count();
        length >= self.length && line[length..].trim().is_empty()
    }
}

/// What front matter begins and ends with: that of YAML, and that of TOML.
const MARKS: [&str; 2] = ["---", "+++"];

/// The front matter of a page, and what comes behind it. Blank lines may stand above it.
#[must_use]
pub fn split(markdown: &str) -> (Option<&str>, &str) {
    let text = markdown.strip_prefix('\u{feff}').unwrap_or(markdown);
    let Some((mark, inside)) = begun(text) else { return (None, text) };
    let mut at = 0;
    for line in inside.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        if line.trim_end() == mark {
            return (Some(&inside[..begin]), &inside[at..]);
        }
    }
    (None, text)
}

/// A link inside of a line, of which only the text is read: `[text](page.md)`, `[text][name]`.
static LINK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])").ok());

/// A line, such as a heading, with the texts of its links in their place.
#[must_use]
pub fn unlinked(line: &str) -> Cow<'_, str> {
    LINK.as_ref().map_or(Cow::Borrowed(line), |link| link.replace_all(line, "$1"))
}

/// What a line of front matter says of a key that is nobody's below it, without a quote before it.
pub(super) fn said<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let value = line.strip_prefix(key)?.trim_start();
    Some(value.strip_prefix([':', '='])?.trim_start().trim_start_matches(['"', '\'']))
}

/// The title that front matter gives a page.
#[must_use]
pub fn title(matter: &str) -> Option<&str> {
    let title = matter.lines().find_map(|line| said(line, "title"))?;
    // One that goes on below is not read.
    let title = title.trim_end().trim_end_matches(['"', '\'']).trim();
    (!title.is_empty() && !matches!(title, "|" | ">" | "|-" | ">-")).then_some(title)
}

/// The endings of pages.
pub const PAGES: [&str; 3] = ["md", "mdx", "markdown"];

/// Whether a file is a page, by its name.
#[must_use]
pub fn is_page(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, end)| PAGES.contains(&end))
}

/// The mark that a page begins with, and what comes behind that line.
pub(super) fn begun(markdown: &str) -> Option<(&'static str, &str)> {
    let mut rest = markdown.strip_prefix('\u{feff}').unwrap_or(markdown);
    loop {
        let (line, behind) = rest.split_once('\n')?;
        if !line.trim().is_empty() {
            let mark = MARKS.into_iter().find(|mark| line.trim_end() == *mark)?;
            return Some((mark, behind));
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(markdown: &str, expect: &[(usize, usize, &str)]) {
        let found = headings(markdown);
        let found: Vec<_> = found.iter().map(|found| (found.line, found.level, found.title.as_ref())).collect();
        assert_eq!(found, expect, "{markdown}");
    }

    #[test]
    fn headings_are_found_as_they_are_shown() {
        check("# A\n   ## Trail ##\n    # code\n#no\n####### no", &[(1, 1, "A"), (2, 2, "Trail")]);
        check("# Using C#\n## Using F# ##  \n# \\#", &[(1, 1, "Using C#"), (2, 2, "Using F#"), (3, 1, "\\#")]);
        check("#\tA\n# #\n## ##\n#", &[(1, 1, "A")]);
        check("---\ntitle: x\n---\n\n# A\n", &[(5, 1, "A")]);
        check("```\n# no\n```\n# A", &[(4, 1, "A")]);
    }

    #[test]
    fn front_matter_gives_a_page_its_title() {
        for (matter, expect) in [
            ("title: Set up", Some("Set up")),
            ("sidebar: 1\ntitle: 'Set up' \r", Some("Set up")),
            ("title = \"Set up\"", Some("Set up")),
            ("title: >-\n  Set up", None),
            ("title:", None),
            ("subtitle: a\nmeta:\n  title: b", None),
        ] {
            assert_eq!(title(matter), expect, "{matter}");
        }
    }

    #[test]
    fn a_line_drawn_under_a_text_makes_it_a_heading() {
        check("A\n===\ntext\n\n  B\n  ---  \ntext", &[(1, 1, "A"), (5, 2, "B")]);
        check("A long\ntitle\n=\ntext", &[(1, 1, "A long title")]);
        check("# A\nB\n---", &[(1, 1, "A"), (2, 2, "B")]);
        check("```\nx\n```\nB\n---", &[(4, 2, "B")]);
        check("- a\n\nB\n---", &[(3, 2, "B")]);
    }

    #[test]
    fn a_line_drawn_under_something_else_is_only_a_line() {
        for markdown in [
            "text\n\n---\n",
            "```\nA\n---\n```",
            "- a\n---\n",
            "- a\n  goes on\n---\n",
            "- a\n\n  goes on\n---\n",
            "1. a\n---\n",
            "text\n- a\n---\n",
            "> a\n---\n",
            "| a |\n---\n",
            "a | b\n--- | ---\n",
            "    code\n---\n",
            "<!-- a -->\n---\n",
            "A\n- - -\n",
            "A\n    ---\n",
            "A\n--=\n",
        ] {
            let titles: Vec<_> = headings(markdown).into_iter().map(|found| found.title).collect();
            assert!(titles.is_empty(), "{markdown}: {titles:?}");
        }
        check(&format!("{}\n---\n", "word ".repeat(100)), &[]);
    }

    #[test]
    fn a_paragraph_of_lines_is_read_at_once() {
        // Each but the first of these lines could make a heading of all lines above it.
        let long = "word ".repeat(100);
        for lines in ["-\n".repeat(500_000), "a\n-\n".repeat(250_000), "a\n=\n-\n".repeat(160_000)] {
            assert!(read(&format!("{long}\n{lines}")).iter().any(|line| line.kind == Kind::Text));
        }
        let padded = format!("{long}{}\n", " ".repeat(500_000));
        check(&format!("{padded}{}", "-\n".repeat(250_000)), &[]);
        assert_eq!(read(&"> 1. ".repeat(200_000)).len(), 1);
    }

    #[test]
    fn fences_are_known_by_their_marks_in_items_and_quotes() {
        let check = |line: &str, expect: Option<&str>| {
            assert_eq!(Fence::opened_by(line).map(|_| Fence::words(line)), expect, "{line}");
        };
        check("```sh", Some("sh"));
        check("  ~~~ js {1,3} ", Some("js {1,3}"));
        for mark in ["- ", "* ", "+ ", "1. ", "12) ", "> ", "> - ", "- 1. ", "\t"] {
            check(&format!("{mark}```sh"), Some("sh"));
        }
        for line in ["``sh", "```a```", "-```sh", "1.```sh", "a ```sh", "1234567890. ```sh"] {
            check(line, None);
        }
    }

    #[test]
    fn front_matter_stands_between_its_marks() {
        let check = |markdown: &str, expect: (Option<&str>, &str)| assert_eq!(split(markdown), expect, "{markdown}");
        check("---\na: b\n---\nx", (Some("a: b\n"), "x"));
        check("\u{feff}\r\n \n--- \r\na: b\n---\t\nx", (Some("a: b\n"), "x"));
        check("+++\na = 1\n+++\nx", (Some("a = 1\n"), "x"));
        check("+++\na = 1\n---\nx", (None, "+++\na = 1\n---\nx"));
        check("x\n---\na: b\n---\n", (None, "x\n---\na: b\n---\n"));
        check(" ---\na: b\n---\n", (None, " ---\na: b\n---\n"));
        check("---", (None, "---"));
    }
}
