//! Fetching one page: within a time, within a size, without being led where it must not go.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jetway_core::retrieval::host::{Address, Hosts};
use jetway_core::retrieval::{html, listing};
use rustls::{CertificateError, ClientConfig};

use crate::docs::guard::Guard;
use crate::docs::{MOST_SECTIONS, too_many_sections};
use crate::upstream;

/// How long a page may take, with all redirects.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// The largest page, as it is after decompression.
pub(super) const LARGEST: usize = 4 << 20;
const MOST_REDIRECTS: usize = 5;

/// What is expected at a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Page,
    LlmsTxt,
    Sitemap,
}

/// What a server said of the version that is here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The version that is here is current.
    Unchanged,
    /// A page as it is kept: markdown or text, or a list as it came.
    Text { text: String, validators: Validators },
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Miss {
    /// A sentence.
    pub(super) why: String,
    /// Whether its server says that there is none any more.
    pub(super) is_gone: bool,
}

impl From<String> for Miss {
    fn from(why: String) -> Self {
        Self { why, is_gone: false }
    }
}

/// Fetches pages for one policy. Its connections are its own: one that was opened to a host which
/// this policy allows by name must serve no other.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector<Guard>>, Empty<Bytes>>,
    hosts: Hosts,
}

impl Fetcher {
    pub(super) fn new(tls: ClientConfig, hosts: Hosts) -> Self {
        let mut http = HttpConnector::new_with_resolver(Guard(hosts.clone()));
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(PATIENCE)
            .build(connector);
        Self { client, hosts }
    }

    /// Fetches what is at a URL, if it is not what is here already.
    pub(super) async fn fetch(
        &self,
        address: &Address,
        expected: Expected,
        known: &Validators,
    ) -> Result<Answer, Miss> {
        let (head, body) = match tokio::time::timeout(PATIENCE, self.received(address, known)).await {
            Ok(Ok(Some(received))) => received,
            Ok(Ok(None)) => return Ok(Answer::Unchanged),
            Ok(Err(why)) => return Err(why),
            Err(_) => return Err(format!("it did not arrive within {} s", PATIENCE.as_secs()).into()),
        };
        let validators = validators(&head);
        let address = address.clone();
        // Unpacking and reading HTML is no work for a thread that serves. A page that makes a
        // library panic is an error of that page.
        let read = tokio::task::spawn_blocking(move || read(&address, expected, &head, &body));
        let text = read.await.map_err(|_| String::from("it cannot be read: the reader of its format failed"))??;
        Ok(Answer::Text { text, validators })
    }

    /// Follows redirects, each as carefully as the first; none where nothing has changed.
    async fn received(&self, address: &Address, known: &Validators) -> Result<Option<(HeaderMap, Bytes)>, Miss> {
        let mut at = address.clone();
        for _ in 0..=MOST_REDIRECTS {
            self.hosts.check(&at).map_err(|barred| barred.to_string())?;
            let response = self.ask(&at, known).await?;
            let status = response.status();
            match status {
                StatusCode::OK => {
                    let (head, body) = response.into_parts();
                    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
                        let is_large = error.is::<http_body_util::LengthLimitError>();
                        if is_large { too_large() } else { String::from("it broke off") }
                    })?;
                    return Ok(Some((head.headers, body.to_bytes())));
                }
                StatusCode::NOT_MODIFIED if *known != Validators::default() => return Ok(None),
                _ if is_redirect(status) => {
                    let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
                    let to = to.ok_or_else(|| format!("it answered {status} without saying where to"))?;
                    at = at.join(to).map_err(|error| format!("it was moved to where nothing can be: {error}"))?;
                }
                _ => {
                    let is_gone = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
                    return Err(Miss { why: format!("it answered {status}"), is_gone });
                }
            }
        }
        Err(format!("it was moved more than {MOST_REDIRECTS} times").into())
    }

    async fn ask(&self, address: &Address, known: &Validators) -> Result<Response<Incoming>, String> {
        let mut request = Request::get(address.as_str())
            .header(header::ACCEPT, "text/markdown, text/plain;q=0.9, text/html;q=0.8, */*;q=0.1")
            .header(header::ACCEPT_ENCODING, "gzip, identity;q=0.5")
            .header(header::USER_AGENT, concat!("jetway/", env!("CARGO_PKG_VERSION")));
        let conditions = [(header::IF_NONE_MATCH, &known.etag), (header::IF_MODIFIED_SINCE, &known.last_modified)];
        for (name, value) in conditions {
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                request = request.header(name, value);
            }
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        self.client.request(request).await.map_err(|error| unreached(&error))
    }
}

/// Why there is no answer, and of a certificate what to do.
fn unreached(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(at) = cause {
        match of_tls(at) {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => return String::from(UNTRUSTED),
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(why))) => {
                return format!("its certificate cannot be trusted: {why}");
            }
            Some(rustls::Error::InvalidCertificate(why)) => {
                return format!("its certificate cannot be trusted: {why}");
            }
            _ => cause = at.source(),
        }
    }
    upstream::innermost(error)
}

const UNTRUSTED: &str = "its certificate is of an authority that this machine does not trust; add that to the machine's certificates, or to those of a file that SSL_CERT_FILE names";

/// The error of TLS that this is, or that it only wraps: of those the source is another.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.downcast_ref().or_else(|| of_tls(wrapped?))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn too_large() -> String {
    format!("it is larger than {} MiB", LARGEST >> 20)
}

fn validators(head: &HeaderMap) -> Validators {
    let value = |name| head.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    Validators { etag: value(header::ETAG), last_modified: value(header::LAST_MODIFIED) }
}

/// The text of what was received, as it is kept.
fn read(address: &Address, expected: Expected, head: &HeaderMap, body: &Bytes) -> Result<String, String> {
    let plain = unpacked(head, body)?;
    let text = String::from_utf8(plain).map_err(|_| String::from("it is not in UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let format = format(address, head)?;
    match (expected, format) {
        (Expected::Sitemap, _) => listing::sitemap(address, text, |_| true).map(|_| text.to_owned()),
        (_, Format::Xml) => Err(String::from("it is XML, and neither markdown, text nor HTML")),
        (Expected::LlmsTxt, Format::Html) => Err(String::from("it is HTML, and no llms.txt")),
        (Expected::LlmsTxt, Format::Text) if listing::links(address, text).is_empty() => {
            Err(String::from("it links no page"))
        }
        (Expected::LlmsTxt, Format::Text) => Ok(text.to_owned()),
        (Expected::Page, Format::Text) => filled(text.to_owned()),
        (Expected::Page, Format::Html) => html::to_markdown(text).and_then(filled),
    }
}

fn filled(text: String) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(String::from("it has no text; perhaps a browser would have to make it"));
    }
    match too_many_sections(&text) {
        Some(count) => Err(format!("it has {count} sections, and at most {MOST_SECTIONS} are read")),
        None => Ok(text),
    }
}

/// The body without its compression. A sitemap may be a compressed file besides.
fn unpacked(head: &HeaderMap, body: &Bytes) -> Result<Vec<u8>, String> {
    let encoding = head.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim().to_lowercase());
    let is_packed = match encoding.as_deref() {
        None | Some("" | "identity") => body.starts_with(&[0x1f, 0x8b]),
        Some("gzip" | "x-gzip") => true,
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            return Err(format!("it came in the encoding {other:?}, which was not asked for"));
        }
    };
    if !is_packed {
        return Ok(body.to_vec());
    }
    let mut plain = Vec::new();
    // One byte more than is allowed tells a page that fits from one that goes on.
    let unpacked = flate2::read::MultiGzDecoder::new(&body[..]).take(LARGEST as u64 + 1).read_to_end(&mut plain);
    unpacked.map_err(|error| format!("it cannot be decompressed: {error}"))?;
    if plain.len() > LARGEST { Err(too_large()) } else { Ok(plain) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Html,
    Xml,
}

fn format(address: &Address, head: &HeaderMap) -> Result<Format, String> {
    let kind = head.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?").to_lowercase());
    let kind = kind.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let path = address.path();
    let is_named_text = [".md", ".markdown", ".mdx", ".txt"].iter().any(|end| path.ends_with(end));
    match kind {
        Some("text/markdown" | "text/x-markdown" | "text/plain") => Ok(Format::Text),
        Some("text/html" | "application/xhtml+xml") => Ok(Format::Html),
        Some("application/xml" | "text/xml" | "application/gzip" | "application/x-gzip") => Ok(Format::Xml),
        // Plain file servers do not know what markdown is.
        None | Some("application/octet-stream") if is_named_text => Ok(Format::Text),
        None | Some("application/octet-stream") if path.ends_with(".xml") => Ok(Format::Xml),
        kind => {
            let kind: String = kind.unwrap_or("nothing").chars().take(60).collect();
            Err(format!("it says that it is {kind}, and neither markdown, text nor HTML"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn address(text: &str) -> Address {
        Address::try_from(text.to_owned()).unwrap()
    }

    fn head(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<http::HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn packed(text: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    #[track_caller]
    fn check(path: &str, expected: Expected, pairs: &[(&str, &str)], body: &Bytes, expect: Result<&str, &str>) {
        let found = read(&address(&format!("https://example.com{path}")), expected, &head(pairs), body);
        match (&found, expect) {
            (Ok(text), Ok(expect)) => assert_eq!(text, expect),
            (Err(error), Err(why)) => assert!(error.contains(why), "{error}"),
            _ => panic!("{found:?}"),
        }
    }

    #[test]
    fn pages_are_markdown_text_or_html_and_nothing_else() {
        let page = |path: &str, kind: &str, body: &str, expect: Result<&str, &str>| {
            let pairs = if kind.is_empty() { vec![] } else { vec![("content-type", kind)] };
            check(path, Expected::Page, &pairs, &Bytes::copy_from_slice(body.as_bytes()), expect);
        };
        page("/a", "text/markdown; charset=utf-8", "\u{feff}# A", Ok("# A"));
        page("/a", "Text/Plain", "a", Ok("a"));
        page("/a", "text/html", "<h1>A</h1>", Ok("# A"));
        page("/a.md", "", "# A", Ok("# A"));
        page("/a.md", "application/octet-stream", "# A", Ok("# A"));
        page("/a", "", "# A", Err("it says that it is nothing"));
        page("/a", "application/pdf", "%PDF", Err("it says that it is application/pdf"));
        page("/a", "application/json", "{}", Err("application/json"));
        page("/a", "application/xml", "<a/>", Err("it is XML"));
        page("/a", "text/html", "<div id=root></div><script>x</script>", Err("it has no text"));
        page("/a", "text/plain", " \n", Err("it has no text"));
        page(
            "/a",
            "text/plain",
            &"# A\na\n".repeat(MOST_SECTIONS + 1),
            Err("it has 10001 sections, and at most 10000"),
        );
        let latin = Bytes::from_static(b"caf\xe9");
        check("/a", Expected::Page, &[("content-type", "text/plain")], &latin, Err("not in UTF-8"));
    }

    #[test]
    fn lists_are_what_they_should_be() {
        let text = [("content-type", "text/plain")];
        let list = Bytes::from_static(b"- [a](/a)");
        check("/llms.txt", Expected::LlmsTxt, &text, &list, Ok("- [a](/a)"));
        check("/llms.txt", Expected::LlmsTxt, &text, &Bytes::from_static(b"# none"), Err("it links no page"));
        let html = [("content-type", "text/html")];
        check("/llms.txt", Expected::LlmsTxt, &html, &list, Err("it is HTML"));
        let map = "<urlset><url><loc>/a</loc></url></urlset>";
        let xml = [("content-type", "application/xml")];
        check("/s.xml", Expected::Sitemap, &xml, &Bytes::from_static(map.as_bytes()), Ok(map));
        check(
            "/s.xml.gz",
            Expected::Sitemap,
            &[("content-type", "application/gzip")],
            &packed(map.as_bytes()),
            Ok(map),
        );
        check("/s.xml", Expected::Sitemap, &html, &Bytes::from_static(b"<html></html>"), Err("it is no sitemap"));
    }

    #[tokio::test]
    async fn a_page_is_asked_for_with_what_was_said_of_the_version_that_is_here() {
        let pages = jetway_support::pages::Pages::start();
        let since = "Wed, 21 Oct 2026 07:28:00 GMT";
        pages.page("/a", 200, &[("content-type", "text/plain"), ("last-modified", since)], "a");
        pages.page("/b", 304, &[], "");
        let hosts = Hosts::try_from(vec!["localhost".to_owned()]).unwrap();
        let fetcher = Fetcher::new(crate::tls::client().unwrap(), hosts);
        let ask = async |path: &str, known: &Validators| {
            fetcher.fetch(&address(&pages.url(path)), Expected::Page, known).await
        };
        let Ok(Answer::Text { text, validators }) = ask("/a", &Validators::default()).await else { panic!("no page") };
        assert_eq!((text.as_str(), validators.last_modified.as_deref()), ("a", Some(since)));
        assert!(!pages.asked()[0].head.contains("if-"));
        assert_eq!(ask("/a", &validators).await, Ok(Answer::Unchanged));
        let etag = validators.etag.clone().unwrap();
        for header in [format!("if-none-match: {etag}"), format!("if-modified-since: {}", since.to_lowercase())] {
            assert!(pages.asked()[1].head.contains(&header), "{header}");
        }
        // Nothing is here that could be unchanged.
        assert_eq!(ask("/b", &Validators::default()).await, Err("it answered 304 Not Modified".to_owned().into()));
        pages.page("/c", 410, &[], "");
        let gone = ask("/c", &Validators::default()).await.unwrap_err();
        assert_eq!((gone.why.as_str(), gone.is_gone), ("it answered 410 Gone", true));
    }

    #[test]
    fn compression_is_undone_within_bounds() {
        let gzip = [("content-type", "text/plain"), ("content-encoding", "gzip")];
        check("/a", Expected::Page, &gzip, &packed(b"# A"), Ok("# A"));
        check("/a", Expected::Page, &gzip, &packed(&vec![b'a'; LARGEST + 1]), Err("larger than 4 MiB"));
        check("/a", Expected::Page, &gzip, &Bytes::from_static(b"no gzip"), Err("cannot be decompressed"));
        let brotli = [("content-type", "text/plain"), ("content-encoding", "br")];
        check("/a", Expected::Page, &brotli, &Bytes::from_static(b"x"), Err("the encoding \"br\""));
    }
}
