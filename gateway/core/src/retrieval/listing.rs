//! Lists of pages: `llms.txt`, whose links are read, and sitemaps.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use crate::retrieval::host::Address;

/// The most pages of one source that are read.
pub const MOST_PAGES: usize = 2_000;
/// The most sitemaps that one may list.
pub const MOST_SITEMAPS: usize = 50;
/// The most URLs of a list that are looked at: so many may stand in a sitemap.
const MOST_LOOKED_AT: usize = 50_000;

/// How deep a sitemap nests at most; those with pictures and videos nest half as deep.
const DEEPEST: usize = 8;

/// The pages that an `llms.txt` links, in its order, each once.
#[must_use]
pub fn links(base: &Address, markdown: &str) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut fenced = false;
    let lines = markdown.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    for target in lines.flat_map(targets).take(MOST_LOOKED_AT).flatten() {
        if let Ok(address) = base.join(target)
            && address != *base
            && seen.insert(address.clone())
        {
            found.push(address);
        }
    }
    found
}

/// What the inline links of a line lead to: `[a](b "title")`. None for what is no link: the image
/// `![a](b)`, a place on this page.
fn targets(line: &str) -> impl Iterator<Item = Option<&str>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let at = rest.find("](")?;
        let (before, behind) = (&rest[..at], &rest[at + 2..]);
        rest = behind;
        let is_image = before.rfind('[').is_some_and(|open| before[..open].ends_with('!'));
        let target = match behind.strip_prefix('<') {
            Some(inner) => inner.char_indices().take(LONGEST).find(|(_, c)| *c == '>').map(|(end, _)| &inner[..end]),
            None => closed(behind).and_then(|inner| inner.split_whitespace().next()),
        };
        Some(target.filter(|target| !is_image && !target.is_empty() && !target.starts_with('#')))
    })
}

/// The most characters of a link that are looked at, its title among them.
const LONGEST: usize = 4_096;

/// The text up to the parenthesis that closes a link; a URL may hold balanced ones.
fn closed(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, c) in text.char_indices().take(LONGEST) {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(&text[..at]),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What a sitemap lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sitemap {
    pub pages: Vec<Address>,
    /// Further sitemaps, where it is a list of those.
    pub sitemaps: Vec<Address>,
}

/// Reads a sitemap, keeping the pages that are wanted.
///
/// # Errors
/// A sentence, when it is not one.
pub fn sitemap(base: &Address, xml: &str, wanted: impl Fn(&str) -> bool) -> Result<Sitemap, String> {
    let mut reader = Reader::from_str(xml);
    let mut found = Sitemap::default();
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let (mut looked_at, mut seen) = (0, BTreeSet::new());
    loop {
        let at = reader.buffer_position();
        match reader.read_event().map_err(|error| format!("it is no sitemap: {error}, at byte {at}"))? {
            Event::Start(element) => {
                if path.len() == DEEPEST {
                    return Err(format!("it is no sitemap, for it nests elements deeper than {DEEPEST}, at byte {at}"));
                }
                path.push(element.local_name().as_ref().to_owned());
                if path.len() == 1 && !matches!(path[0].as_str(), "urlset" | "sitemapindex") {
                    return Err(format!("it is no sitemap, for it begins with <{}>", shortened(&path[0])));
                }
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(part) => match resolve_predefined_entity(&part.xml10_content()) {
                Some(known) => text.push_str(known),
                None => return Err(String::from("it is no sitemap: it has an entity that XML does not know")),
            },
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let list = match names.as_slice() {
                    ["urlset", "url", "loc"] => Some((&mut found.pages, MOST_LOOKED_AT)),
                    ["sitemapindex", "sitemap", "loc"] => Some((&mut found.sitemaps, MOST_SITEMAPS)),
                    _ => None,
                };
                if let Some((list, most)) = list {
                    let is_wanted = |address: &Address| names[0] != "urlset" || wanted(address.as_str());
                    let address = base.join(&text).ok().filter(is_wanted);
                    list.extend(address.filter(|address| list.len() < most && seen.insert(address.clone())));
                    looked_at += 1;
                }
                path.pop();
            }
            Event::Eof if path.is_empty() && reader.buffer_position() > 0 => break,
            Event::Eof => return Err(String::from("it is no sitemap: it ends before its end")),
            _ => {}
        }
        if looked_at >= MOST_LOOKED_AT {
            break;
        }
    }
    if looked_at == 0 {
        return Err(String::from("it is a sitemap that lists nothing"));
    }
    Ok(found)
}

fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::try_from(text.to_owned()).unwrap()
    }

    fn texts(addresses: &[Address]) -> Vec<&str> {
        addresses.iter().map(Address::as_str).collect()
    }

    #[test]
    fn the_links_of_an_llms_txt_are_its_pages() {
        let base = address("https://docs.example.com/llms.txt");
        let text = "# Example\n\n> What it is: see [home](https://example.com).\n\n## Docs\n\n\
            - [Start](/start.md): begin here\n- [API](api.md#top \"the API\"), [again](/api.md)\n\
            - [Odd](<https://docs.example.com/a b>) and [balanced](/wiki/A_(b))\n\
            - ![a picture](/logo.png) [mail](mailto:a@example.com) [here](#docs) [open](/never\n\
            ```md\n- [Not a link](/code.md)\n```\n## Optional\n\n- [More](http://other.example.org/more)\n";
        assert_eq!(
            texts(&links(&base, text)),
            [
                "https://example.com/",
                "https://docs.example.com/start.md",
                "https://docs.example.com/api.md",
                "https://docs.example.com/a%20b",
                "https://docs.example.com/wiki/A_(b)",
                "http://other.example.org/more",
            ]
        );
        assert!(links(&base, "").is_empty());
        let many: String = (0..60_000).map(|number| format!("- [p](/p{number}.md)\n")).collect();
        assert_eq!(links(&base, &many).len(), MOST_LOOKED_AT);
        assert!(links(&base, &"](".repeat(1 << 20)).is_empty(), "and soon");
    }

    #[test]
    fn a_sitemap_lists_pages_or_sitemaps() {
        let base = address("https://example.com/sitemap.xml");
        let pages = r#"<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://i">
            <url><loc> https://example.com/docs/a?x=1&amp;y=2 </loc><lastmod>2026-01-01</lastmod>
              <image:image><image:loc>https://example.com/docs/a.png</image:loc></image:image></url>
            <url><loc><![CDATA[https://example.com/docs/b]]></loc></url>
            <url><loc>https://example.com/docs/b</loc></url>
            <url><loc>/blog/c</loc></url><url><loc>javascript:alert(1)</loc></url></urlset>"#;
        let found = sitemap(&base, pages, |url| url.contains("/docs/")).unwrap();
        assert_eq!(texts(&found.pages), ["https://example.com/docs/a?x=1&y=2", "https://example.com/docs/b"]);
        assert!(found.sitemaps.is_empty());
        let index =
            "<sitemapindex><sitemap><loc>/one.xml</loc></sitemap><sitemap><loc>/two.xml</loc></sitemap></sitemapindex>";
        let found = sitemap(&base, index, |_| false).unwrap();
        assert_eq!(texts(&found.sitemaps), ["https://example.com/one.xml", "https://example.com/two.xml"]);
        let many: String = (0..60_000).map(|number| format!("<url><loc>/p{number}</loc></url>")).collect();
        let found = sitemap(&base, &format!("<urlset>{many}</urlset>"), |_| true).unwrap();
        assert_eq!(found.pages.len(), MOST_LOOKED_AT);
    }

    #[test]
    fn what_is_no_sitemap_says_why() {
        let base = address("https://example.com/sitemap.xml");
        for (text, why) in [
            ("", "ends before its end"),
            ("<html><body>Not found</body></html>", "begins with <html>"),
            ("<urlset><url><loc>/a</loc></url>", "ends before its end"),
            ("<urlset></url></urlset>", "it is no sitemap"),
            ("<urlset></urlset>", "lists nothing"),
            (
                "<!DOCTYPE x [<!ENTITY a \"b\"><!ENTITY c \"&a;&a;\">]><urlset><url><loc>&c;</loc></url></urlset>",
                "an entity",
            ),
        ] {
            let error = sitemap(&base, text, |_| true).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let deep = format!("<urlset>{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
        let error = sitemap(&base, &deep, |_| true).unwrap_err();
        assert_eq!(error, "it is no sitemap, for it nests elements deeper than 8, at byte 29");
    }
}
