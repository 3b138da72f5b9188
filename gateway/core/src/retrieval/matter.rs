//! What a page says in its front matter of what it is for. Given `languages: [python, django]` and
//! a title with an `&` in it: Python, and Django, whatever the title says.
//!
//! Only the keys that are ours are read, line by line: a page is somebody else's text, and what is
//! odd about another key must not make it one for everybody. What ours say and cannot be read is
//! told, and the page is shown to nobody that its source does not name.

use std::collections::BTreeSet;

use crate::retrieval::markdown;
use crate::retrieval::page::tag;
use crate::retrieval::profile::{Kind, Tags, detect_page, known};

/// Names that one key may list.
const MOST_NAMES: usize = 20;
/// What no project is.
const NOBODY: &str = "unreadable front matter";

/// Why front matter does not say what a page is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From one.
    pub line: usize,
    /// What is wrong with it, what becomes of the page, and what to do.
    pub sentence: String,
}

impl Tags {
    /// What the front matter of a page says, and what its source says where that says nothing; where
    /// neither says anything, what all its code is in.
    #[must_use]
    pub fn of(markdown: &str, source: &Self) -> Self {
        let (own, problem) = read(markdown);
        if problem.is_some() && (own.is_unreadable || own.is_nobody()) {
            let nobody = || Self { languages: vec![NOBODY.to_owned()], frameworks: Vec::new() };
            return if *source == Self::default() { nobody() } else { source.clone() };
        }
        if own.languages.is_none() && own.frameworks.is_none() && *source == Self::default() {
            return detect_page(markdown::split(markdown).1);
        }
        let or = |own: Option<Vec<String>>, source: &Vec<String>| own.unwrap_or_else(|| source.clone());
        Self { languages: or(own.languages, &source.languages), frameworks: or(own.frameworks, &source.frameworks) }
    }
}

/// What is wrong with what the front matter of a page says of what the page is for.
#[must_use]
pub fn front_matter_problem(markdown: &str) -> Option<Problem> {
    read(markdown).1
}

/// What the keys that are ours say.
#[derive(Debug, Default)]
struct Own {
    languages: Option<Vec<String>>,
    frameworks: Option<Vec<String>>,
    /// The keys that were seen.
    keys: BTreeSet<Key>,
    is_unreadable: bool,
}

impl Own {
    /// Whether names were written and none of them is known.
    fn is_nobody(&self) -> bool {
        [&self.languages, &self.frameworks].into_iter().all(|names| names.as_ref().is_none_or(Vec::is_empty))
    }

    fn add(&mut self, kind: Kind, name: String) {
        let names = if kind == Kind::Framework { &mut self.frameworks } else { &mut self.languages };
        names.get_or_insert_default().push(name);
    }

    /// Takes up what one key says.
    ///
    /// # Errors
    /// What is wrong with it.
    fn take(&mut self, key: Key, value: &[&str]) -> Result<(), Flaw> {
        if !self.keys.insert(key) {
            return Err(Flaw::Twice(key));
        }
        if is_nothing(value) {
            return Ok(());
        }
        let names = names(value).ok_or(Flaw::Value(key))?;
        let said = if key == Key::Frameworks { &mut self.frameworks } else { &mut self.languages };
        // An empty list is said too: for all.
        said.get_or_insert_default();
        let mut unknown = None;
        for name in names {
            match known(&name) {
                // A framework among languages is a framework all the same.
                Some(kind) => self.add(kind, name),
                None => unknown = unknown.or(Some(name)),
            }
        }
        unknown.map_or(Ok(()), |name| Err(Flaw::Unknown(name)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Languages,
    Frameworks,
}

impl Key {
    /// The key that a line begins with, and what stands behind it.
    fn of(line: &str) -> Option<(Self, &str)> {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        let end = line.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(line.len());
        let key = match line[..end].to_lowercase().as_str() {
            "language" | "languages" => Self::Languages,
            "framework" | "frameworks" => Self::Frameworks,
            _ => return None,
        };
        Some((key, line[end..].trim_start_matches(['"', '\'']).trim_start()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Languages => "languages",
            Self::Frameworks => "frameworks",
        }
    }
}

#[derive(Debug)]
enum Flaw {
    Unknown(String),
    Value(Key),
    Twice(Key),
    Toml(Key),
    Open(Key),
}

impl Flaw {
    fn sentence(&self) -> String {
        let why = match self {
            Self::Unknown(name) => {
                return format!(
                    "`{name}` in the front matter is no language or framework that Jetway knows, so it counts for nothing. Where no other is named there, the page is shown for the tags of its source, and without those to nobody. Mend the name, or leave it out."
                );
            }
            Self::Value(key) => format!("`{0}` cannot be read. Write it as `{0}: [one, another]`", key.name()),
            Self::Twice(key) => format!("`{}` stands there twice. Keep one", key.name()),
            Self::Toml(key) => {
                format!("`{}` stands in TOML. Write it in YAML, between two lines `---`", key.name())
            }
            Self::Open(key) => format!("it names `{}` and has no end. End it with a line `---`", key.name()),
        };
        format!(
            "The front matter does not say what this page is for: {why}. Until then it is shown for the tags of its source, and without those to nobody."
        )
    }
}

/// What the front matter of a page says, and the first thing that is wrong with it.
fn read(markdown: &str) -> (Own, Option<Problem>) {
    let mut own = Own::default();
    let Some((mark, behind)) = markdown::begun(markdown) else { return (own, None) };
    let first = markdown[..markdown.len() - behind.len()].matches('\n').count() + 1;
    let inside = markdown::split(markdown).0;
    let is_open = inside.is_none();
    // Without an end it goes on to the first blank line.
    let lines: Vec<&str> = inside.unwrap_or(behind).lines().collect();
    let end = lines.iter().position(|line| is_open && line.trim().is_empty()).unwrap_or(lines.len());
    let lines = &lines[..end];
    let mut problem = None;
    let mut tell = |own: &mut Own, at: usize, flaw: &Flaw| {
        own.is_unreadable |= !matches!(flaw, Flaw::Unknown(_));
        problem.get_or_insert_with(|| Problem { line: first + at, sentence: flaw.sentence() });
    };
    if is_open || mark != "---" {
        let flaw = |key| if is_open { Flaw::Open(key) } else { Flaw::Toml(key) };
        let named = lines.iter().enumerate().find_map(|(at, line)| Some((at, named_by(line)?.0)));
        if let Some((at, key)) = named {
            tell(&mut own, at, &flaw(key));
        }
        return (own, problem);
    }
    let base = lines.iter().find(|line| !is_blank(line)).map_or(0, |line| indent(line));
    let is_top = |line: &&str| !is_blank(line) && indent(line) <= base && !line.trim_start().starts_with(['-', ']']);
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_top(line)) {
        // All of it as one mapping in braces, or a key that is none.
        let braces = line.trim_start().strip_prefix('{').and_then(|inside| inside.split(['{', ',']).find_map(Key::of));
        if let Some((key, _)) = braces {
            tell(&mut own, at, &Flaw::Value(key));
            continue;
        }
        let Some((key, value)) = Key::of(line) else { continue };
        let Some(value) = value.strip_prefix(':') else {
            tell(&mut own, at, &Flaw::Value(key));
            continue;
        };
        let further = lines[at + 1..].iter().take_while(|line| !is_top(line));
        let value: Vec<&str> = std::iter::once(value).chain(further.copied()).collect();
        if let Err(flaw) = own.take(key, &value) {
            tell(&mut own, at, &flaw);
        }
    }
    (own, problem)
}

/// The key that a line of TOML, or of something without an end, names with a value.
fn named_by(line: &str) -> Option<(Key, &str)> {
    Key::of(line).filter(|(_, behind)| behind.starts_with([':', '=']))
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The names that a value lists: one, several with commas between them, or a list of either kind
/// that YAML has. None where it cannot be read.
fn names(value: &[&str]) -> Option<Vec<String>> {
    let lines = value.iter().map(|line| uncommented(line)).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    let first = lines.first()?;
    let items = if value.first().is_some_and(|line| uncommented(line).is_empty()) && first.starts_with('-') {
        let items = lines.iter().map(|line| line.strip_prefix('-').filter(|item| item.starts_with([' ', '\t'])));
        items.collect::<Option<Vec<_>>>()?.join(",")
    } else {
        let text = lines.join(" ");
        match text.strip_prefix('[') {
            Some(inside) => inside.strip_suffix(']')?.trim_end().trim_end_matches(',').to_owned(),
            None => text,
        }
    };
    if items.trim().is_empty() {
        return Some(Vec::new());
    }
    let items: Vec<&str> = items.split(',').collect();
    if items.len() > MOST_NAMES {
        return None;
    }
    items.into_iter().map(|item| tag(unquoted(item.trim()))).collect()
}

/// Whether a value is left out.
fn is_nothing(value: &[&str]) -> bool {
    let mut lines = value.iter().map(|line| uncommented(line)).filter(|line| !line.is_empty());
    lines.next().is_none_or(|first| matches!(first, "~" | "null")) && lines.next().is_none()
}

/// A line without the comment at its end.
fn uncommented(line: &str) -> &str {
    let end = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
    end.map_or(line, |(at, _)| &line[..at]).trim()
}

fn unquoted(name: &str) -> &str {
    ['"', '\''].iter().find_map(|mark| name.strip_prefix(*mark)?.strip_suffix(*mark)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(languages: &[&str], frameworks: &[&str]) -> Tags {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Tags { languages: owned(languages), frameworks: owned(frameworks) }
    }

    /// What a page is for that has this in its front matter, of a source that says nothing.
    #[track_caller]
    fn check(yaml: &str, languages: &[&str], frameworks: &[&str]) {
        let markdown = format!("---\n{yaml}\n---\n# A\n");
        assert_eq!(Tags::of(&markdown, &Tags::default()), tags(languages, frameworks), "{yaml}");
        assert_eq!(front_matter_problem(&markdown), None, "{yaml}");
    }

    #[test]
    fn other_keys_do_not_spoil_ours() {
        for other in [
            "title: Errors & exceptions",
            "description: use **this**",
            "title: a\ntitle: b",
            "title: [never closed",
            "title: \"never closed",
            "a: b: c",
            "a: &a [x]\nb: *a",
            "no yaml at all",
            "description: |\n  language: ruby\n  more",
            "params:\n  language: ruby\n  - x",
            "language_server: ruby",
            "# language: ruby",
            &format!("description: {}", "long ".repeat(2_000)),
        ] {
            check(&format!("{other}\nlanguage: python"), &["python"], &[]);
            check(&format!("language: python\n{other}"), &["python"], &[]);
        }
    }

    #[test]
    fn names_are_written_in_several_ways() {
        for value in [
            " Ruby, javascript",
            " [ruby, JavaScript]",
            " [ 'ruby' , \"javascript\", ]  # both",
            " [\n  ruby,\n  javascript\n]",
            "\n  - ruby\n  - javascript # too",
            "\n- ruby\n\n- 'javascript'",
            "ruby,javascript",
        ] {
            check(&format!("languages:{value}"), &["ruby", "javascript"], &[]);
        }
        check("Languages : go\n\"frameworks\": []", &["go"], &[]);
        check("  language: c#\n  framework: asp.net core", &["c#"], &["asp.net core"]);
        check("languages: python, django", &["python"], &["django"]);
        check("frameworks: [typescript, next.js]", &["typescript"], &["next.js"]);
        check("languages: []\nframeworks: []", &[], &[]);
        check("languages:\nframeworks: ~", &[], &[]);
    }

    #[test]
    fn what_our_keys_say_and_cannot_be_read_shows_the_page_to_nobody_else() {
        let check = |matter: &str, line: usize, why: &str| {
            let markdown = format!("{matter}\n# A\n");
            assert_eq!(Tags::of(&markdown, &Tags::default()), tags(&[NOBODY], &[]), "{matter}");
            let source = tags(&["rust"], &["axum"]);
            assert_eq!(Tags::of(&markdown, &source), source, "{matter}");
            let problem = front_matter_problem(&markdown).unwrap();
            assert_eq!(problem.line, line, "{matter}");
            assert!(problem.sentence.contains(why), "{matter}: {}", problem.sentence);
        };
        let inside = |yaml: &str, line: usize, why: &str| check(&format!("---\n{yaml}\n---"), line, why);
        inside("title: x\nlanguage: pyhton", 3, "`pyhton` in the front matter is no language or framework");
        inside("languages: { a: b }", 2, "`languages` cannot be read. Write it as `languages: [one, another]`");
        inside("a: &a [x]\nlanguages: *a", 3, "`languages` cannot be read");
        inside("languages: [python", 2, "`languages` cannot be read");
        inside("languages: [[python]]", 2, "`languages` cannot be read");
        inside("language: |\n  python", 2, "`languages` cannot be read");
        inside("language: python, **rust**", 2, "`languages` cannot be read");
        inside("languages:\n  - python\n  rust", 2, "`languages` cannot be read");
        inside("languages: python,", 2, "`languages` cannot be read");
        inside(&format!("languages: [{}]", ["python"; 21].join(",")), 2, "`languages` cannot be read");
        inside("frameworks = django", 2, "`frameworks` cannot be read");
        inside("{ title: x, languages: [python] }", 2, "`languages` cannot be read");
        inside("language: python\nlanguages: [ruby]", 3, "`languages` stands there twice");
        inside("framework: django\nframework: flask", 3, "`frameworks` stands there twice");
        check("\n\n--- \nlanguage: pyhton\n---", 4, "`pyhton`");
        check("\u{feff}+++\ntitle = 'x'\nlanguages = ['python']\n+++", 3, "stands in TOML");
        check("---\nlanguage: python", 2, "has no end. End it with a line `---`");
    }

    #[test]
    fn of_names_that_are_known_and_names_that_are_not_the_first_count() {
        let markdown = "---\nlanguages: [pyhton, ruby]\n---\n# A\n";
        assert_eq!(Tags::of(markdown, &tags(&["rust"], &[])), tags(&["ruby"], &[]));
        assert!(front_matter_problem(markdown).unwrap().sentence.contains("`pyhton`"));
    }

    #[test]
    fn a_page_s_own_tags_go_before_those_of_its_source() {
        let source = tags(&["python"], &["django"]);
        let check = |markdown: &str, languages: &[&str], frameworks: &[&str]| {
            assert_eq!(Tags::of(markdown, &source), tags(languages, frameworks), "{markdown}");
        };
        check("# A", &["python"], &["django"]);
        check("---\nlanguages: [Ruby, JavaScript]\ntitle: x\n---\n# A", &["ruby", "javascript"], &["django"]);
        check("---\nlanguage: go\nframeworks: []\n---\n# A", &["go"], &[]);
        check("--- \nlanguage: go\n---\n# A", &["go"], &["django"]);
        check("\n\n---\r\nlanguage: go\r\n---\r\n# A", &["go"], &["django"]);
        check("+++\ntitle = 'x'\n+++\n# A", &["python"], &["django"]);
        check("---\nno end", &["python"], &["django"]);
        check("---\n\n# A\n```yaml\nlanguage: go\n```", &["python"], &["django"]);
    }

    #[test]
    fn a_page_without_any_tags_is_for_what_all_its_code_is_in() {
        let check = |markdown: &str, languages: &[&str], frameworks: &[&str]| {
            assert_eq!(Tags::of(markdown, &Tags::default()), tags(languages, frameworks), "{markdown}");
        };
        let code = "# A\ntext\n# B\n```python\nx\n```\n# C\n```sh\nx\n```\n";
        check(code, &["python"], &[]);
        check(&format!("---\ntitle: x\n---\n{code}"), &["python"], &[]);
        // One that says that it is for all is.
        check(&format!("---\nlanguages: []\n---\n{code}"), &[], &[]);
        check(&format!("{code}```rb\nx\n```"), &[], &[]);
        assert_eq!(Tags::of(code, &tags(&["ruby"], &[])), tags(&["ruby"], &[]));
    }
}
