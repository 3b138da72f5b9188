//! HTML to markdown: the part of a page that is its text, without what surrounds it on every page.

mod code;
mod tree;

use std::rc::Rc;

use htmd::element_handler::Handlers;
use htmd::options::{BrStyle, BulletListMarker, Options};
use htmd::{Element, HtmlToMarkdown, Node};
use markup5ever_rcdom::NodeData;

use crate::retrieval::markdown;

/// What walking a tree may take of the stack.
const STACK: usize = 32 << 20;
/// The converter joins neighbours that are alike in a time that grows with the square of their
/// number, so of so many none are joined.
const MOST_JOINED: usize = 1_000;
/// A table is padded until its columns are straight; one that would grow to so many times its text
/// is written as text.
const MOST_PADDING: usize = 20;

/// Elements that are on every page of a site, or are no text.
const LEFT_OUT: [&str; 15] = [
    "head", "script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "button", "svg",
    "iframe", "dialog", "select",
];

/// Roles of elements that stand around the text of a page.
const ROLES: [&str; 5] = ["navigation", "search", "banner", "contentinfo", "complementary"];
/// What documentation systems without elements for it call what stands around the text, as a class or an id.
const AROUND: [&str; 12] = [
    "breadcrumb",
    "breadcrumbs",
    "footer",
    "global-nav",
    "nav",
    "navbar",
    "navfooter",
    "navheader",
    "related",
    "sidebar",
    "sphinxsidebar",
    "toc",
];

/// The text of a page as markdown.
///
/// # Errors
/// A sentence, when the page cannot be read.
pub fn to_markdown(html: &str) -> Result<String, String> {
    stacker::grow(STACK, || {
        let document = tree::read(html)?;
        part_neighbours(&document);
        let (title, main) = (find(&document, &|node| is(node, "title")), main(&document));
        let markdown = converter().tree_to_markdown(&main);
        let title = title.map(|title| text(&title)).unwrap_or_default();
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let has_heading = markdown::headings(&markdown).iter().any(|heading| heading.level == 1);
        if has_heading || title.is_empty() { Ok(markdown) } else { Ok(format!("# {title}\n\n{markdown}")) }
    })
}

fn converter() -> HtmlToMarkdown {
    HtmlToMarkdown::builder()
        .options(Options {
            br_style: BrStyle::Backslash,
            bullet_list_marker: BulletListMarker::Dash,
            ul_bullet_spacing: 1,
            ol_number_spacing: 1,
            ..Options::default()
        })
        .add_handler(vec!["pre"], |_: &dyn Handlers, pre: Element<'_>| code::fence(pre.node).map(Into::into))
        .add_handler(vec!["a"], |handlers: &dyn Handlers, link: Element<'_>| {
            if code::is_anchor(link.node) {
                None
            } else if code::is_in_heading(link.node) {
                Some(handlers.walk_children(link.node))
            } else {
                handlers.fallback(link)
            }
        })
        .add_handler(vec!["div", "span", "td", "ul", "section"], |handlers: &dyn Handlers, element: Element<'_>| {
            if code::is_label(element.node) || is_around(element.node) { None } else { handlers.fallback(element) }
        })
        .add_handler(vec!["table"], |handlers: &dyn Handlers, table: Element<'_>| {
            if is_padding(table.node) {
                return Some(handlers.walk_children(table.node));
            }
            handlers.fallback(table).map(|written| narrow(&written.content).into())
        })
        .skip_tags(LEFT_OUT.to_vec())
        .build()
}

/// Puts nothing between the elements of a node that has very many.
fn part_neighbours(document: &Rc<Node>) {
    visit(document, |node| {
        let mut children = node.children.borrow_mut();
        if children.len() > MOST_JOINED {
            let nothing = || Node::new(NodeData::Text { contents: std::cell::RefCell::default() });
            *children = children.drain(..).flat_map(|child| [child, nothing()]).collect();
        }
        true
    });
}

/// Whether a table would be padding for the most part: its rows, times the widest cell of each column.
fn is_padding(table: &Rc<Node>) -> bool {
    // One in another's cell is never padded.
    if std::iter::successors(tree::parent(table), tree::parent).any(|node| is(&node, "table")) {
        return false;
    }
    let (mut rows, mut widths, mut all) = (0_usize, Vec::new(), 0);
    visit(table, |node| {
        if is(node, "tr") {
            rows += 1;
            let children = node.children.borrow();
            for (at, cell) in children.iter().filter(|child| is(child, "td") || is(child, "th")).enumerate() {
                let width = length(cell);
                all += width + 1;
                if at == widths.len() {
                    widths.push(0);
                }
                widths[at] = width.max(widths[at]);
            }
        }
        true
    });
    rows * widths.iter().map(|width| width + 3).sum::<usize>() > MOST_PADDING * all + (1 << 16)
}

/// A table without the spaces that make its columns straight: a model pays for each.
fn narrow(table: &str) -> String {
    let (mut written, mut rows) = (String::new(), 0);
    for line in markdown::read(table) {
        let row = line.text.strip_prefix("| ").and_then(|row| row.strip_suffix(" |"));
        if let Some(row) = row.filter(|_| line.kind == markdown::Kind::Text) {
            rows += 1;
            let is_rule = rows == 2 && row.bytes().all(|byte| b"-| ".contains(&byte));
            let short = |cell| if is_rule { "---" } else { str::trim(cell) };
            let cells: Vec<_> = row.split('|').map(short).collect();
            written.push_str(&format!("| {} |\n", cells.join(" | ")));
        } else {
            written.push_str(&format!("{}\n", line.text));
        }
    }
    written
}

/// The element that holds what the page is about: `main`, or the only `article`, or all of it.
fn main(document: &Rc<Node>) -> Rc<Node> {
    let by_role = |node: &Rc<Node>| is(node, "main") || attribute(node, "role").as_deref() == Some("main");
    find(document, &by_role)
        .or_else(|| find(document, &|node| is(node, "article")).filter(|_| count(document, "article") == 1))
        .unwrap_or_else(|| Rc::clone(document))
}

/// Whether an element stands around the text of a page, and is the same on every page or only leads to others.
fn is_around(node: &Rc<Node>) -> bool {
    let names = |name: &str| {
        attribute(node, name).is_some_and(|names| names.split_ascii_whitespace().any(|name| AROUND.contains(&name)))
    };
    attribute(node, "role").is_some_and(|role| ROLES.contains(&role.as_str())) || names("class") || names("id")
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

/// Visits every node, outermost first.
fn visit(root: &Rc<Node>, mut look: impl FnMut(&Rc<Node>) -> bool) {
    let mut waiting = vec![Rc::clone(root)];
    while let Some(node) = waiting.pop() {
        if !look(&node) {
            return;
        }
        waiting.extend(node.children.borrow().iter().rev().cloned());
    }
}

fn find(root: &Rc<Node>, wanted: &dyn Fn(&Rc<Node>) -> bool) -> Option<Rc<Node>> {
    let mut found = None;
    visit(root, |node| {
        if wanted(node) {
            found = Some(Rc::clone(node));
        }
        found.is_none()
    });
    found
}

fn count(root: &Rc<Node>, tag: &str) -> usize {
    let mut count = 0;
    visit(root, |node| {
        count += usize::from(is(node, tag));
        true
    });
    count
}

/// How many bytes of text stand in a node.
fn length(root: &Rc<Node>) -> usize {
    let mut length = 0;
    visit(root, |node| {
        if let NodeData::Text { contents } = &node.data {
            length += contents.borrow().len();
        }
        true
    });
    length
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
    fn what_stands_around_the_text_is_left_out_by_its_role_or_its_name() {
        for (site, around) in [
            ("Sphinx", "<div class='sphinxsidebar' role='navigation'><h3>Contents</h3><ul><li>b</ul></div>"),
            ("Sphinx", "<div class='related' aria-label='related navigation'><h3>Navigation</h3></div>"),
            ("Django", "<div id='global-nav'><a href='/'>Home</a></div><div class='nav'>previous</div>"),
            ("DocBook", "<div class='navheader'><table><tr><td>Prev</td></tr></table></div>"),
            ("Doxygen", "<div id='nav-path' class='navpath' role='navigation'>b</div>"),
            ("mkdocs", "<ul class='breadcrumb'><li>Docs</li></ul><div class=toc><ul><li>b</ul></div>"),
        ] {
            let html = format!("<body>{around}<div class=body><h1>A</h1><p>text</p></div>{around}</body>");
            assert_eq!(to_markdown(&html).unwrap(), "# A\n\ntext", "{site}");
        }
        assert_eq!(to_markdown("<div class='navigable tabs'>a</div>").unwrap(), "a");
    }

    #[test]
    fn a_table_is_no_wider_than_its_text() {
        let table = "<table><tr><th>Name</th><th>What it is</th></tr><tr><td>a</td><td>The longest of all</td></tr>\
            <tr><td>a-long-name</td><td><code>x  | y</code></td></tr><tr><td>-</td></tr></table>";
        let rows = "| Name | What it is |\n| --- | --- |\n| a | The longest of all |\n\
            | a-long-name | `x  &#124; y` |\n| - |  |";
        assert_eq!(to_markdown(&format!("<p>x{table}")).unwrap(), format!("x\n\n{rows}"));
        assert_eq!(
            to_markdown(&format!("<blockquote>{table}")).unwrap(),
            rows.lines().map(|row| format!("> {row}")).collect::<Vec<_>>().join("\n")
        );
        // Of a table without headings only the text is written, and code stays as it is.
        let code = "```\n| a    | b |\n| ---- | - |\n```";
        let page = "<table><tr><td><pre><code>| a    | b |\n| ---- | - |\n</code></pre></td></tr></table>";
        assert_eq!(to_markdown(page).unwrap(), code);
    }

    #[test]
    fn a_page_that_nests_without_end_is_refused_at_once() {
        for bomb in [
            "<div>",
            "<b>",
            "<div></x>",
            "<table><tr><td>",
            "<ul><li>",
            "<DIV><svg>",
            "<div></div ><div><i>",
            "<svg><path>",
            "<svg><style><path>",
            "<math><mi>",
            "<template>",
            "<script></script><div>",
            "<!--><div>",
        ] {
            let error = to_markdown(&bomb.repeat(100_000)).unwrap_err();
            assert!(error.contains("deeper than"), "{bomb}: {error}");
        }
        let error = to_markdown(&format!("<svg>{}", "<path>".repeat(100_000))).unwrap_err();
        assert!(error.contains("deeper than"), "{error}");
        // As deep as is taken can be walked, and long pages of tags left open are none of these.
        let deep = |count: usize| format!("{}x{}", "<div>".repeat(count), "</div>".repeat(count));
        assert!(to_markdown(&deep(tree::DEEPEST - 10)).is_ok());
        assert!(to_markdown(&deep(tree::DEEPEST + 10)).is_err());
        for page in ["<p>a<li>b<br>", "<svg><path d='M0 0'/><circle/></svg>", "<!-- <div> --><p>a", "<select><option>x"]
        {
            assert!(to_markdown(&page.repeat(20_000)).is_ok(), "{page}");
        }
        let script = |text: &str| format!("<p>a<script>{}</script><style>{0}</style>", text.repeat(20_000));
        for text in [
            "x = \"<div><svg><path>\";\n",
            "if (a<b && c.d) { e('<b class=\"'); f(x => y); }\n",
            "for(i=0;i<n;i++){t[i]=e(\"<a href='\"+u+\"'>\")}",
            " x<y z",
        ] {
            assert_eq!(to_markdown(&script(text)).unwrap(), "a", "{text}");
        }
    }

    /// Each would take minutes, or gigabytes, if it cost what its writer wanted.
    #[test]
    fn a_page_that_costs_more_than_it_is_long_is_read_soon_or_refused() {
        let attributes = |count: usize| (0..count).map(|at| format!(" a{at}")).collect::<String>();
        let open: String = (0..200).map(|at| format!("<b a={at}>")).collect();
        let long = "x".repeat(500_000);
        let pages = [
            ("elements", format!("<p>{open}{}", "<p>x".repeat(100_000)), Err("elements")),
            ("alike", "<b>x</b>".repeat(120_000), Ok("**x****x**")),
            ("attributes", format!("<p{}>x", attributes(150_000)), Err("attributes")),
            ("end tags", format!("</p =\"a{}>x", attributes(150_000)), Err("attributes")),
            ("hidden", format!("<script>a<b c=\"</script><p{}>x", attributes(150_000)), Err("attributes")),
            ("bodies", format!("<p>x{}", (0..60_000).map(|at| format!("<body a{at}>")).collect::<String>()), Ok("x")),
            ("stray", format!("<table>{}", "<br>".repeat(250_000)), Err("none of its cells")),
            ("options", format!("<p>x<select>{}", "<option>x</option>".repeat(60_000)), Ok("x")),
            ("wide", format!("<table><tr><th>{long}{}</table>", "<tr><td>x".repeat(50_000)), Ok("x")),
            ("many", format!("<table><tr>{}{}</table>", "<th>x".repeat(40_000), "<tr><td>x".repeat(40_000)), Ok("x")),
            ("lists", format!("{}{}", "<ul><li>".repeat(60), "x<br>".repeat(100_000)), Err("lists deeper")),
            ("quotes", format!("{}{}", "<blockquote>".repeat(15), "x<br>".repeat(100_000)), Ok("> x")),
            ("escaped", "&lt;*_".repeat(160_000), Ok("\\*\\_")),
            (
                "ticks",
                format!("<code>{}</code>", (1..1_400).map(|at| "`".repeat(at) + "x").collect::<String>()),
                Ok("x"),
            ),
        ];
        for (name, page, expect) in pages {
            match (to_markdown(&page), expect) {
                (Ok(markdown), Ok(part)) => {
                    assert!(markdown.contains(part) && markdown.len() < 10 * page.len(), "{name}: {}", markdown.len());
                }
                (Err(error), Err(part)) => assert!(error.contains(part), "{name}: {error}"),
                (found, _) => panic!("{name}: {:?}", found.map(|markdown| markdown.len())),
            }
        }
    }
}
