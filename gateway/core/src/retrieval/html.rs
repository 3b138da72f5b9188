//! HTML to markdown: the part of a page that is its text, without what surrounds it on every page.

use std::collections::HashMap;
use std::rc::Rc;

use htmd::options::{BrStyle, BulletListMarker, Options};
use htmd::{HtmlToMarkdown, Node};
use markup5ever_rcdom::NodeData;

/// A page that nests deeper is no page of text: to walk it would need more of a stack than there is.
const DEEPEST: usize = 256;
/// What walking so deep may take.
const STACK: usize = 32 << 20;

/// Elements that are on every page of a site, or are no text.
const LEFT_OUT: [&str; 15] = [
    "head", "script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "button", "svg",
    "iframe", "dialog", "select",
];

/// The text of a page as markdown.
///
/// # Errors
/// A sentence, when the page cannot be read.
pub fn to_markdown(html: &str) -> Result<String, String> {
    let deep = || format!("it nests elements deeper than {DEEPEST}");
    // The parser's own time grows with the square of the depth, so a bomb must not reach it.
    if depth_of_tags(html) > DEEPEST * 4 {
        return Err(deep());
    }
    stacker::grow(STACK, || {
        let converter = HtmlToMarkdown::builder()
            .options(Options {
                br_style: BrStyle::Backslash,
                bullet_list_marker: BulletListMarker::Dash,
                ul_bullet_spacing: 1,
                ol_number_spacing: 1,
                ..Options::default()
            })
            .skip_tags(LEFT_OUT.to_vec())
            .build();
        let document = converter.html_to_tree(html).map_err(|error| format!("it cannot be read: {error}"))?;
        if depth(&document) > DEEPEST {
            return Err(deep());
        }
        let (title, main) = (find(&document, &|node| is(node, "title")), main(&document));
        let markdown = converter.tree_to_markdown(&main);
        let title = title.map(|title| text(&title)).unwrap_or_default();
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let has_heading = markdown.lines().any(|line| line.starts_with("# "));
        if has_heading || title.is_empty() { Ok(markdown) } else { Ok(format!("# {title}\n\n{markdown}")) }
    })
}

/// The element that holds what the page is about: `main`, or the only `article`, or all of it.
fn main(document: &Rc<Node>) -> Rc<Node> {
    let by_role = |node: &Rc<Node>| is(node, "main") || attribute(node, "role").as_deref() == Some("main");
    find(document, &by_role)
        .or_else(|| find(document, &|node| is(node, "article")).filter(|_| count(document, "article") == 1))
        .unwrap_or_else(|| Rc::clone(document))
}

fn is(node: &Rc<Node>, tag: &str) -> bool {
    matches!(&node.data, NodeData::Element { name, .. } if &*name.local == tag)
}

fn attribute(node: &Rc<Node>, name: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    let attrs = attrs.borrow();
    attrs.iter().find(|found| &*found.name.local == name).map(|found| found.value.to_string())
}

fn text(node: &Rc<Node>) -> String {
    let children = node.children.borrow();
    let parts = children.iter().filter_map(|child| match &child.data {
        NodeData::Text { contents } => Some(contents.borrow().to_string()),
        _ => None,
    });
    parts.collect()
}

/// Visits every node, outermost first, each with its depth.
fn visit(root: &Rc<Node>, mut look: impl FnMut(&Rc<Node>, usize) -> bool) {
    let mut waiting = vec![(Rc::clone(root), 0)];
    while let Some((node, depth)) = waiting.pop() {
        if !look(&node, depth) {
            return;
        }
        waiting.extend(node.children.borrow().iter().rev().map(|child| (Rc::clone(child), depth + 1)));
    }
}

fn find(root: &Rc<Node>, wanted: &dyn Fn(&Rc<Node>) -> bool) -> Option<Rc<Node>> {
    let mut found = None;
    visit(root, |node, _| {
        if wanted(node) {
            found = Some(Rc::clone(node));
        }
        found.is_none()
    });
    found
}

fn count(root: &Rc<Node>, tag: &str) -> usize {
    let mut count = 0;
    visit(root, |node, _| {
        count += usize::from(is(node, tag));
        true
    });
    count
}

fn depth(root: &Rc<Node>) -> usize {
    let mut deepest = 0;
    visit(root, |_, depth| {
        deepest = deepest.max(depth);
        deepest <= DEEPEST
    });
    deepest
}

/// Elements that no end tag needs to close.
const NEVER_CLOSED: [&str; 24] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "p",
    "li", "dt", "dd", "option", "optgroup", "rt", "rp", "path", "circle",
];

/// How deep a page may nest at most, by its tags alone: an end tag closes only one of its own name.
fn depth_of_tags(html: &str) -> usize {
    let mut open: HashMap<String, usize> = HashMap::new();
    let (mut total, mut deepest) = (0_usize, 0);
    for (at, _) in html.match_indices('<') {
        let rest = &html.as_bytes()[at + 1..];
        let is_end = rest.first() == Some(&b'/');
        let name = &rest[usize::from(is_end)..];
        let length = name.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
        if length == 0 || !name[0].is_ascii_alphabetic() {
            continue;
        }
        let name = String::from_utf8_lossy(&name[..length.min(40)]).to_ascii_lowercase();
        if NEVER_CLOSED.contains(&name.as_str()) {
            continue;
        }
        let count = open.entry(name).or_default();
        if is_end && *count > 0 {
            *count -= 1;
            total -= 1;
        } else if !is_end {
            *count += 1;
            total += 1;
            deepest = deepest.max(total);
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_s_own_text_becomes_markdown() {
        let html = r#"<!doctype html><html><head><title>Guide | Site</title><style>p{}</style></head><body>
            <nav><a href="/">Home</a></nav><header>Site</header>
            <main><h1>Capture</h1><p>Call <code>captureException</code> in <a href="/handler">the handler</a>.</p>
            <pre><code class="language-ts"># not a heading
posthog.captureException(error)</code></pre>
            <h2>Options</h2><ul><li>one</li><li><b>two</b></li></ul>
            <table><tr><th>Name</th><th>Type</th></tr><tr><td>a</td><td>b</td></tr></table>
            <script>track()</script></main><footer>© Site</footer></body></html>"#;
        let markdown = to_markdown(html).unwrap();
        for wanted in [
            "# Capture",
            "Call `captureException` in [the handler](/handler).",
            "```ts\n# not a heading\nposthog.captureException(error)\n```",
            "## Options",
            "- one\n- **two**",
            "| Name",
        ] {
            assert!(markdown.contains(wanted), "{wanted}:\n{markdown}");
        }
        for unwanted in ["Home", "Site", "track()", "p{}"] {
            assert!(!markdown.contains(unwanted), "{unwanted}:\n{markdown}");
        }
    }

    #[test]
    fn a_page_without_a_heading_is_headed_by_its_title() {
        let check = |html: &str, expect: &str| assert_eq!(to_markdown(html).unwrap(), expect);
        check("<title>The\n guide</title><p>text", "# The guide\n\ntext");
        check("<title>T</title><article><h1>A</h1>one</article><p>beside", "# A\n\none");
        check("<article>one</article><article>two</article>", "one\n\ntwo");
        check("<div role=main>one</div><p>two", "one");
        check("plain", "plain");
        check("", "");
    }

    #[test]
    fn a_page_that_nests_without_end_is_refused_at_once() {
        for bomb in ["<div>", "<b>", "<div></x>", "<table><tr><td>", "<ul><li>", "<DIV><svg>", "<div></div ><div><i>"] {
            let error = to_markdown(&bomb.repeat(100_000)).unwrap_err();
            assert!(error.contains("deeper than"), "{bomb}: {error}");
        }
        // As deep as is taken can be walked, and long pages of tags left open are none of these.
        let deep = |count: usize| format!("{}x{}", "<div>".repeat(count), "</div>".repeat(count));
        assert!(to_markdown(&deep(DEEPEST - 10)).is_ok());
        assert!(to_markdown(&deep(DEEPEST + 10)).is_err());
        assert!(to_markdown(&"<p>a<li>b<br>".repeat(20_000)).is_ok());
    }
}
