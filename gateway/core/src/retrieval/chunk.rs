//! Cuts a markdown page at its headings. A code fence is never cut: a `#` in it is code.

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

/// Cuts a page. Front matter is left out, and so are sections without text of their own.
#[must_use]
pub fn cut(page: &str, markdown: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut headings: Vec<(usize, String)> = Vec::new();
    let mut text = String::new();
    let mut fence: Option<Fence> = None;
    for line in split(markdown).1.lines() {
        match &fence {
            Some(open) if open.is_closed_by(line) => fence = None,
            Some(_) => {}
            None => fence = Fence::opened_by(line),
        }
        if fence.is_none()
            && let Some((level, title)) = heading(line)
        {
            keep(&mut chunks, page, &headings, &mut text);
            headings.retain(|(above, _)| *above < level);
            headings.push((level, title.to_owned()));
        } else if fence.is_some() || !is_mark(line) {
            text.push_str(line);
            text.push('\n');
        }
    }
    keep(&mut chunks, page, &headings, &mut text);
    chunks
}

/// A word to the lint is not for models.
fn is_mark(line: &str) -> bool {
    line.trim().starts_with("<!-- lint: ") && line.trim().ends_with("-->")
}

fn keep(chunks: &mut Vec<Chunk>, page: &str, headings: &[(usize, String)], text: &mut String) {
    let body = text.trim_matches('\n').trim_end();
    if !body.trim().is_empty() {
        let headings = headings.iter().map(|(_, title)| title.clone()).collect();
        chunks.push(Chunk { page: page.to_owned(), headings, text: body.to_owned() });
    }
    text.clear();
}

/// The front matter of a page, and what comes behind it.
#[must_use]
pub fn split(markdown: &str) -> (Option<&str>, &str) {
    let text = markdown.strip_prefix('\u{feff}').unwrap_or(markdown);
    let Some(inside) = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n")) else {
        return (None, text);
    };
    let mut at = 0;
    for line in inside.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        if line.trim_end() == "---" {
            return (Some(&inside[..begin]), &inside[at..]);
        }
    }
    (None, text)
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?;
    let title = title.trim().trim_end_matches('#').trim_end();
    ((1..=6).contains(&level) && !title.is_empty()).then_some((level, title))
}

/// A fence that is open.
pub(crate) struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    pub(crate) fn opened_by(line: &str) -> Option<Self> {
        let line = line.trim_start_matches([' ', '>', '-', '*', '\t']);
        let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let length = line.chars().take_while(|found| *found == mark).count();
        let is_inline = mark == '`' && line[length..].contains('`');
        (length >= 3 && !is_inline).then_some(Self { mark, length })
    }

    pub(crate) fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim_start_matches([' ', '>', '\t']);
        let length = line.chars().take_while(|found| *found == self.mark).count();
        length >= self.length && line[length..].trim().is_empty()
    }
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
    }

    #[test]
    fn front_matter_and_empty_sections_are_left_out() {
        check("---\ntitle: x\n---\n# A\n## B\nb\n", &[("A > B", "b")]);
        check("---\nno end\n# A\na", &[("", "---\nno end"), ("A", "a")]);
        check("# A\n<!-- lint: allow dead-link -->\na\n", &[("A", "a")]);
        check("", &[]);
        check("only text", &[("", "only text")]);
    }
}
