//! The provider: it listens for as long as it is held.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::script::Script;
use crate::seen::{Limits, Seen};
use crate::serve::Stage;
use crate::wire::{Socket, Wire};

/// A provider on loopback that plays a script. Dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Provider {
    addr: SocketAddr,
    stage: Arc<Stage>,
    _stop: DropGuard,
}

/// A test looks at what was sent, so all of it is kept, within reason.
const LIMITS: Limits = Limits { requests: 10_000, bytes: 512 << 20, keeps_bodies: true };
/// A demo may run for long, and its conversations are nobody's business.
const QUIET: Limits = Limits { requests: 10_000, bytes: 0, keeps_bodies: false };

impl Provider {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The port cannot be had, or there is no tokio runtime here.
    pub fn start(script: Script) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// Starts at an address.
    ///
    /// # Errors
    /// The address cannot be had, or there is no tokio runtime here.
    pub fn start_at(addr: SocketAddr, script: Script) -> io::Result<Self> {
        Self::listen(addr, Stage::new(script, LIMITS))
    }

    /// Starts on a free port of 127.0.0.1, and keeps no bodies.
    ///
    /// # Errors
    /// The port cannot be had, or there is no tokio runtime here.
    pub fn start_quiet(script: Script) -> io::Result<Self> {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), Stage::new(script, QUIET))
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The last 10 000 requests, oldest first, with their bills as they stand now. Bodies take up
    /// 512 MiB together at most; beyond that the oldest requests go earlier.
    pub fn seen(&self) -> Vec<Seen> {
        self.stage.seen()
    }

    /// Plays another script from the next request on, and counts requests from 0 again. Replies
    /// that have begun go on as they were.
    pub fn play(&self, script: Script) {
        self.stage.play(script);
    }

    /// Forgets the requests seen so far.
    pub fn forget(&self) {
        self.stage.forget();
    }

    fn listen(addr: SocketAddr, stage: Stage) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let listener = StdListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let addr = listener.local_addr()?;
        let stage = Arc::new(stage);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let accepting = accept(listener, Arc::clone(&stage), tasks.clone(), stop.clone());
        tasks.spawn_on(accepting, &runtime);
        Ok(Self { addr, stage, _stop: stop.drop_guard() })
    }
}

async fn accept(listener: TcpListener, stage: Arc<Stage>, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(converse(stream, Arc::clone(&stage), stop.clone()));
            }
            // Out of file descriptors, most likely: connections that end will free some.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Serves one connection until either side has had enough.
async fn converse(stream: TcpStream, stage: Arc<Stage>, stop: CancellationToken) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let wire = Arc::new(Wire::default());
    let socket = Socket::new(stream, Arc::clone(&wire));
    let service = service_fn(|request| stage.answer(Arc::clone(&wire), request));
    let connection = http1::Builder::new().serve_connection(socket, service);
    tokio::select! {
        () = stop.cancelled() => {}
        // An error here is a client that left or a scripted reset; the log tells of both.
        ended = connection => drop(ended),
    }
}
