//! Claims about connections: what passes, what is cut, and when. What TLS is negotiated is in `tests/tls.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::path::Path;
use std::time::Instant;

use axum::extract::Request;
use axum::routing::any;
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;
use crate::authority::{Authority, Files, Names};
use crate::tls::{self, Served};

/// A router that tells what it got, one that takes its time, and a body of 64 KiB.
fn router() -> Router {
    let tell = |request: Request| async move {
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| peer.0.ip());
        let suite = request
            .extensions()
            .get::<Channel>()
            .map(|channel| channel.suite);
        format!("{} {peer:?} {suite:?}", request.method())
    };
    let slow = |request: Request| async move {
        let ms = request
            .uri()
            .query()
            .and_then(|ms| ms.parse().ok())
            .unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        "done"
    };
    Router::new()
        .route("/tell", any(tell))
        .route("/slow", any(slow))
        .route("/large", any(|| async { vec![b'x'; 64 * 1024] }))
}

fn quick() -> Limits {
    Limits {
        connections_max: 16,
        handshake_max: Duration::from_millis(300),
        header_max: Duration::from_millis(300),
        idle_max: Duration::from_millis(400),
        drain_max: Duration::from_millis(400),
    }
}

struct Server {
    address: SocketAddr,
    connector: TlsConnector,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Drained>,
    _place: TempDir,
}

impl Server {
    async fn start(limits: Limits) -> Server {
        let place = tempfile::tempdir().unwrap();
        let files = Files {
            certificate: place.path().join("ca.pem"),
            keys: place.path().join("keys"),
        };
        let names = Names::of_this_machine(&[]);
        let authority = Arc::new(Authority::open(files, &names).unwrap());
        let roots = tls::roots(authority.certificate_pem().as_bytes(), "ca.pem").unwrap();
        let certificate = authority.server(&names).unwrap();
        let config =
            tls::server_config(Served::open(certificate, names.required).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = serve(listener, config, router(), limits, async {
            drop(stopped.await);
        });
        Server {
            address,
            connector: TlsConnector::from(tls::client_config(roots).unwrap()),
            stop,
            served: tokio::spawn(served),
            _place: place,
        }
    }

    async fn connect(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.connector
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .unwrap()
    }

    async fn stop(self) -> Drained {
        self.stop.send(()).unwrap();
        self.served.await.unwrap()
    }
}

/// Sends one request and reads the answer to its end, which `Connection: close` marks.
async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    method: &str,
    path: &str,
) -> String {
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(stream).await
}

/// What comes until the connection ends, in whatever way, at most in ten seconds.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8(answer).unwrap()
}

/// How long the connection stays open without a word of ours.
async fn lasts(stream: &mut (impl AsyncRead + Unpin)) -> Duration {
    let start = Instant::now();
    rest(stream).await;
    start.elapsed()
}

#[tokio::test]
async fn every_method_passes_with_peer_and_suite() {
    let server = Server::start(Limits::default()).await;
    for method in ["GET", "POST", "LOCK", "UNLOCK", "DELETE"] {
        let answer = ask(&mut server.connect().await, method, "/tell").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let told = format!("{method} Some(127.0.0.1) Some(TLS13_AES_256_GCM_SHA384)");
        assert!(answer.ends_with(&told), "{answer}");
    }
    let answer = ask(&mut server.connect().await, "GET", "/large").await;
    assert_eq!(answer.matches('x').count(), 64 * 1024);
    assert_eq!(server.stop().await, Drained { cut: 0 });
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_refused_in_words() {
    let server = Server::start(Limits::default()).await;
    let answer = ask(
        &mut TcpStream::connect(server.address).await.unwrap(),
        "GET",
        "/tell",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
    assert!(
        answer.ends_with("Use https:// and replace any token that was sent here.\n"),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", body.len())),
        "{head}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_silent_peer_is_let_go() {
    let server = Server::start(quick()).await;
    let in_time = Duration::from_millis(200)..Duration::from_secs(5);
    let mut before_the_handshake = TcpStream::connect(server.address).await.unwrap();
    assert!(in_time.contains(&lasts(&mut before_the_handshake).await));
    let mut before_a_request = server.connect().await;
    assert!(in_time.contains(&lasts(&mut before_a_request).await));
    let mut within_a_head = server.connect().await;
    within_a_head
        .write_all(b"GET /tell HTTP/1.1\r\nHost: ")
        .await
        .unwrap();
    assert!(in_time.contains(&lasts(&mut within_a_head).await));
    let mut after_an_answer = server.connect().await;
    after_an_answer
        .write_all(b"GET /tell HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(in_time.contains(&lasts(&mut after_an_answer).await));
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_is_silent_in_http_2_is_let_go() {
    let server = Server::start(quick()).await;
    let mut config = (**server.connector.config()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    for words in [
        &b""[..],
        b"PRI * HTTP/2.0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let mut stream = connector
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream.write_all(words).await.unwrap();
        let start = Instant::now();
        let mut answer = Vec::new();
        // The ends of an HTTP/2 connection are binary.
        let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(
            ended.is_ok() && start.elapsed() > Duration::from_millis(200),
            "{words:?} {ended:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_request_may_take_longer_than_an_idle_connection() {
    let server = Server::start(quick()).await;
    let answer = ask(&mut server.connect().await, "GET", "/slow?1200").await;
    assert!(answer.ends_with("done"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn an_open_request_is_finished_after_the_shutdown() {
    let server = Server::start(Limits::default()).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    let busy = tokio::spawn(async move { ask(&mut busy, "GET", "/slow?500").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let address = server.address;
    let stopping = tokio::spawn(server.stop());
    assert!(busy.await.unwrap().ends_with("done"));
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(stopping.await.unwrap(), Drained { cut: 0 });
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_cut_and_counted() {
    let server = Server::start(quick()).await;
    let mut stuck = server.connect().await;
    stuck
        .write_all(b"GET /slow?60000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    assert_eq!(server.stop().await, Drained { cut: 1 });
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(rest(&mut stuck).await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = Server::start(Limits {
        connections_max: 1,
        ..Limits::default()
    })
    .await;
    let first = server.connect().await;
    assert!(
        timeout(Duration::from_millis(300), server.connect())
            .await
            .is_err()
    );
    drop(first);
    let answer = ask(&mut server.connect().await, "GET", "/tell").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.stop().await;
}

/// Serves on a Unix socket at `path` until the answer's sender is used or dropped.
fn unix(path: &Path) -> Result<(oneshot::Sender<()>, JoinHandle<Drained>), ListenError> {
    let socket = UnixSocket::bind(path)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let served = serve_unix(socket, router(), quick(), async { drop(stopped.await) });
    Ok((stop, tokio::spawn(served)))
}

#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_gone_afterwards() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("control.sock");
    let (stop, served) = unix(&path).unwrap();
    assert_eq!(
        fs_err::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let answer = ask(
        &mut UnixStream::connect(&path).await.unwrap(),
        "GET",
        "/tell",
    )
    .await;
    assert!(answer.ends_with("GET None None"), "{answer}");
    stop.send(()).unwrap();
    served.await.unwrap();
    assert_eq!(fs_err::read_dir(place.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (stop, served) = unix(&path).unwrap();
    let error = unix(&path).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error}");
    let answer = ask(
        &mut UnixStream::connect(&path).await.unwrap(),
        "GET",
        "/tell",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    drop(stop);
    served.await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_a_socket_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notes.txt");
    fs_err::write(&path, "mine").unwrap();
    let error = unix(&path).unwrap_err();
    assert!(matches!(error, ListenError::NotASocket { .. }), "{error}");
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "mine");
    let error = unix(&place.path().join("missing/control.sock"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("missing"), "{error}");
}

#[tokio::test]
async fn plain_http_is_for_loopback_only() {
    let serve_at = async |address: &str| {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve_loopback(listener, router(), quick(), async {
            drop(stopped.await);
        }));
        (address, stop, served)
    };
    let (address, stop, served) = serve_at("127.0.0.1:0").await;
    let answer = ask(
        &mut TcpStream::connect(address).await.unwrap(),
        "GET",
        "/tell",
    )
    .await;
    assert!(answer.ends_with("GET Some(127.0.0.1) None"), "{answer}");
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();

    // Bound, but never served: the refusal comes before the first connection is taken.
    let (_, _stop, served) = serve_at("0.0.0.0:0").await;
    assert!(matches!(
        served.await.unwrap(),
        Err(ListenError::NotLoopback { .. })
    ));
}
