//! Texts that disagree about the same thing: where a symbol is imported from, what an environment
//! variable is called and what its value is, whether something is still used. Pages, the prose of
//! steps and the code of airplanes count alike.
//!
//! What is compared are sections, for a page can contradict itself. Two ways that stand side by side
//! in one section are there to be told apart, and so are those of different platforms or versions.
//! What a text itself calls wrong is not what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::audience::Audience;
use super::claims::{Claim, Subject, of_code, of_words};
use super::gone::gone;
use super::installs::{Registry, installed, is_of, modules};
use super::prose::{Prose, above, front, is_denied_fence, lines, prose};
use super::{Facts, Finding, Text};
use crate::retrieval::markdown;
use crate::retrieval::profile::{Tags, detect};

/// What is said above what is no longer, or not yet, done.
static VERSIONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:(?:before|after|since|until)\s+(?:\S+\s+)?v?\d+|older?|earlier|legacy|previous|deprecated|versions?|migrat\w*|upgrad\w*|v?\d+\.\d+|v\d+)\b").ok()
});
/// A comment that calls the code below it, or before it in its line, wrong.
static WRONG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = r"[❌✗✘🚫]|(?:wrong|bad|incorrect|don['’]t|do\s+not|never|avoid|deprecated|legacy)\b|(?:old|before)\s*(?:[:(]|v?\d|$)";
    Regex::new(&format!(r"(?i)(?://|#|--|/\*|<!--)\s*(?:{words})")).ok()
});

/// A section of a page, or a file of an airplane.
pub(super) struct Part {
    pub(super) file: String,
    /// From one.
    pub(super) first_line: usize,
    text: String,
    /// Its code, each piece with the line that it begins in.
    pub(super) code: Vec<(usize, String)>,
    /// The rest; of a file there is none.
    pub(super) prose: Vec<Prose>,
    pub(super) audience: Audience,
    /// Its headings say that it is about another version.
    pub(super) is_other_version: bool,
}

/// Where something was said, and what.
struct Said<'a> {
    part: &'a Part,
    line: usize,
    what: String,
}

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let parts = parts(facts);
    let mut claims: BTreeMap<Subject, Vec<Said<'_>>> = BTreeMap::new();
    let imports = imports(&parts);
    for part in parts.iter().filter(|part| !part.is_other_version) {
        let imports = imports.get(part.file.as_str());
        for (line, subject, what) in
            part.claims().into_iter().chain(imports.into_iter().flat_map(|all| part.packages(all)))
        {
            claims.entry(subject).or_default().push(Said { part, line, what });
        }
    }
    let mut found: Vec<Finding> =
        claims.iter().filter_map(|(subject, said)| differing(subject, said, &parts)).collect();
    found.extend(gone(&parts));
    found
}

/// The files of airplanes, and then the sections of pages, so that a page is told which contradicts
/// code that runs.
fn parts(facts: &Facts<'_>) -> Vec<Part> {
    let mut known: BTreeMap<(Vec<String>, Vec<String>), Audience> = BTreeMap::new();
    let mut audience = |tags: Tags| {
        let key = (tags.languages.clone(), tags.frameworks.clone());
        known.entry(key).or_insert_with(|| Audience::of(tags)).clone()
    };
    let mut found = Vec::new();
    for plane in facts.airplanes {
        found.extend(plane.files.iter().map(|file| Part {
            file: format!("airplanes/{}/{}", plane.name, file.path),
            first_line: 1,
            text: file.text.clone(),
            code: vec![(1, meant(&file.text))],
            prose: Vec::new(),
            audience: audience(plane.tags.clone()),
            is_other_version: false,
        }));
    }
    let (pages, others): (Vec<&Text>, Vec<&Text>) = facts.texts.iter().partition(|text| text.tags.is_some());
    for text in pages.into_iter().chain(others) {
        found.extend(sections(text).into_iter().map(|(first_line, section, titles)| {
            // As it is told for whom a passage is: by tags, or else by its code.
            let own = [text.tags.clone().unwrap_or_default(), detect(&section), detect(&text.text)];
            let tags = own.into_iter().find(|tags| *tags != Tags::default()).unwrap_or_default();
            let section = Text { file: text.file.clone(), text: section, tags: None, page: None };
            let prose = prose(&section);
            Part {
                code: code(&section.text, first_line, &prose),
                prose,
                file: section.file,
                first_line,
                audience: audience(tags),
                is_other_version: is_of_version(&titles),
                text: section.text,
            }
        }));
    }
    found
}

/// What each file imports: it is often installed in one section, and imported in the next.
fn imports(parts: &[Part]) -> BTreeMap<&str, BTreeSet<(Registry, String)>> {
    let mut found: BTreeMap<&str, BTreeSet<(Registry, String)>> = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.is_other_version) {
        let code = part.code.iter().map(|(_, code)| code.as_str());
        let spoken = part.prose.iter().flat_map(|prose| prose.text.split('`').skip(1).step_by(2));
        found.entry(&part.file).or_default().extend(code.chain(spoken).flat_map(modules));
    }
    found
}

fn is_of_version(text: &str) -> bool {
    VERSIONS.as_ref().is_some_and(|versions| versions.is_match(text))
}

/// The sections of a text, each with the line that it begins in and the headings above it.
fn sections(text: &Text) -> Vec<(usize, String, String)> {
    let lines: Vec<&str> = text.text.lines().collect();
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    let first = front(text) + 1;
    let mut begin = first;
    let section = |begin: usize, end: usize| lines.get(begin - 1..end - 1).unwrap_or_default().join("\n");
    let titles =
        |above: &[(usize, String)]| above.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>().join(" > ");
    for heading in markdown::headings(&text.text).into_iter().filter(|heading| heading.line >= first) {
        found.push((begin, section(begin, heading.line), titles(&above)));
        begin = heading.line;
        above.retain(|(level, _)| *level < heading.level);
        above.push((heading.level, heading.title.into_owned()));
    }
    found.push((begin, section(begin, lines.len() + 1), titles(&above)));
    found
}

/// The code of a section, each piece with its line; none that is shown as wrong, or as of another
/// version.
fn code(section: &str, first_line: usize, prose: &[Prose]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut last = 0;
    for line in lines(section).into_iter().filter(|line| line.fence.is_some()) {
        match found.last_mut().filter(|_| last + 1 == line.number) {
            Some((_, code)) => {
                code.push('\n');
                code.push_str(line.text);
            }
            None => found.push((line.number, line.text.to_owned())),
        }
        last = line.number;
    }
    let is_shown = |(line, _): &(usize, String)| {
        let lead = above(prose, *line).map_or("", |lead| lead.text.trim_end());
        !(is_denied_fence(prose, *line) || lead.ends_with(':') && is_of_version(lead))
    };
    found.into_iter().filter(is_shown).map(|(line, code)| (first_line + line - 1, meant(&code))).collect()
}

/// Code, without the lines that its comments call wrong; they are left empty.
fn meant(code: &str) -> String {
    let is_wrong = |line: &str| WRONG.as_ref().is_some_and(|wrong| wrong.is_match(line));
    let mut is_below = false;
    let kept = code.lines().map(|line| {
        let trimmed = line.trim_start();
        let is_comment = ["//", "#", "--", "/*", "<!--"].iter().any(|mark| trimmed.starts_with(mark));
        if is_comment || trimmed.is_empty() {
            is_below = is_wrong(line);
        }
        if is_below || is_wrong(line) { "" } else { line }
    });
    kept.collect::<Vec<_>>().join("\n")
}

impl Part {
    /// What it says, each with its line.
    fn claims(&self) -> Vec<Claim> {
        self.said(of_code, of_words)
    }

    /// What it installs for what its file imports.
    fn packages(&self, imports: &BTreeSet<(Registry, String)>) -> Vec<Claim> {
        let claims = |text: &str| -> Vec<Claim> {
            let all = installed(text).into_iter().flat_map(|(at, registry, package)| {
                // What is imported by its own name is there for itself.
                let own = (registry, package.clone());
                let is_it =
                    |module: &str| module == package || !imports.contains(&own) && is_of(registry, module, &package);
                let modules = imports.iter().filter(|(of, module)| *of == registry && is_it(module));
                let subjects: Vec<Subject> =
                    modules.map(|(_, module)| Subject::Package(registry, module.clone())).collect();
                subjects.into_iter().map(move |subject| (at, subject, package.clone()))
            });
            all.collect()
        };
        self.said(claims, claims)
    }

    /// What is read out of its code and of its words, each with its line.
    fn said(&self, of_code: impl Fn(&str) -> Vec<Claim>, of_words: impl Fn(&str) -> Vec<Claim>) -> Vec<Claim> {
        let code = self.code.iter().flat_map(|(first, code)| {
            let said = of_code(code).into_iter();
            said.map(move |(at, subject, what)| (first + code[..at].matches('\n').count(), subject, what))
        });
        let words = self.prose.iter().flat_map(|prose| {
            let said = of_words(&prose.text).into_iter().filter(|(at, _, what)| !prose.denies(*at, at + what.len()));
            said.map(|(at, subject, what)| (self.first_line + prose.line_at(at) - 1, subject, what))
        });
        code.chain(words).collect()
    }

    /// Whether it speaks of something: of a variable, of a module in marks or as Python imports it, or of a
    /// package in marks or as one that is installed.
    fn names(&self, subject: &Subject, name: &str) -> bool {
        match subject {
            // What is imported may have the name of another package.
            Subject::Package(registry, _) => {
                let is_it = |(_, from, package): &(usize, Registry, String)| from == registry && package == name;
                return self.text.contains(&format!("`{name}`")) || installed(&self.text).iter().any(is_it);
            }
            Subject::Import(_) => {}
            _ => return has_word(&self.text, name),
        }
        let quoted = ['`', '\'', '"'].iter().any(|mark| self.text.contains(&format!("{mark}{name}{mark}")));
        quoted || self.text.contains(&format!("from {name} import"))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.file == other.file && self.first_line == other.first_line
    }
}

/// The first pair that one project could be shown and that says two things.
fn differing(subject: &Subject, said: &[Said<'_>], parts: &[Part]) -> Option<Finding> {
    // What stands side by side is told apart.
    let is_apart = |one: &str, other: &str| match subject {
        Subject::Import(_) | Subject::Package(..) | Subject::Variable(_) => {
            parts.iter().any(|part| part.names(subject, one) && part.names(subject, other))
        }
        // A page tells apart for all its sections what has a name of its own.
        Subject::Value(_) if one.contains('.') => parts
            .iter()
            .filter(|part| part.names(subject, one))
            .any(|here| parts.iter().any(|there| there.file == here.file && there.names(subject, other))),
        _ => said
            .iter()
            .filter(|said| said.what == one)
            .any(|here| said.iter().any(|there| there.what == other && there.part.file == here.part.file)),
    };
    said.iter().enumerate().find_map(|(at, one)| {
        let other = said[..at].iter().find(|other| {
            other.what != one.what
                && !other.part.is(one.part)
                && one.part.audience.meets(&other.part.audience)
                && subject.clash(&one.what, &other.what)
                && !is_apart(&one.what, &other.what)
        })?;
        let where_to = format!("{}:{} says `{}`", other.part.file, other.line, other.what);
        Some(Finding {
            file: one.part.file.clone(),
            line: one.line,
            rule: "disagreement",
            sentence: subject.sentence(&one.what, &where_to),
        })
    })
}

/// Whether a name stands there, and not in a longer one: `posthog` does not in `posthog-js`.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-".contains(c);
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}
