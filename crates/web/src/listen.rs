//! Listeners: connections in, requests to a router.
//!
//! [`serve`] speaks HTTP/1.1 and HTTP/2 over TLS. [`serve_unix`] and [`serve_loopback`] speak plain HTTP/1.1 where nobody else can
//! listen in, for `/metrics` and `/healthz`. All three promise the same: a peer that is slow, silent or gone cannot hold a
//! connection for longer than [`Limits`] say; when the shutdown comes, no connection is accepted any more, requests that are being
//! answered are finished, and what is not finished in [`Limits::drain_max`] is cut and counted. Every method passes, also `LOCK` and
//! `UNLOCK`.
//!
//! A request over TLS carries two extensions: the peer's address as axum's `ConnectInfo<SocketAddr>` (an IPv4 peer of an IPv6
//! listener appears as IPv4), and [`Channel`], what was negotiated.
//!
//! Deliberately absent: forwarded headers, which only a list of known proxies could make true; a pace for request bodies, which
//! the handler sets because it knows who sends; a redirect from plain HTTP, because a token sent in clear is already lost
//! and the mistake should be seen.

mod connection;
mod loopback;
mod unix;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Extensions;
use rustls::crypto::SupportedKxGroup;
use rustls::{CipherSuite, NamedGroup, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use connection::{End, Http};
pub use loopback::serve_loopback;
pub use unix::{UnixSocket, serve_unix};

/// How much sealed data a TLS session may hold before it waits for the socket: a 64 KiB answer with its head goes out in one
/// write, which the 64 KiB of rustls just miss.
const TLS_BUFFER_BYTES: usize = 128 * 1024;

/// What is answered to plain HTTP on a TLS port. The length is that of the text.
const PLAIN_REFUSAL: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 125\r\n\
    Connection: close\r\n\r\n\
    This port speaks HTTPS only (TLS 1.3), and the request came in clear.\n\
    Use https:// and replace any token that was sent here.\n";

/// How much of a plain request is read and thrown away, so that the refusal is not lost to a reset.
const PLAIN_READ_MAX: usize = 64 * 1024;

/// How long to wait before accepting again when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a peer may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time; more wait in the system's queue. Each takes a file descriptor and, idle, some 30 KiB.
    pub connections_max: usize,
    /// From the accepted connection to the end of the TLS handshake. Ten seconds are five lost round trips on a bad line.
    pub handshake_max: Duration,
    /// For the head of an HTTP/1.1 request, and between two of them.
    pub header_max: Duration,
    /// Without any request, on either protocol.
    pub idle_max: Duration,
    /// For open requests after the shutdown.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4096,
            handshake_max: Duration::from_secs(10),
            header_max: Duration::from_secs(30),
            idle_max: Duration::from_mins(2),
            drain_max: Duration::from_secs(10),
        }
    }
}

/// What was negotiated for the connection that a request came over; in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The cipher suite.
    pub suite: CipherSuite,
    /// The key exchange; `None` if rustls does not tell, as when a client resumes a session without a new one.
    pub group: Option<NamedGroup>,
}

/// How a listener ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had to be cut because their requests were not finished in time.
    pub cut: usize,
}

/// Why a listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system refused; the error names the path or address.
    #[error("cannot listen: {0}")]
    Io(#[from] io::Error),
    /// Another process answers on the socket.
    #[error(
        "cannot listen on {path}: a running process already does; stop it, or configure another path"
    )]
    InUse {
        /// The socket.
        path: String,
    },
    /// There is a file that is not a socket.
    #[error(
        "cannot listen on {path}: it is not a socket; configure another path, or move the file away"
    )]
    NotASocket {
        /// The file.
        path: String,
    },
    /// The address can be reached from other machines.
    #[error(
        "cannot serve {address} without TLS: it is not a loopback address; use 127.0.0.1, [::1] or a Unix socket"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
}

/// Serves `router` over TLS until `shutdown`, and then until open requests are finished or [`Limits::drain_max`] is over.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let acceptor = TlsAcceptor::from(tls);
    let (http1, http2) = (
        Arc::new(Http::version_1(&limits)),
        Arc::new(Http::version_2()),
    );
    let of_limits = limits.clone();
    accept(listener, &limits, shutdown, move |stream, peer, closing| {
        let (acceptor, router, limits) = (acceptor.clone(), router.clone(), of_limits.clone());
        let (http1, http2) = (Arc::clone(&http1), Arc::clone(&http2));
        async move {
            let Some(stream) = secure(stream, peer, &acceptor, &limits, closing.clone()).await else {
                return End::Finished;
            };
            let (_, session) = stream.get_ref();
            let http = if session.alpn_protocol() == Some(b"h2") { http2 } else { http1 };
            let Some(suite) = session.negotiated_cipher_suite() else { return End::Finished };
            let group = session.negotiated_key_exchange_group().map(SupportedKxGroup::name);
            let channel = Channel { suite: suite.suite(), group };
            tracing::debug!(%peer, suite = ?channel.suite, group = ?channel.group, "a connection is open");
            let mut facts = Extensions::new();
            facts.insert(ConnectInfo(peer));
            facts.insert(channel);
            connection::drive(stream, &http, router, facts, &limits, closing).await
        }
    })
    .await
}

/// The TLS handshake, in its time. `None` when there is nobody to talk to in TLS 1.3, or the server is closing.
async fn secure(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: &TlsAcceptor,
    limits: &Limits,
    mut closing: watch::Receiver<bool>,
) -> Option<TlsStream<TcpStream>> {
    let handshake = async {
        // Answers are written whole; waiting for more would only delay them.
        stream.set_nodelay(true)?;
        let mut first = [0];
        stream.peek(&mut first).await?;
        // TLS begins with 0x16 (RFC 8446 §5.1), HTTP with a method, and methods with a capital.
        if first[0].is_ascii_uppercase() {
            refuse_plain(stream).await?;
            return Err(io::Error::other("it spoke plain HTTP to a TLS port"));
        }
        acceptor
            .accept_with(stream, |session| {
                session.set_buffer_limit(Some(TLS_BUFFER_BYTES));
            })
            .await
    };
    tokio::select! {
        ended = timeout(limits.handshake_max, handshake) => match ended {
            Ok(Ok(stream)) => Some(stream),
            // Scanners and old clients; the peer has its alert, and the log stays readable.
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "no TLS with this peer");
                None
            }
            Err(_) => {
                tracing::debug!(%peer, "the TLS handshake took too long");
                None
            }
        },
        _ = closing.wait_for(|closing| *closing) => None,
    }
}

async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN_REFUSAL.as_bytes()).await?;
    stream.shutdown().await?;
    let mut request = stream.take(PLAIN_READ_MAX as u64);
    tokio::io::copy(&mut request, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Something that connections come from.
trait Accept {
    type Stream: Send + 'static;
    type Peer: Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        Ok((
            stream,
            SocketAddr::new(peer.ip().to_canonical(), peer.port()),
        ))
    }
}

/// The loop that every listener runs: one task for each connection, at most [`Limits::connections_max`] of them.
async fn accept<L, Connection>(
    listener: L,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
    connection: impl Fn(L::Stream, L::Peer, watch::Receiver<bool>) -> Connection,
) -> Drained
where
    L: Accept,
    Connection: Future<Output = End> + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let (close, closing) = watch::channel(false);
    let places = Arc::new(Semaphore::new(
        limits.connections_max.min(Semaphore::MAX_PERMITS),
    ));
    let mut connections = JoinSet::new();
    let next = async || {
        // The semaphore is never closed; if it were, nothing could be accepted.
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        listener
            .accept()
            .await
            .map(|(stream, peer)| (place, stream, peer))
    };
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = next() => match accepted {
                Ok((place, stream, peer)) => {
                    let connection = connection(stream, peer, closing.clone());
                    connections.spawn(async move {
                        let end = connection.await;
                        drop(place);
                        end
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // From here on the system refuses connections.
    drop(listener);
    close.send_replace(true);
    drain(connections).await
}

/// Waits for the connections to end. Each ends by itself in [`Limits::drain_max`] once it was told to close.
async fn drain(mut connections: JoinSet<End>) -> Drained {
    let mut drained = Drained::default();
    while let Some(ended) = connections.join_next().await {
        if matches!(ended, Ok(End::Cut)) {
            drained.cut += 1;
        }
        report(ended);
    }
    drained
}

fn report(ended: Result<End, tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a fault of the server");
    }
}

#[cfg(test)]
mod tests;
