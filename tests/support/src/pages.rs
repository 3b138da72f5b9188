//! A server of documentation, whose pages a test may change while they are fetched.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::listen::{head, listen};
use crate::tls::Identity;

/// What is at a path.
#[derive(Debug, Clone)]
struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub status: u16,
    /// The headers of the request, in lower case.
    pub head: String,
}

#[derive(Debug, Default)]
struct State {
    pages: BTreeMap<String, Page>,
    asked: Vec<Asked>,
    is_down: bool,
    /// How long an answer takes.
    pause: std::time::Duration,
    now: usize,
    most: usize,
    /// How it speaks TLS, if it does.
    tls: Option<Arc<ServerConfig>>,
}

pub struct Pages {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Pages {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        Self { addr: listen(&state, answer), state }
    }

    /// The same in TLS, with this certificate.
    pub fn start_tls(identity: &Identity) -> Self {
        let state = Arc::new(Mutex::new(State { tls: Some(identity.served()), ..State::default() }));
        Self { addr: listen(&state, answer), state }
    }

    /// The URL of a path, by the name of this machine.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.state.lock().unwrap().tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}{path}", self.addr.port())
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Puts a page there, or another in its place.
    pub fn put(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) {
        self.page(path, 200, &[("content-type", kind)], body);
    }

    /// Moves a path elsewhere.
    pub fn moved(&self, path: &str, to: &str) {
        self.page(path, 302, &[("location", to)], "");
    }

    pub fn page(&self, path: &str, status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.state.lock().unwrap().pages.insert(path.to_owned(), Page { status, headers, body: body.into() });
    }

    /// Breaks every connection off from now on.
    pub fn go_down(&self) {
        self.state.lock().unwrap().is_down = true;
    }

    /// Answers slowly from now on.
    pub fn slow_down(&self, pause: std::time::Duration) {
        self.state.lock().unwrap().pause = pause;
    }

    /// How many requests were answered at once at most.
    pub fn most_at_once(&self) -> usize {
        self.state.lock().unwrap().most
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How often a path was answered so.
    pub fn count(&self, path: &str, status: u16) -> usize {
        self.asked().iter().filter(|asked| asked.path == path && asked.status == status).count()
    }
}

fn answer(stream: &TcpStream, state: &Mutex<State>) {
    let tls = state.lock().unwrap().tls.clone();
    match tls {
        None => speak(stream, state),
        Some(tls) => speak(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), state),
    }
}

fn speak(stream: impl Read + Write, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(head) = head(&mut reader) {
        let pause = {
            let mut state = state.lock().unwrap();
            state.now += 1;
            state.most = state.most.max(state.now);
            state.pause
        };
        std::thread::sleep(pause);
        let response = {
            let mut state = state.lock().unwrap();
            state.now -= 1;
            if state.is_down {
                return;
            }
            let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
            let missing = Page { status: 404, headers: Vec::new(), body: b"not found".to_vec() };
            let mut page = state.pages.get(&path).cloned().unwrap_or(missing);
            let tag =
                format!("\"{:x}-{}\"", page.body.len(), page.body.iter().map(|byte| u64::from(*byte)).sum::<u64>());
            let head = head.to_ascii_lowercase();
            if page.status == 200 && head.contains(&format!("if-none-match: {tag}\r\n")) {
                (page.status, page.body) = (304, Vec::new());
            }
            state.asked.push(Asked { path, status: page.status, head });
            let headers: String = page.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = page.body.len();
            let begin =
                format!("HTTP/1.1 {} X\r\netag: {tag}\r\n{headers}content-length: {length}\r\n\r\n", page.status);
            [begin.into_bytes(), page.body].concat()
        };
        if reader.get_mut().write_all(&response).and_then(|()| reader.get_mut().flush()).is_err() {
            return;
        }
    }
}
