//! What clients get from a listener: by rustls in this process, by openssl, and by nmap's scan.
//!
//! openssl and nmap are part of the claim, since they know nothing of our code; a machine without them fails these tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::{CipherSuite, ClientConfig, NamedGroup, RootCertStore, SupportedCipherSuite};
use rustls_pki_types::ServerName;
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::listen::{self, Limits};
use statehouse_web::tls::{self, CertificateFiles, Served};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server on loopback with a certificate of its own authority, which runs until the test's runtime ends.
struct Server {
    address: SocketAddr,
    roots: RootCertStore,
    ca: PathBuf,
    _place: TempDir,
}

async fn server() -> Server {
    let place = tempfile::tempdir().unwrap();
    let files = Files {
        certificate: place.path().join("ca.pem"),
        keys: place.path().join("keys"),
    };
    let ca = files.certificate.clone();
    let names = Names::of_this_machine(&[]);
    let authority = Arc::new(Authority::open(files, &names).unwrap());
    let roots = tls::roots(authority.certificate_pem().as_bytes(), "ca.pem").unwrap();
    let served = Served::open(authority.server(&names).unwrap(), names.required).unwrap();
    Server {
        address: listen_with(served).await,
        roots,
        ca,
        _place: place,
    }
}

async fn listen_with(served: Arc<Served>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(|| async { "here" }));
    let config = tls::server_config(served).unwrap();
    tokio::spawn(listen::serve(
        listener,
        config,
        router,
        Limits::default(),
        std::future::pending(),
    ));
    address
}

/// A client that offers just these suites, in this order.
fn offering(roots: &RootCertStore, suites: &[SupportedCipherSuite]) -> Arc<ClientConfig> {
    let provider = rustls::crypto::CryptoProvider {
        cipher_suites: suites.to_vec(),
        ..aws_lc_rs::default_provider()
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    Arc::new(config)
}

async fn connect(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(config)
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

/// A client that offers `suites` must get `expected`; `None` is no connection at all.
async fn check_suite(
    server: &Server,
    suites: &[SupportedCipherSuite],
    expected: Option<CipherSuite>,
) {
    let connected = connect(server.address, offering(&server.roots, suites)).await;
    let got = connected.ok().map(|stream| {
        stream
            .get_ref()
            .1
            .negotiated_cipher_suite()
            .unwrap()
            .suite()
    });
    assert_eq!(got, expected, "{suites:?}");
}

const AES_128: SupportedCipherSuite = cipher_suite::TLS13_AES_128_GCM_SHA256;
const AES_256: SupportedCipherSuite = cipher_suite::TLS13_AES_256_GCM_SHA384;
const CHACHA: SupportedCipherSuite = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;

#[tokio::test]
async fn the_server_chooses_the_suite_and_never_aes_128() {
    let server = server().await;
    let (aes, chacha) = (
        Some(CipherSuite::TLS13_AES_256_GCM_SHA384),
        Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    );
    check_suite(&server, &[AES_128, AES_256, CHACHA], aes).await;
    check_suite(&server, &[AES_128, CHACHA, AES_256], aes).await;
    check_suite(&server, &[CHACHA, AES_128, AES_256], aes).await;
    check_suite(&server, &[AES_128, CHACHA], chacha).await;
    check_suite(&server, &[CHACHA], chacha).await;
    check_suite(&server, &[AES_128], None).await;
}

#[tokio::test]
async fn our_own_client_gets_the_hybrid_group_and_trusts_nobody_else() {
    let server = server().await;
    let stream = connect(
        server.address,
        tls::client_config(server.roots.clone()).unwrap(),
    )
    .await
    .unwrap();
    let session = stream.get_ref().1;
    assert_eq!(
        session.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    assert_eq!(
        session.negotiated_key_exchange_group().unwrap().name(),
        NamedGroup::X25519MLKEM768
    );
    let other = self::server().await;
    assert!(
        connect(
            server.address,
            tls::client_config(other.roots.clone()).unwrap()
        )
        .await
        .is_err()
    );
}

#[tokio::test]
async fn a_session_is_resumed_by_its_ticket() {
    let server = server().await;
    let config = tls::client_config(server.roots.clone()).unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(server.address, Arc::clone(&config)).await.unwrap();
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
    }
    assert_eq!(
        kinds,
        [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed]
    );
}

/// Runs a tool to its end, without holding up the server. `package` is where Debian keeps it.
async fn run(tool: &'static str, package: &'static str, arguments: Vec<String>) -> Output {
    let run = move || {
        Command::new(tool)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    output.unwrap_or_else(|error| {
        panic!("{tool} cannot be run ({error}); install it: apt-get install {package}")
    })
}

/// What `openssl s_client` says of a connection with these further arguments.
async fn openssl(server: &Server, arguments: &[&str]) -> (bool, String) {
    let mut all = vec![
        "s_client",
        "-brief",
        "-verify_return_error",
        "-servername",
        "localhost",
    ];
    all.extend(arguments);
    let mut all: Vec<String> = all.into_iter().map(str::to_owned).collect();
    all.extend(["-connect".to_owned(), server.address.to_string()]);
    all.extend(["-CAfile".to_owned(), server.ca.display().to_string()]);
    let output = run("openssl", "openssl", all).await;
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test]
async fn openssl_is_refused_below_tls_1_3() {
    let server = server().await;
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        // Level 0 lets openssl offer what it would itself refuse.
        let (connected, said) = openssl(&server, &[version, "-cipher", "ALL:@SECLEVEL=0"]).await;
        assert!(!connected, "{version}: {said}");
        // The alert is the server's: openssl did offer this version, and it was refused.
        let refused =
            said.contains("alert protocol version") || said.contains("alert handshake failure");
        assert!(refused, "{version}: {said}");
    }
    let (connected, said) = openssl(&server, &["-tls1_3"]).await;
    assert!(
        connected && said.contains("Protocol version: TLSv1.3"),
        "{said}"
    );
    assert!(said.contains("Verification: OK"), "{said}");
}

#[tokio::test]
async fn openssl_that_prefers_aes_128_gets_aes_256() {
    let server = server().await;
    let offered = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
    let (connected, said) = openssl(&server, &["-tls1_3", "-ciphersuites", offered]).await;
    assert!(
        connected && said.contains("Ciphersuite: TLS_AES_256_GCM_SHA384"),
        "{said}"
    );
    let (connected, said) = openssl(
        &server,
        &["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
    )
    .await;
    assert!(!connected && said.contains("handshake failure"), "{said}");
}

#[tokio::test]
async fn a_scan_by_nmap_lists_tls_1_3_with_two_suites_and_nothing_else() {
    let server = server().await;
    let port = server.address.port().to_string();
    let arguments = [
        "-Pn",
        "-n",
        "-p",
        &port,
        "--script",
        "+ssl-enum-ciphers",
        "127.0.0.1",
    ];
    let output = run("nmap", "nmap", arguments.map(str::to_owned).to_vec()).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let words: Vec<&str> = said
        .split_whitespace()
        .map(|word| word.trim_end_matches(':'))
        .collect();
    let of = |prefixes: [&str; 2]| {
        let mut found: Vec<_> = words
            .iter()
            .filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)))
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(of(["TLSv", "SSLv"]), [&"TLSv1.3"], "{said}");
    let suites: Vec<_> = of(["TLS_", "SSL_"]);
    assert!(suites.len() == 2, "{said}");
    assert!(
        suites[0].contains("AES_256_GCM_SHA384") && suites[1].contains("CHACHA20_POLY1305_SHA256"),
        "{said}"
    );
}

/// Puts a self-signed certificate for `localhost` in place of the one that is served. Gives the roots of a client that trusts it.
fn renew(files: &CertificateFiles) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs_err::write(&files.chain, made.cert.pem()).unwrap();
    fs_err::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    tls::roots(made.cert.pem().as_bytes(), "chain.pem").unwrap()
}

async fn is_trusted(address: SocketAddr, roots: &RootCertStore) -> bool {
    connect(address, tls::client_config(roots.clone()).unwrap())
        .await
        .is_ok()
}

#[tokio::test]
async fn a_certificate_is_replaced_under_open_connections() {
    let place = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        chain: place.path().join("chain.pem"),
        key: place.path().join("key.pem"),
    };
    let old = renew(&files);
    let served = Served::open(
        files.clone(),
        vec![ServerName::try_from("localhost").unwrap()],
    )
    .unwrap();
    let address = listen_with(Arc::clone(&served)).await;
    let mut open = connect(address, tls::client_config(old.clone()).unwrap())
        .await
        .unwrap();

    let new = renew(&files);
    assert!(
        is_trusted(address, &old).await,
        "nothing changes before the reload"
    );
    assert!(served.reload().unwrap());
    assert!(is_trusted(address, &new).await && !is_trusted(address, &old).await);

    fs_err::write(&files.key, "spoiled").unwrap();
    assert!(served.reload().is_err());
    assert!(
        is_trusted(address, &new).await,
        "a bad certificate changes nothing"
    );

    open.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("here"), "{answer}");
}
