//! Cuts a markdown page at its headings. A code fence is never cut: a `#` in it is code.

use crate::retrieval::markdown::{self, Kind};
use crate::retrieval::seen::seen;

/// A part of a page that stands on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The page, as its source names it.
    pub page: String,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// The text under the last heading, without the heading.
    pub text: String,
}

impl Chunk {
    /// The headings as a path: `Page > Section`.
    #[must_use]
    pub fn path(&self) -> String {
        self.headings.join(" > ")
    }

    /// All that it says: its headings, and its text.
    #[must_use]
    pub fn whole(&self) -> String {
        format!("{}\n{}", self.path(), self.text)
    }
}

/// The most characters of a heading that are kept, for every section below repeats it.
const LONGEST_HEADING: usize = 200;

/// Cuts a page. Front matter is left out, and so are sections without text of their own. The title that
/// front matter gives a page is the heading above all others, where the page itself has none.
#[must_use]
pub fn cut(page: &str, markdown: &str) -> Vec<Chunk> {
    let (matter, body) = markdown::split(markdown);
    let body = seen(page, body);
    let lines = markdown::read(&body);
    let has_title = lines.iter().any(|line| matches!(line.kind, Kind::Heading { level: 1, .. }));
    let title = matter.filter(|_| !has_title).and_then(markdown::title);
    let mut chunks = Vec::new();
    let mut headings: Vec<(usize, String)> = title.into_iter().map(|title| (0, shortened(title))).collect();
    let mut text = String::new();
    for line in lines {
        match line.kind {
            Kind::Heading { level, title } => {
                keep(&mut chunks, page, &headings, &mut text);
                headings.retain(|(above, _)| *above < level);
                headings.push((level, shortened(&title)));
            }
            Kind::Underline => {}
            Kind::Text | Kind::Opening(_) | Kind::Code(_) | Kind::Closing => {
                text.push_str(line.text);
                text.push('\n');
            }
        }
    }
    keep(&mut chunks, page, &headings, &mut text);
    chunks
}

fn shortened(title: &str) -> String {
    markdown::unlinked(title).chars().take(LONGEST_HEADING).collect()
}

fn keep(chunks: &mut Vec<Chunk>, page: &str, headings: &[(usize, String)], text: &mut String) {
    let body = text.trim_matches('\n').trim_end();
    if !body.trim().is_empty() {
        let headings = headings.iter().map(|(_, title)| title.clone()).collect();
        chunks.push(Chunk { page: page.to_owned(), headings, text: body.to_owned() });
    }
    text.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(markdown: &str, expect: &[(&str, &str)]) {
        let found: Vec<_> = cut("p.md", markdown).iter().map(|chunk| (chunk.path(), chunk.text.clone())).collect();
        let found: Vec<_> = found.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn sections_keep_the_headings_above_them() {
        check(
            "# A\nintro\n## B\nb\n### C\nc\n## D\nd\n",
            &[("A", "intro"), ("A > B", "b"), ("A > B > C", "c"), ("A > D", "d")],
        );
    }

    #[test]
    fn a_fence_is_never_cut() {
        check("# A\n```sh\n# not a heading\n```\nrest", &[("A", "```sh\n# not a heading\n```\nrest")]);
        check("# A\n~~~~\n~~~\n# x\n~~~~\n# B\nb", &[("A", "~~~~\n~~~\n# x\n~~~~"), ("B", "b")]);
        check("# A\n- ```\n  # x\n  ```\n", &[("A", "- ```\n  # x\n  ```")]);
        check("# A\n```\n# never closed", &[("A", "```\n# never closed")]);
        check("# A\n1. ```sh\n   # x\n   ```\n# B\nb", &[("A", "1. ```sh\n   # x\n   ```"), ("B", "b")]);
        check("# A\n+ ```sh\n  # x\n  ```\n# B\nb", &[("A", "+ ```sh\n  # x\n  ```"), ("B", "b")]);
    }

    #[test]
    fn a_page_is_cut_at_headings_of_either_kind() {
        check("Page\n====\nintro\n\nPart\n----\np\n", &[("Page", "intro"), ("Page > Part", "p")]);
        check("  # A\na\n   ## B ##\nb\n", &[("A", "a"), ("A > B", "b")]);
        check("# Using C#\na\n", &[("Using C#", "a")]);
        check("# [A](a.md) and [`b`][c]\na\n", &[("A and `b`", "a")]);
        check("# A\n- a\n---\nb\n", &[("A", "- a\n---\nb")]);
    }

    #[test]
    fn a_page_without_a_heading_of_its_own_has_that_of_its_front_matter() {
        check("---\ntitle: \"Set up\"\n---\na\n## B\nb\n", &[("Set up", "a"), ("Set up > B", "b")]);
        check("---\ntitle: Set up\n---\n# A\na\n# B\nb\n", &[("A", "a"), ("B", "b")]);
        check("---\ntitle:\n---\n## B\nb\n", &[("B", "b")]);
    }

    #[test]
    fn mdx_is_read_as_what_it_says() {
        let mdx = "---\ntitle: T\n---\nimport A from 'a'\n\n<A>\n\n## B\n<A>b</A>\n\n```\n# <A>\n```\n</A>\n";
        let found = cut("a.mdx", mdx);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path().as_str(), found[0].text.as_str()), ("T > B", "b\n\n```\n# <A>\n```"));
    }

    #[test]
    fn a_heading_without_end_is_not_repeated() {
        let page = format!("# {}\n{}", "x".repeat(500_000), "## a\nb\n".repeat(60_000));
        let chunks = cut("p.md", &page);
        assert_eq!((chunks.len(), chunks[0].headings[0].len()), (60_000, LONGEST_HEADING));
    }

    #[test]
    fn front_matter_and_empty_sections_are_left_out() {
        check("---\ntitle: x\n---\n# A\n## B\nb\n", &[("A > B", "b")]);
        check("\n--- \ntitle: x\n---\n# A\na", &[("A", "a")]);
        check("+++\ntitle = 'x'\n+++\n# A\na", &[("A", "a")]);
        check("---\nno end\n# A\na", &[("", "---\nno end"), ("A", "a")]);
        check("# A\n<!-- lint: allow dead-link -->\na\n", &[("A", "a")]);
        check("", &[]);
        check("only text", &[("", "only text")]);
    }
}
