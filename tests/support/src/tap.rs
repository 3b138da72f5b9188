//! A recording forwarder: it stands between two that talk over TCP, changes nothing, and tells
//! afterwards, byte for byte, what each of them was sent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

pub struct Tap {
    pub addr: SocketAddr,
    wires: Arc<Mutex<Vec<Arc<Wire>>>>,
}

/// What went over a connection, in each direction.
#[derive(Default)]
struct Wire {
    requests: Mutex<Taped>,
    responses: Mutex<Taped>,
}

#[derive(Default)]
struct Taped {
    bytes: Vec<u8>,
    /// When the bytes from each place on arrived.
    times: Vec<(usize, Instant)>,
}

/// A request and its response, as they were on the wire.
#[derive(Debug)]
pub struct Exchange {
    pub request: Message,
    pub response: Message,
}

#[derive(Debug)]
pub struct Message {
    /// The request line, or the status line.
    pub first: String,
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of chunks.
    pub body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub whole: bool,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Tap {
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let wires = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&wires);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(to) else { continue };
                let wire = Arc::new(Wire::default());
                kept.lock().unwrap().push(Arc::clone(&wire));
                let back = (far.try_clone().unwrap(), near.try_clone().unwrap(), Arc::clone(&wire));
                std::thread::spawn(move || copy(near, far, &wire.requests));
                std::thread::spawn(move || copy(back.0, back.1, &back.2.responses));
            }
        });
        Self { addr, wires }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What was said so far, in the order of the requests.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let mut found = Vec::new();
        for wire in self.wires.lock().unwrap().iter() {
            let (requests, responses) = (wire.requests.lock().unwrap(), wire.responses.lock().unwrap());
            let (mut asked, mut answered) = (&requests.bytes[..], &responses.bytes[..]);
            while !asked.is_empty() {
                let at = requests.bytes.len() - asked.len();
                let begun = requests.times.iter().rev().find(|(from, _)| *from <= at).map(|(_, time)| *time);
                let exchange = Exchange { request: take(&mut asked, false), response: take(&mut answered, true) };
                found.push((begun, exchange));
            }
            assert!(answered.is_empty(), "a response that nobody asked for");
        }
        found.sort_by_key(|(begun, _)| *begun);
        found.into_iter().map(|(_, exchange)| exchange).collect()
    }
}

/// Hands on what comes, and notes it first: what somebody has read is on the tape.
fn copy(mut from: TcpStream, mut to: TcpStream, tape: &Mutex<Taped>) {
    drop(to.set_nodelay(true));
    let mut buffer = [0; 65_536];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        {
            let mut tape = tape.lock().unwrap();
            let at = tape.bytes.len();
            tape.times.push((at, Instant::now()));
            tape.bytes.extend_from_slice(&buffer[..count]);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Each side is told that the other is done, and both are let go when either cannot be reached.
    drop(to.shutdown(Shutdown::Write));
}

/// Reads a message off the front.
fn take(rest: &mut &[u8], is_response: bool) -> Message {
    let split = find(rest, b"\r\n\r\n").unwrap_or_else(|| panic!("no message: {:?}", String::from_utf8_lossy(rest)));
    let head = std::str::from_utf8(&rest[..split]).unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    *rest = &rest[split + 4..];
    let mut message = Message { first, headers, body: Vec::new(), whole: true };
    if message.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        while message.whole && !chunk(rest, &mut message) {}
        return message;
    }
    let length = message.header("content-length").map(|length| length.parse().unwrap());
    // A response without a length goes on to the end of its connection.
    let length: usize = length.unwrap_or(if is_response { rest.len() } else { 0 });
    message.whole = rest.len() >= length;
    let (body, behind) = rest.split_at(length.min(rest.len()));
    message.body.extend_from_slice(body);
    *rest = behind;
    message
}

/// Takes one chunk. Returns whether it was the last.
fn chunk(rest: &mut &[u8], message: &mut Message) -> bool {
    let line = find(rest, b"\r\n");
    let size = line.map(|line| usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap());
    let (Some(line), Some(size)) = (line, size) else {
        message.whole = false;
        return false;
    };
    let body = &rest[line + 2..];
    message.whole = body.len() >= size + 2;
    message.body.extend_from_slice(&body[..size.min(body.len())]);
    *rest = &body[(size + 2).min(body.len())..];
    size == 0
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
