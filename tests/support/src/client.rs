//! A plain HTTP client: what it sends and reads is under the test's control.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A response that was read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub whole: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The message of an error, in any dialect.
    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_else(|| panic!("no message: {}", self.text())).to_owned()
    }
}

/// A request on its way.
pub struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Ask {
    Ask { method: "POST".into(), path: path.into(), headers: Vec::new(), body: body.into() }
        .header("content-type", "application/json")
        .header("x-api-key", "sk-test-caller")
}

pub fn get(path: &str) -> Ask {
    Ask { method: "GET".into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
        .header("x-api-key", "sk-test-caller")
}

impl Ask {
    /// Sets a header; an empty value takes it out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            self.headers.push((name.into(), value.into()));
        }
        self
    }

    pub fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    /// The request as it is sent.
    pub fn bytes(&self, to: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it and leaves the response to be read.
    pub fn open(&self, to: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(&self.bytes(to)).unwrap();
        stream
    }

    pub fn send(&self, to: SocketAddr) -> Answer {
        read(self.open(to))
    }
}

/// Reads a response to the end of the connection.
pub fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A connection that breaks off is an answer too.
    let ended = stream.read_to_end(&mut bytes).is_ok();
    parse(&bytes, ended)
}

pub(crate) fn parse(bytes: &[u8], ended: bool) -> Answer {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let split = split.unwrap_or_else(|| panic!("no response: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..split]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let rest = &bytes[split + 4..];
    let is_chunked = |name: &str, value: &str| name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked";
    let chunked = headers.iter().any(|(name, value)| is_chunked(name, value));
    let (body, whole) = if chunked { unchunk(rest) } else { (rest.to_vec(), ended) };
    Answer { status, headers, body, whole }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        rest = &rest[line + 2..];
        if rest.len() < size + 2 {
            body.extend_from_slice(&rest[..size.min(rest.len())]);
            return (body, false);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}
