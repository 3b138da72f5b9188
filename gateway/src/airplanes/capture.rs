//! A server on loopback that takes what analytics SDKs send, and keeps the events.

use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_ENCODING, CONTENT_TYPE, ORIGIN,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jetway_core::retrieval::airplane::events::Event;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::form_urlencoded;

/// The largest body, as it is sent and as it is meant.
const MAX_BODY: usize = 20 << 20;
/// The most events and problems that are kept.
const MAX_KEPT: usize = 50_000;
const MAX_CONNECTIONS: usize = 256;
/// How long a connection may be silent, or a body take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What arrived.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub events: Vec<Event>,
    /// What could not be read, in sentences.
    pub problems: Vec<String>,
    /// When something came last.
    pub last: Option<Instant>,
}

/// The server; it goes when this goes.
#[derive(Debug)]
pub struct Capture {
    pub address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    _serving: JoinSet<()>,
}

impl Capture {
    /// Listens on loopback, at any port.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heard = Arc::<Mutex<Heard>>::default();
        let mut serving = JoinSet::new();
        serving.spawn(listen(listener, Arc::clone(&heard)));
        Ok(Self { address, heard, _serving: serving })
    }

    /// What has arrived so far.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn listen(listener: TcpListener, heard: Arc<Mutex<Heard>>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS || connections.try_join_next().is_some() {
            if connections.len() >= MAX_CONNECTIONS {
                connections.join_next().await;
            }
        }
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&heard)))),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(stream: TcpStream, heard: Arc<Mutex<Heard>>) {
    let service = service_fn(|request| {
        let heard = Arc::clone(&heard);
        async move { Ok::<_, Infallible>(answer(request, &heard).await) }
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    // An application that is killed breaks its connections; there is nobody to be told.
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: Request<Incoming>, heard: &Mutex<Heard>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let (status, kind, text) = if head.method == Method::OPTIONS {
        (StatusCode::NO_CONTENT, "text/plain", "")
    } else {
        let body = tokio::time::timeout(PATIENCE, Limited::new(body, MAX_BODY).collect()).await;
        let body = match body {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(_)) => Err(format!("the body did not arrive whole, or has more than {MAX_BODY} bytes")),
            Err(_) => Err("the body did not arrive in time".to_owned()),
        };
        match fixed(&path) {
            Some((kind, text)) => (StatusCode::OK, kind, text),
            None => {
                let query = head.uri.query().unwrap_or_default();
                let read = body.and_then(|body| decoded(&head.headers, query, &body));
                match keep(heard, &path, read) {
                    true => (StatusCode::OK, "application/json", "{\"status\":1}"),
                    false => (StatusCode::BAD_REQUEST, "application/json", "{\"status\":0}"),
                }
            }
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    allow(&head.headers, response.headers_mut());
    response
}

/// Keeps what was read; false where it could not be.
fn keep(heard: &Mutex<Heard>, path: &str, read: Result<Option<Value>, String>) -> bool {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.last = Some(Instant::now());
    match read {
        Ok(body) => {
            let events = body.as_ref().map(Event::all).unwrap_or_default();
            let room = MAX_KEPT.saturating_sub(heard.events.len());
            heard.events.extend(events.into_iter().take(room));
            true
        }
        Err(why) => {
            let problem = format!("what was sent to {path} could not be read: {why}");
            if heard.problems.len() < MAX_KEPT && !heard.problems.contains(&problem) {
                heard.problems.push(problem);
            }
            false
        }
    }
}

/// What SDKs ask for beside sending events: flags, their own configuration, more scripts.
fn fixed(path: &str) -> Option<(&'static str, &'static str)> {
    let is_under = |name: &str| path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    if is_under("/flags") || is_under("/decide") {
        return Some(("application/json", "{\"flags\":{}}"));
    }
    if path.ends_with(".js") {
        return Some(("text/javascript", ""));
    }
    (is_under("/array") || is_under("/api")).then_some(("application/json", "{}"))
}

/// A page of any origin may send what it likes, with credentials too.
fn allow(asked: &HeaderMap, answered: &mut HeaderMap) {
    let any = HeaderValue::from_static("*");
    let origin = asked.get(ORIGIN).unwrap_or(&any).clone();
    answered.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answered.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    answered.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    if let Some(headers) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answered.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
    }
}

/// The JSON that was sent; none where nothing was.
fn decoded(headers: &HeaderMap, query: &str, body: &[u8]) -> Result<Option<Value>, String> {
    let field = |text: &[u8], name: &str| {
        form_urlencoded::parse(text).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"gzip" | b"identity") => {}
        Some(other) => {
            return Err(format!("{} is no encoding that is known here", String::from_utf8_lossy(other)));
        }
    }
    let plain = unzipped(body)?;
    let compression = field(query.as_bytes(), "compression").or_else(|| field(&plain, "compression"));
    if compression.as_deref() == Some("lz64") {
        return Err("compression lz64 is not known here; use a newer SDK, which has gzip".to_owned());
    }
    let data = if plain.starts_with(b"data=") || plain.starts_with(b"compression=") {
        field(&plain, "data").map(String::into_bytes)
    } else if plain.is_empty() {
        field(query.as_bytes(), "data").map(String::into_bytes)
    } else {
        Some(plain)
    };
    let Some(data) = data.filter(|data| !data.is_empty()) else { return Ok(None) };
    let json = match data.trim_ascii_start().first() {
        Some(b'{' | b'[') => data,
        _ => {
            let bytes = STANDARD.decode(data.trim_ascii()).map_err(|_| "it is neither JSON nor base64".to_owned())?;
            unzipped(&bytes)?
        }
    };
    serde_json::from_slice(&json).map(Some).map_err(|error| format!("it is no JSON: {error}"))
}

/// A body without its compression, which its first bytes tell: SDKs in browsers send no header
/// for it, so that no OPTIONS goes before.
fn unzipped(body: &[u8]) -> Result<Vec<u8>, String> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return Ok(body.to_vec());
    }
    let mut plain = Vec::new();
    let bound = MAX_BODY as u64 + 1;
    let read = flate2::read::MultiGzDecoder::new(body).take(bound).read_to_end(&mut plain);
    read.map_err(|error| format!("its gzip is broken: {error}"))?;
    if plain.len() > MAX_BODY {
        return Err(format!("it has more than {MAX_BODY} bytes once it is decompressed"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const ONE: &str = "{\"event\":\"a+b\",\"properties\":{}}";

    fn zipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn check(query: &str, body: &[u8], expect: Result<&[&str], &str>) {
        match (decoded(&HeaderMap::new(), query, body), expect) {
            (Ok(body), Ok(names)) => {
                let events = body.as_ref().map(Event::all).unwrap_or_default();
                assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), names);
            }
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn bodies_are_read_in_every_shape_that_sdks_send() {
        let batch = format!("{{\"api_key\":\"k\",\"batch\":[{ONE},{ONE}]}}");
        let form = |bytes: &[u8]| {
            let data = STANDARD.encode(bytes);
            form_urlencoded::Serializer::new(String::new()).append_pair("data", &data).finish().into_bytes()
        };
        check("", ONE.as_bytes(), Ok(&["a+b"]));
        check("", format!("[{ONE}]").as_bytes(), Ok(&["a+b"]));
        check("", &zipped(batch.as_bytes()), Ok(&["a+b", "a+b"]));
        check("compression=gzip-js&ver=1", &zipped(ONE.as_bytes()), Ok(&["a+b"]));
        check("", &form(ONE.as_bytes()), Ok(&["a+b"]));
        check("", &form(&zipped(ONE.as_bytes())), Ok(&["a+b"]));
        check(std::str::from_utf8(&form(ONE.as_bytes())).unwrap(), b"", Ok(&["a+b"]));
        check("", b"", Ok(&[]));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        check("compression=lz64", b"data=abc", Err("lz64"));
        check("", b"compression=lz64&data=abc", Err("lz64"));
        check("", b"\x1f\x8bnothing", Err("gzip"));
        check("", b"hello!", Err("neither JSON nor base64"));
        check("", b"{\"event\":", Err("no JSON"));
        check("", &zipped(&vec![b' '; MAX_BODY + 1]), Err("more than"));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        assert!(decoded(&headers, "", b"x").unwrap_err().contains("br is no encoding"));
    }

    #[test]
    fn what_else_sdks_ask_for_is_answered() {
        assert_eq!(fixed("/flags/").unwrap().1, "{\"flags\":{}}");
        assert_eq!(fixed("/decide").unwrap().1, "{\"flags\":{}}");
        assert_eq!(fixed("/array/phc_x/config").unwrap().1, "{}");
        assert_eq!(fixed("/array/phc_x/config.js"), Some(("text/javascript", "")));
        assert_eq!(fixed("/static/exception-autocapture.js"), Some(("text/javascript", "")));
        assert_eq!(fixed("/i/v0/e/"), None);
        assert_eq!(fixed("/batch"), None);
    }
}
