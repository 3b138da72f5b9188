//! Taking connections, serving them, and ending them in order.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service, service_fn as with};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

use crate::call::Answer;
use crate::gate::Jetway;
use crate::metrics::{Metrics, Open};
use crate::tls::peer::Peer;
use crate::tls::server::Server;

/// How connections are taken.
#[derive(Debug, Clone)]
pub struct Door {
    /// Connections that are served at once.
    pub connections: usize,
    pub header_time: Duration,
    /// How long an agent may stop reading.
    pub write_time: Duration,
    /// How long replies may go on after `stop`.
    pub drain_time: Duration,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    pub metrics: Metrics,
    /// Whose configuration says whether TLS is spoken, for each new connection anew; none where
    /// it never is.
    pub tls: Option<Arc<Jetway>>,
}

/// Serves connections until `stop`, then lets what is under way finish within the drain time.
pub async fn serve<S, F>(listener: TcpListener, door: Door, service: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = TowerToHyperService::new(guarded(service));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(door.connections));
    // HTTP/1 alone, which every agent speaks: over HTTP/2 one that opens no window would hold its
    // place for ever, for nothing is written that could time out.
    let mut builder = Builder::new();
    // Without a timer hyper's own limit on slow headers is silently off.
    builder.timer(TokioTimer::new()).header_read_timeout(door.header_time);
    let cut = CancellationToken::new();
    loop {
        let taken = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = door.stop.cancelled() => break,
            taken = taken => taken,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: waiting is all that helps.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (builder, service, watcher) = (builder.clone(), service.clone(), graceful.watcher());
        let counted = Open::new(&door.metrics.exchanges.connections);
        let (stop, cut, write_time) = (door.stop.clone(), cut.clone(), door.write_time);
        let tls = door.tls.as_ref().and_then(|jetway| jetway.gate.load().config.tls.clone());
        door.tasks.spawn(async move {
            let opened = tokio::select! {
                opened = Box::pin(open(stream, tls, write_time)) => opened,
                () = stop.cancelled() => None,
            };
            if let Some((stream, peer)) = opened {
                let service = with(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(peer.clone());
                    service.call(request)
                });
                let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    },
                    // What it was sending is dropped with it, and so settled and recorded.
                    () = cut.cancelled() => {}
                }
            }
            drop((counted, place));
        });
    }
    drop(listener);
    if tokio::time::timeout(door.drain_time, graceful.shutdown()).await.is_err() {
        tracing::warn!("replies were still under way when the drain time was over; they are cut off");
        cut.cancel();
    }
}

/// How long a new connection may be silent. One that was used may rest longer between requests.
const FIRST_BYTE: Duration = Duration::from_secs(10);
/// How long the two sides may take to agree on a cipher and to show their certificates.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What every connection of TLS begins with: a record of a handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// A connection, in TLS or not.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Waits until a connection begins to speak, in TLS where that is spoken, and finds out whose it
/// is; none when there is nobody to serve.
async fn open(stream: TcpStream, tls: Option<Server>, write_time: Duration) -> Option<(Box<dyn Duplex>, Peer)> {
    let first = first_byte(&stream).await?;
    let Some(tls) = tls else {
        return Some((Box::new(prompt(stream, write_time)), Peer::default()));
    };
    if first != HANDSHAKE_RECORD {
        turn_away(stream).await;
        return None;
    }
    let accepting = TlsAcceptor::from(Arc::clone(tls.config())).accept(prompt(stream, write_time));
    let mut stream = match tokio::time::timeout(HANDSHAKE, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection did not come about");
            return None;
        }
        Err(_) => return None,
    };
    let begins = tokio::time::timeout(FIRST_BYTE, stream.fill_buf()).await;
    if !begins.is_ok_and(|bytes| bytes.is_ok_and(|bytes| !bytes.is_empty())) {
        return None;
    }
    let peer = tls.peer(stream.get_ref().1);
    Some((Box::new(stream), peer))
}

/// Waits for the first byte of a connection.
async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut first = [0];
    let count = tokio::time::timeout(FIRST_BYTE, stream.peek(&mut first)).await.ok()?.ok()?;
    (count > 0).then_some(first[0])
}

/// Tells whoever speaks plain HTTP, in plain HTTP, what is spoken here, and lets it read that.
async fn turn_away(mut stream: TcpStream) {
    const SENTENCE: &str = "This port speaks TLS: use https:// in the base URL.\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{SENTENCE}",
        SENTENCE.len()
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // What was sent and is not read would break the connection before the answer arrives.
        let mut rest = (&mut stream).take(64 << 20);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // Whoever does not listen is not waited for.
    drop(tokio::time::timeout(Duration::from_secs(2), told).await);
}

/// Small writes leave at once, or a stream stutters by 40 ms; and an agent that stops reading
/// holds nothing for ever.
fn prompt(stream: TcpStream, write_time: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_time));
    Box::pin(stream)
}

/// A panic costs one request, not the process.
fn guarded<S, F>(service: S) -> BoxCloneSyncService<Request<Incoming>, Answer, Infallible>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let served = service(request);
        async move { Ok(served.await) }
    });
    let boxed = |answer: Response<_>| answer.map(BodyExt::boxed_unsync);
    let guarded = ServiceBuilder::new().map_response(boxed).layer(CatchPanicLayer::new()).service(service);
    BoxCloneSyncService::new(guarded)
}
