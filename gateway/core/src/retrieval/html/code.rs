//! Code as sites write it, and what they write beside it: given what Sphinx, `VitePress` or Docusaurus
//! makes of three lines of Python, a fence with three lines and the word `python`.

use std::rc::Rc;

use htmd::Node;
use markup5ever_rcdom::NodeData;

use super::tree::parent;
use super::{LEFT_OUT, attribute, is};

/// Classes of what stands beside code and is none of it: numbers of lines.
const NUMBERS: [&str; 12] = [
    "blob-num",
    "gutter",
    "hljs-ln-numbers",
    "line-number",
    "line-numbers-rows",
    "line-numbers-wrapper",
    "lineno",
    "linenodiv",
    "linenos",
    "ln",
    "lnt",
    "rouge-gutter",
];
/// What the elements are that a site wraps around code.
const WRAPPERS: [&str; 9] = ["code", "div", "figure", "pre", "span", "table", "tbody", "td", "tr"];
/// How far out the language may stand: that of a table with numbers stands seven out.
const FARTHEST: usize = 8;
/// Words for code that is in no language that anybody knows.
const NO_LANGUAGE: [&str; 8] = ["default", "none", "nohighlight", "plain", "plaintext", "text", "txt", "unknown"];

/// The fence that a `pre` becomes; none where it holds no code.
pub(super) fn fence(pre: &Rc<Node>) -> Option<String> {
    let code = text(pre);
    let code = code.trim_start_matches('\n').trim_end();
    if code.is_empty() {
        return None;
    }
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let mark = "`".repeat(3.max(longest + 1));
    let language = language(pre).unwrap_or_default();
    Some(format!("\n\n{mark}{language}\n{code}\n{mark}\n\n"))
}

/// The text of code as it is shown: a line where the site breaks one, whichever way it does.
fn text(pre: &Rc<Node>) -> String {
    enum Part {
        Begin(Rc<Node>),
        /// Of an element that stands on lines of its own, and began at this place.
        End(usize),
    }
    let mut text = String::new();
    let mut waiting = vec![Part::Begin(Rc::clone(pre))];
    while let Some(part) = waiting.pop() {
        let node = match part {
            Part::Begin(node) => node,
            Part::End(begin) => {
                if text.len() == begin || !text.ends_with('\n') {
                    text.push('\n');
                }
                continue;
            }
        };
        match &node.data {
            NodeData::Text { contents } => text.push_str(&contents.borrow()),
            NodeData::Element { .. } if is(&node, "br") => text.push('\n'),
            _ if is_beside(&node) => {}
            _ => {
                if ["div", "li", "p", "tr"].iter().any(|tag| is(&node, tag)) {
                    if !text.is_empty() && !text.ends_with('\n') {
                        text.push('\n');
                    }
                    waiting.push(Part::End(text.len()));
                }
                waiting.extend(node.children.borrow().iter().rev().map(|child| Part::Begin(Rc::clone(child))));
            }
        }
    }
    text
}

/// Whether it is no code though it stands in it.
fn is_beside(node: &Rc<Node>) -> bool {
    is_number(node)
        || attribute(node, "aria-hidden").as_deref() == Some("true")
        || LEFT_OUT.iter().any(|tag| is(node, tag))
}

/// Whether it holds numbers of lines.
fn is_number(node: &Rc<Node>) -> bool {
    !is(node, "code") && has_class(node, |class| NUMBERS.contains(&class))
}

/// Whether it stands beside a `pre` and is no text: numbers of lines, or the label with which
/// `VitePress` says the language.
pub(super) fn is_label(node: &Rc<Node>) -> bool {
    let is_code = |outer: &Rc<Node>| is(outer, "div") && has_class(outer, |class| class.starts_with("language-"));
    is(node, "td") && is_number(node)
        || has_class(node, |class| class == "line-numbers-wrapper")
        || has_class(node, |class| class == "lang") && parent(node).as_ref().is_some_and(is_code)
}

fn has_class(node: &Rc<Node>, wanted: impl Fn(&str) -> bool) -> bool {
    attribute(node, "class").is_some_and(|classes| classes.split_ascii_whitespace().any(wanted))
}

/// The language of code: said by what it is in, the nearest first, or by the `code` in it.
fn language(pre: &Rc<Node>) -> Option<String> {
    let inner = super::find(pre, &|node| is(node, "code"));
    let is_wrapper = |node: &Rc<Node>| WRAPPERS.iter().any(|tag| is(node, tag));
    let outer = std::iter::successors(Some(Rc::clone(pre)), parent).take_while(is_wrapper).take(FARTHEST);
    let said = inner.into_iter().chain(outer).find_map(|node| said(&node))?;
    let is_word = said.len() <= 40 && said.chars().all(|c| c.is_alphanumeric() || "+#-_.".contains(c));
    (is_word && !NO_LANGUAGE.contains(&said.as_str())).then_some(said)
}

/// The language that an element says.
fn said(node: &Rc<Node>) -> Option<String> {
    if let Some(named) = ["data-language", "data-lang"].iter().find_map(|name| attribute(node, name)) {
        return Some(named.to_lowercase()).filter(|named| !named.is_empty());
    }
    let classes = attribute(node, "class")?;
    let mut classes = classes.split_ascii_whitespace();
    let is_code = is(node, "pre") || is(node, "code");
    classes.find_map(|class| {
        let named = match class.strip_prefix("highlight-") {
            // GitHub says by what grammar it is coloured: `source-ts`, `text-html-basic`.
            Some(named) => match named.split_once('-') {
                Some(("source", grammar)) => grammar.rsplit('-').next()?,
                Some(("text", grammar)) => grammar.split('-').next()?,
                _ => named,
            },
            None => class.strip_prefix("language-").or_else(|| class.strip_prefix("lang-").filter(|_| is_code))?,
        };
        (!named.is_empty()).then(|| named.to_lowercase())
    })
}

/// What a link says that leads to where it stands.
const ANCHORS: [&str; 7] =
    ["anchor", "copy link", "direct link to", "link to this", "permalink", "permanent link", "section titled"];

/// Whether a link is only there so that a place of the page can be linked: `¶`.
pub(super) fn is_anchor(link: &Rc<Node>) -> bool {
    if !is(link, "a") || attribute(link, "href").is_none_or(|to| !to.contains('#')) {
        return false;
    }
    let text = text(link).to_lowercase();
    let text = text.trim_matches(|c: char| c.is_whitespace() || "#¶§🔗\u{200b}\u{feff}".contains(c));
    text.is_empty() || ANCHORS.iter().any(|anchor| text.starts_with(anchor))
}

/// Whether it leads from a heading to a place of the page, which mostly is that heading.
pub(super) fn is_in_heading(link: &Rc<Node>) -> bool {
    let is_heading = |node: &Rc<Node>| ["h1", "h2", "h3", "h4", "h5", "h6"].iter().any(|tag| is(node, tag));
    attribute(link, "href").is_some_and(|to| to.starts_with('#'))
        && std::iter::successors(parent(link), parent).any(|node| is_heading(&node))
}

#[cfg(test)]
mod tests {
    use crate::retrieval::html::to_markdown;

    #[track_caller]
    fn check(html: &str, expect: &str) {
        assert_eq!(to_markdown(html).unwrap(), expect, "{html}");
    }

    #[test]
    fn code_of_documentation_sites_keeps_its_lines_and_its_language() {
        for (site, html, language) in SITES {
            let expect = format!("before\n\n```{language}\nif a_b:\n    *c* = \"<d>\"\n\n# e\n```\n\nafter");
            assert_eq!(to_markdown(&format!("<p>before</p>{html}<p>after</p>")).unwrap(), expect, "{site}");
        }
    }

    /// As the sites write it, each with the same lines.
    const SITES: [(&str, &str, &str); 17] = [
        (
            "Sphinx",
            r#"<div class="highlight-python notranslate"><div class="highlight"><pre><span></span><span class="k">if</span> <span class="n">a_b</span><span class="p">:</span>
    <span class="o">*</span><span class="n">c</span><span class="o">*</span> <span class="o">=</span> <span class="s2">&quot;&lt;d&gt;&quot;</span>

<span class="c1"># e</span>
</pre></div>
</div>"#,
            "python",
        ),
        (
            "Sphinx, no language",
            r#"<div class="highlight-default notranslate"><div class="highlight"><pre><span></span>if a_b:
    *c* = &quot;&lt;d&gt;&quot;

# e
</pre></div>
</div>"#,
            "",
        ),
        (
            "Sphinx, numbered",
            r#"<div class="highlight-text notranslate"><div class="highlight"><table class="highlighttable"><tr><td class="linenos"><div class="linenodiv"><pre><span class="normal">1</span>
<span class="normal">2</span></pre></div></td><td class="code"><div><pre><span></span>if a_b:
    *c* = &quot;&lt;d&gt;&quot;

# e
</pre></div></td></tr></table></div></div>"#,
            "",
        ),
        (
            "GitHub",
            r#"<div class="highlight highlight-source-ts notranslate position-relative overflow-auto" dir="auto"><pre><span class="pl-k">if</span> a_b:
    <span class="pl-c1">*</span>c* = "&lt;d&gt;"

# e</pre><div class="zeroclipboard-container"><clipboard-copy aria-label="Copy" value="if"><svg><path d="M0"></path></svg></clipboard-copy></div></div>"#,
            "ts",
        ),
        (
            "GitHub, markup",
            "<div class=\"highlight highlight-text-html-basic\"><pre>if a_b:\n    *c* = \"&lt;d&gt;\"\n\n# e</pre></div>",
            "html",
        ),
        (
            "Jekyll",
            r#"<div class="language-ruby highlighter-rouge"><div class="highlight"><pre class="highlight"><code><span class="k">if</span> <span class="n">a_b</span><span class="p">:</span>
    <span class="o">*</span><span class="n">c</span><span class="o">*</span> <span class="o">=</span> <span class="s2">"&lt;d&gt;"</span>

<span class="c1"># e</span>
</code></pre></div></div>"#,
            "ruby",
        ),
        (
            "Jekyll, numbered",
            r#"<div class="language-ruby highlighter-rouge"><div class="highlight"><pre class="highlight"><code><table class="rouge-table"><tbody><tr><td class="rouge-gutter gl"><pre class="lineno">1
2
3
4
</pre></td><td class="rouge-code"><pre><span class="k">if</span> a_b:
    *c* = "&lt;d&gt;"

<span class="c1"># e</span>
</pre></td></tr></tbody></table></code></pre></div></div>"#,
            "ruby",
        ),
        (
            "VitePress",
            r#"<div class="language-ts vp-adaptive-theme line-numbers-mode"><button title="Copy Code" class="copy"></button><span class="lang">ts</span><pre class="shiki shiki-themes github-light github-dark vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#D73A49">if</span> a_b:</span>
<span class="line">    *c* = "&lt;d&gt;"</span>
<span class="line"></span>
<span class="line"># e</span></code></pre><div class="line-numbers-wrapper" aria-hidden="true"><span class="line-number">1</span><br><span class="line-number">2</span><br></div></div>"#,
            "ts",
        ),
        (
            "Docusaurus",
            r#"<div class="language-bash codeBlockContainer_Ckt0 theme-code-block"><div class="codeBlockContent_biex"><pre tabindex="0" class="prism-code language-bash codeBlock_bY9V thin-scrollbar"><code class="codeBlockLines_e6Vv"><span class="token-line" style="color:#F8F8F2"><span class="token plain">if a_b:</span><br></span><span class="token-line" style="color:#F8F8F2"><span class="token plain">    *c* = "&lt;d&gt;"</span><br></span><span class="token-line" style="color:#F8F8F2"><span class="token plain" style="display:inline-block"></span><br></span><span class="token-line" style="color:#F8F8F2"><span class="token comment"># e</span><br></span></code></pre><div class="buttonGroup__atx"><button type="button" aria-label="Copy code to clipboard">Copy</button></div></div></div>"#,
            "bash",
        ),
        (
            "MkDocs Material",
            r##"<div class="language-py highlight"><pre><span></span><code><a id="__codelineno-0-1" name="__codelineno-0-1" href="#__codelineno-0-1"></a><span class="k">if</span> a_b:
<a id="__codelineno-0-2" name="__codelineno-0-2" href="#__codelineno-0-2"></a>    *c* = &quot;&lt;d&gt;&quot;
<a id="__codelineno-0-3" name="__codelineno-0-3" href="#__codelineno-0-3"></a>
<a id="__codelineno-0-4" name="__codelineno-0-4" href="#__codelineno-0-4"></a><span class="c1"># e</span>
</code></pre></div>"##,
            "py",
        ),
        (
            "Hugo",
            r#"<div class="highlight"><pre tabindex="0" class="chroma"><code class="language-go" data-lang="go"><span class="line"><span class="cl"><span class="k">if</span> a_b:
</span></span><span class="line"><span class="cl">    *c* = &#34;&lt;d&gt;&#34;
</span></span><span class="line"><span class="cl">
</span></span><span class="line"><span class="cl"># e
</span></span></code></pre></div>"#,
            "go",
        ),
        (
            "Hugo, numbered",
            r#"<div class="highlight"><div class="chroma"><table class="lntable"><tr><td class="lntd"><pre tabindex="0" class="chroma"><code><span class="lnt">1
</span><span class="lnt">2
</span></code></pre></td><td class="lntd"><pre tabindex="0" class="chroma"><code class="language-go" data-lang="go"><span class="line"><span class="cl">if a_b:
</span></span><span class="line"><span class="cl">    *c* = &#34;&lt;d&gt;&#34;
</span></span><span class="line"><span class="cl">
</span></span><span class="line"><span class="cl"># e
</span></span></code></pre></td></tr></table></div></div>"#,
            "go",
        ),
        ("plain", "<pre>\nif a_b:\n    *c* = \"&lt;d&gt;\"\n\n# e\n</pre>", ""),
        ("plain code", "<pre><code>if a_b:\n    *c* = \"&lt;d&gt;\"\n\n# e\n</code></pre>", ""),
        (
            "rehype-pretty-code",
            r#"<figure data-rehype-pretty-code-figure=""><pre tabindex="0" data-language="tsx" data-theme="min"><code data-language="tsx" style="display: grid;"><span data-line=""><span>if</span> a_b:</span>
<span data-line="">    *c* = "&lt;d&gt;"</span>
<span data-line=""></span>
<span data-line=""># e</span></code></pre></figure>"#,
            "tsx",
        ),
        (
            "Starlight",
            r#"<div class="expressive-code"><figure class="frame"><figcaption class="header"></figcaption><pre data-language="js"><code><div class="ec-line"><div class="gutter"><div class="ln" aria-hidden="true">1</div></div><div class="code"><span style="--0:#C792EA">if</span> a_b:</div></div><div class="ec-line"><div class="code"><span class="indent">    </span>*c* = "&lt;d&gt;"</div></div><div class="ec-line"><div class="code">
</div></div><div class="ec-line"><div class="code"># e</div></div></code></pre><div class="copy"><button title="Copy to clipboard"><div></div></button></div></figure></div>"#,
            "js",
        ),
        (
            "pandoc",
            r##"<div class="sourceCode" id="cb1"><pre class="language-r"><code class="sourceCode language-r"><span id="cb1-1"><a href="#cb1-1" aria-hidden="true" tabindex="-1"></a>if a_b:</span>
<span id="cb1-2">    *c* = "&lt;d&gt;"</span>
<span id="cb1-3"></span>
<span id="cb1-4"># e</span></code></pre></div>"##,
            "r",
        ),
    ];

    #[test]
    fn code_is_fenced_wherever_it_stands() {
        check(
            "<ol><li>Run<pre><code class=language-sh>a\n  b</code></pre></li></ol>",
            "1. Run\n\n   ```sh\n   a\n     b\n   ```",
        );
        check("<blockquote><pre>a\n  b</pre></blockquote>", "> ```\n> a\n>   b\n> ```");
        check("<pre><code>```js\na\n```</code></pre>", "````\n```js\na\n```\n````");
        check("<pre class='language-a`b'>x</pre><pre> </pre>", "```\nx\n```");
        check("<pre><code>    a\n  b</code></pre>", "```\n    a\n  b\n```");
        // Not every class that begins so names a language, nor is all code above it its label.
        check("<main class='language-switch'><pre>x</pre><span class=lang>en</span></main>", "```\nx\n```\n\nen");
        // A comment in code is no heading.
        check("<title>T</title><pre># a</pre>", "# T\n\n```\n# a\n```");
    }

    #[test]
    fn links_to_a_heading_are_not_in_it() {
        for (site, html) in [
            ("Sphinx", r##"<h2>A b<a class="headerlink" href="#a" title="Link to this heading">¶</a></h2>"##),
            (
                "Docusaurus",
                r##"<h2 class="anchor" id="a">A b<a href="#a" class="hash-link" aria-label="Direct link to A b" title="Direct link to A b">&#8203;</a></h2>"##,
            ),
            (
                "VitePress",
                r##"<h2 id="a" tabindex="-1">A b <a class="header-anchor" href="#a" aria-label="Permalink to &quot;A b&quot;">&#8203;</a></h2>"##,
            ),
            ("words", r##"<h2>A b<a href="/page#a">Direct link to A b</a></h2>"##),
            ("mdBook", r##"<h2 id="a"><a class="header" href="#a">A b</a></h2>"##),
            ("rustdoc", r##"<h2 id="a"><a class="doc-anchor" href="#a">§</a>A b</h2>"##),
            ("Hugo", r##"<h2 id="a">A b <a class="anchor" href="#a">#</a></h2>"##),
            (
                "GitHub",
                r##"<div class="markdown-heading" dir="auto"><h2 class="heading-element">A b</h2><a id="user-content-a" class="anchor" aria-label="Permalink: A b" href="#a"><svg><path d="M0"></path></svg></a></div>"##,
            ),
            (
                "Starlight",
                r##"<div class="sl-heading-wrapper level-h2"><h2 id="a">A b</h2><a class="sl-anchor-link" href="#a"><span aria-hidden="true" class="sl-anchor-icon"><svg></svg></span><span class="sr-only">Section titled “A b”</span></a></div>"##,
            ),
        ] {
            assert_eq!(to_markdown(&format!("{html}<p>text")).unwrap(), "## A b\n\ntext", "{site}");
        }
        check("<h2>A <a href='/b'>b</a></h2><p><a href='#c'>c</a>", "## A [b](/b)\n\n[c](#c)");
    }
}
