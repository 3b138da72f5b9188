//! Where a policy's pages come from. Given `{ sitemap: https://example.com/sitemap.xml, only:
//! ["**/docs/**"] }`: the pages under `/docs/` that the sitemap lists, asked for anew every hour.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::glob::Glob;
use crate::retrieval::host::Address;
use crate::retrieval::page::tag;
use crate::retrieval::profile::Tags;
use crate::units::Span;

/// As written: an entry of `context.docs`. Exactly one of `folder`, `url`, `llms_txt` and
/// `sitemap` says what it is.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "DocsSource")]
struct Document {
    /// A folder of markdown pages, beside `policy.yaml`.
    folder: Option<String>,
    /// One page of markdown, text or HTML.
    url: Option<Address>,
    /// The pages that an `llms.txt` links. An `llms-full.txt` is one page.
    llms_txt: Option<Address>,
    /// The pages that a sitemap lists.
    sitemap: Option<Address>,
    /// Of a sitemap: patterns of the URLs that are wanted. All are, where it is left out.
    only: Option<Vec<Glob>>,
    /// What it is called in `jetway docs status`; its folder or URL where it is left out.
    name: Option<String>,
    /// How often pages are asked for anew; 1h where it is left out.
    refresh: Option<Span>,
    /// A page that was not seen to be current for longer is stale: of what is fetched 30d where it is left
    /// out, or three times `refresh` where that is longer; of a folder no page is, where it is left out.
    max_age: Option<Span>,
    /// The languages that its pages are about, where they do not say themselves.
    languages: Vec<String>,
    /// The frameworks that its pages are about, where they do not say themselves.
    frameworks: Vec<String>,
}

/// As meant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Document")]
pub struct Source {
    pub name: String,
    pub kind: Kind,
    pub refresh: Duration,
    pub max_age: Option<Duration>,
    pub tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder, relative to the policy's own.
    Folder(String),
    Page(Address),
    LlmsTxt(Address),
    Sitemap {
        list: Address,
        only: Vec<Glob>,
    },
}

impl Kind {
    /// The URL that the configuration names, of a source that is fetched.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Folder(_) => None,
            Self::Page(address) | Self::LlmsTxt(address) | Self::Sitemap { list: address, .. } => Some(address),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("a source is one of `folder`, `url`, `llms_txt` and `sitemap`; this one has {0} of them")]
    NotOne(usize),
    #[error("`docs` must be a folder inside the policy's own, such as `docs`; {0:?} is not")]
    Outside(String),
    #[error("`only` chooses among the pages of a sitemap; this source has none")]
    Only,
    #[error("`only` is empty, so no page would be taken; leave it out to take all")]
    NoneWanted,
    #[error("a folder is read again when it changes, so it has no `refresh`")]
    FolderRefresh,
    #[error("`refresh` must be between 1s and 30d; {0} is not")]
    Refresh(Span),
    #[error("`max_age` must be longer than `refresh`, or every page would be stale before it is asked for again")]
    MaxAge,
    #[error("`name` must have 1 to 80 characters, none of them quotes or brackets; {0:?} has not")]
    Name(String),
    #[error("{0:?} is not the name of a language or a framework, such as `python` or `next.js`")]
    Tag(String),
    #[error("`docs` is empty, so nothing could be shown; name a folder, or leave `context` out")]
    NoSources,
    #[error("there are {0} sources; at most {MOST_SOURCES} are taken")]
    TooMany(usize),
    #[error("two sources are called {0:?}; give one of them another `name`")]
    Twice(String),
}

/// The most sources of one policy.
const MOST_SOURCES: usize = 20;
const REFRESH: Duration = Duration::from_secs(3_600);
/// Long enough for a site that is down for a week, and too short for a page that was given up.
const MAX_AGE: Duration = Duration::from_secs(30 * 86_400);
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(30 * 86_400);

impl TryFrom<Document> for Source {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { folder, url, llms_txt, sitemap, only, name, refresh, max_age, languages, frameworks } = document;
        let is_folder = folder.is_some();
        let kind = kind(folder, (url, llms_txt, sitemap), only)?;
        if is_folder && refresh.is_some() {
            return Err(Problem::FolderRefresh);
        }
        let refresh = refresh.unwrap_or(Span(REFRESH));
        if !(SOONEST..=LATEST).contains(&refresh.0) {
            return Err(Problem::Refresh(refresh));
        }
        if max_age.is_some_and(|most| !is_folder && most.0 <= refresh.0 || most.0.is_zero()) {
            return Err(Problem::MaxAge);
        }
        let name = match (name, &kind) {
            (Some(name), _) => checked(name)?,
            (None, Kind::Folder(folder)) => folder.clone(),
            (None, kind) => kind.address().map(ToString::to_string).unwrap_or_default(),
        };
        let tags = |names: Vec<String>| {
            names.into_iter().map(|name| tag(&name).ok_or(Problem::Tag(name))).collect::<Result<_, _>>()
        };
        let tags = Tags { languages: tags(languages)?, frameworks: tags(frameworks)? };
        let by_default = (!is_folder).then(|| MAX_AGE.max(refresh.0 * 3));
        Ok(Self { name, kind, refresh: refresh.0, max_age: max_age.map(|span| span.0).or(by_default), tags })
    }
}

fn kind(
    folder: Option<String>,
    (url, llms_txt, sitemap): (Option<Address>, Option<Address>, Option<Address>),
    only: Option<Vec<Glob>>,
) -> Result<Kind, Problem> {
    let folder = folder.map(inside).transpose()?.map(Kind::Folder);
    // A whole site in one file is one page, which is cut at its headings like any other.
    let list = llms_txt.map(|list| match list.path().rsplit('/').next() {
        Some("llms-full.txt") => Kind::Page(list),
        _ => Kind::LlmsTxt(list),
    });
    let is_sitemap = sitemap.is_some();
    let wanted = match only {
        Some(_) if !is_sitemap => return Err(Problem::Only),
        Some(only) if only.is_empty() => return Err(Problem::NoneWanted),
        only => only.unwrap_or_default(),
    };
    let sitemap = sitemap.map(|list| Kind::Sitemap { list, only: wanted });
    let mut named: Vec<Kind> = [folder, url.map(Kind::Page), list, sitemap].into_iter().flatten().collect();
    let count = named.len();
    named.pop().filter(|_| count == 1).ok_or(Problem::NotOne(count))
}

fn inside(folder: String) -> Result<String, Problem> {
    if is_outside(&folder) { Err(Problem::Outside(folder)) } else { Ok(folder) }
}

/// Whether a path leads out of the folder that it is relative to.
pub(crate) fn is_outside(path: &str) -> bool {
    path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..")
}

fn checked(name: String) -> Result<String, Problem> {
    let is_sound = (1..=80).contains(&name.chars().count())
        && name.chars().all(|c| !c.is_control() && !"\"'<>".contains(c))
        && name.trim() == name;
    if is_sound { Ok(name) } else { Err(Problem::Name(name)) }
}

/// What `docs` lists: a folder's name, or a list of sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl TryFrom<Vec<Source>> for Sources {
    type Error = Problem;

    fn try_from(sources: Vec<Source>) -> Result<Self, Problem> {
        match sources.len() {
            0 => return Err(Problem::NoSources),
            1..=MOST_SOURCES => {}
            count => return Err(Problem::TooMany(count)),
        }
        for (at, source) in sources.iter().enumerate() {
            if sources[..at].iter().any(|other| other.name == source.name) {
                return Err(Problem::Twice(source.name.clone()));
            }
        }
        Ok(Self(sources))
    }
}

impl Sources {
    /// One folder.
    ///
    /// # Errors
    /// [`Problem`] when it is outside.
    pub fn folder(name: &str) -> Result<Self, Problem> {
        let source = Source::try_from(Document { folder: Some(name.to_owned()), ..Document::default() })?;
        Ok(Self(vec![source]))
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Source] {
        &self.0
    }
}

/// Read by hand, so that a mistake is said in words: an untagged enum only says that nothing fits.
impl<'de> Deserialize<'de> for Sources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Sources;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a folder, or a list of sources such as [{ folder: docs }]")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Sources, E> {
                Sources::folder(text).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Sources, A::Error> {
                let sources = Vec::<Source>::deserialize(SeqAccessDeserializer::new(list))?;
                Sources::try_from(sources).map_err(serde::de::Error::custom)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Sources {
    fn schema_name() -> Cow<'static, str> {
        "DocsSources".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let source = generator.subschema_for::<Document>();
        schemars::json_schema!({
            "description": "A folder of markdown pages beside `policy.yaml`, or a list of sources.",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "minItems": 1, "maxItems": MOST_SOURCES, "items": source },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Sources, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn sources_are_folders_pages_and_lists_of_pages() {
        let only_folder = read("docs").unwrap();
        assert_eq!(only_folder, read("[{ folder: docs }]").unwrap());
        assert_eq!(only_folder.as_slice()[0].kind, Kind::Folder("docs".into()));
        let text = "
            - { url: 'https://a.example.com/x', refresh: 5m, max_age: 2d, languages: [Python], name: guide }
            - { llms_txt: 'https://a.example.com/llms.txt' }
            - { llms_txt: 'https://a.example.com/llms-full.txt' }
            - { sitemap: 'https://a.example.com/sitemap.xml', only: ['**/docs/**'], frameworks: [next.js] }";
        let sources = read(text).unwrap();
        let [page, list, full, sitemap] = sources.as_slice() else { panic!("{sources:?}") };
        assert_eq!((page.name.as_str(), page.refresh.as_secs()), ("guide", 300));
        assert_eq!(
            (page.max_age.unwrap().as_secs(), page.tags.languages.as_slice()),
            (172_800, &["python".into()][..])
        );
        assert!(matches!(list.kind, Kind::LlmsTxt(_)) && list.refresh == REFRESH && list.max_age == Some(MAX_AGE));
        assert_eq!(only_folder.as_slice()[0].max_age, None);
        let seldom = read("[{ url: 'https://a.example.com/x', refresh: 20d }]").unwrap();
        assert_eq!(seldom.as_slice()[0].max_age, Some(Duration::from_secs(60 * 86_400)));
        assert!(matches!(full.kind, Kind::Page(_)));
        let Kind::Sitemap { only, .. } = &sitemap.kind else { panic!("{sitemap:?}") };
        assert!(only[0].matches("https://a.example.com/docs/b") && !only[0].matches("https://a.example.com/blog"));
    }

    #[test]
    fn what_makes_no_source_is_said() {
        for (yaml, why) in [
            ("[]", "`docs` is empty"),
            ("[{}]", "this one has 0 of them"),
            ("[{ folder: docs, url: 'https://a.example.com' }]", "this one has 2 of them"),
            ("../docs", "inside the policy's own"),
            ("[{ folder: /docs }]", "inside the policy's own"),
            ("[{ folder: docs, refresh: 1h }]", "it has no `refresh`"),
            ("[{ url: 'ftp://a' }]", "not a URL such as"),
            ("[{ url: 'https://a:b@c.example.com' }]", "must not hold a credential"),
            ("[{ url: 'https://a.example.com', only: ['*'] }]", "chooses among the pages of a sitemap"),
            ("[{ sitemap: 'https://a.example.com', only: [] }]", "`only` is empty"),
            ("[{ sitemap: 'https://a.example.com', only: ['{'] }]", "cannot be used"),
            ("[{ url: 'https://a.example.com', refresh: 10ms }]", "between 1s and 30d"),
            ("[{ url: 'https://a.example.com', refresh: often }]", "not a length of time"),
            ("[{ url: 'https://a.example.com', max_age: 1h }]", "longer than `refresh`"),
            ("[{ folder: docs, name: '' }]", "1 to 80 characters"),
            ("[{ folder: docs, languages: ['a*b'] }]", "not the name of a language"),
            ("[{ folder: docs }, { folder: docs }]", "two sources are called \"docs\""),
            ("[{ folder: docs, colour: red }]", "unknown field `colour`"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(why), "{yaml}: {error}");
        }
    }
}
