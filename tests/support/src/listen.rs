//! What the small servers of tests begin with: a port of their own, a thread for each connection, and
//! the head of a request.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Serves every connection in a thread of its own, until the program ends. Gives its address.
pub(crate) fn listen<S: Send + 'static>(state: &Arc<Mutex<S>>, serve: fn(&TcpStream, &Mutex<S>)) -> SocketAddr {
    listen_at(([127, 0, 0, 1], 0).into(), state, serve)
}

/// The same, where it is told to.
pub(crate) fn listen_at<S: Send + 'static>(
    addr: SocketAddr,
    state: &Arc<Mutex<S>>,
    serve: fn(&TcpStream, &Mutex<S>),
) -> SocketAddr {
    let listener = TcpListener::bind(addr).unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = Arc::clone(state);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let state = Arc::clone(&serving);
            std::thread::spawn(move || serve(&stream, &state));
        }
    });
    addr
}

/// The next request's head; none where the other side has gone.
pub(crate) fn head(reader: &mut BufReader<impl Read>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(head)
}
