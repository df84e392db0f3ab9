//! Real sockets on loopback, behind a network that says whatever a test wants it to say.

mod listed;
mod misuse;
mod relays;
mod through;
mod upstream;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;

/// An address of the internet.
const PUBLIC: &str = "93.184.216.34";

/// Names, addresses behind them, and who is really there.
#[derive(Default)]
struct World {
    /// What a name is answered with, the first time, the second time, and so on; the last answer stays.
    names: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    routes: Mutex<HashMap<IpAddr, SocketAddr>>,
    asked: Mutex<Vec<String>>,
    dialed: Mutex<Vec<SocketAddr>>,
}

impl World {
    fn name(&self, name: &str, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.names.lock().unwrap().insert(name.into(), answers);
    }

    fn route(&self, address: &str, to: SocketAddr) {
        self.routes
            .lock()
            .unwrap()
            .insert(address.parse().unwrap(), to);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn dialed(&self) -> Vec<String> {
        let dialed = self.dialed.lock().unwrap();
        dialed.iter().map(ToString::to_string).collect()
    }
}

impl Network for World {
    fn resolve<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<IpAddr>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(name.to_owned());
            let mut names = self.names.lock().unwrap();
            let answers = names.get_mut(name);
            let answers = answers.ok_or_else(|| io::Error::other("no such name"))?;
            let answer = answers[0].clone();
            if answers.len() > 1 {
                answers.remove(0);
            }
            Ok(answer)
        })
    }

    fn connect(&self, address: SocketAddr) -> Answer<'_, TcpStream> {
        Box::pin(async move {
            self.dialed.lock().unwrap().push(address);
            let route = self.routes.lock().unwrap().get(&address.ip()).copied();
            match route {
                Some(route) => TcpStream::connect(route).await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }
}

/// The proxy of one run.
struct Run {
    world: Arc<World>,
    events: mpsc::Receiver<Event>,
    state: mpsc::Receiver<Carried>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    folder: TempDir,
}

fn short_limits() -> Limits {
    Limits {
        head_time_max: Duration::from_millis(300),
        dial_time_max: Duration::from_secs(2),
        upstream_time_max: Duration::from_millis(500),
        first_byte_time_max: Duration::from_millis(400),
        idle_time_max: Duration::from_millis(800),
        ..Limits::default()
    }
}

impl Run {
    fn new(allow: &[&str]) -> Run {
        Run::with(allow, Limits::default())
    }

    fn with(allow: &[&str], limits: Limits) -> Run {
        Run::above(allow, limits, None)
    }

    /// One below another proxy.
    fn above(allow: &[&str], limits: Limits, upstream: Option<Upstream>) -> Run {
        let (world, folder) = (Arc::new(World::default()), TempDir::new().unwrap());
        let (told, events) = mpsc::channel(1000);
        let (served, state) = mpsc::channel(10);
        let egress = Egress {
            allow: AllowList::parse(allow.iter().copied()).unwrap(),
            limits,
            network: Arc::clone(&world) as Arc<dyn Network>,
            upstream: upstream.map(Arc::new),
            clock: Arc::new(|| 1_700_000_000_000_000),
            events: told,
            state: Some(served),
        };
        let listener = UnixListener::bind(folder.path().join("egress")).unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, egress, async {
            let _ = stopped.await;
        }));
        Run {
            world,
            events,
            state,
            stop: Some(stop),
            serving,
            folder,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("egress")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    /// Asks for a tunnel; the head of the answer.
    async fn tunnel(&self, place: &str) -> (UnixStream, String) {
        let mut stream = self.connect().await;
        let head = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let head = head_of(&mut stream).await;
        (stream, head)
    }

    async fn event(&mut self) -> Event {
        let next = tokio::time::timeout(Duration::from_secs(10), self.events.recv());
        next.await.expect("an event in time").expect("an event")
    }

    /// The next event, which must be a refusal or failure, in words.
    async fn refusal(&mut self) -> String {
        let event = self.event().await;
        assert!(
            matches!(event.stage, Stage::Refused | Stage::Failed),
            "{event:?}"
        );
        event.why.unwrap()
    }

    async fn over(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        (&mut self.serving).await.unwrap();
    }
}

/// An answer up to its empty line.
async fn head_of(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// What a TLS client says first; without a name for an address.
fn hello(name: &str) -> Vec<u8> {
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
    let config = config.with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// Listens and gives back what it is sent, until it is sent no more.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    address
}

/// Listens, and gives the accepted connections.
async fn accepting() -> (SocketAddr, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connections) = mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = accepted.send(stream).await;
        }
    });
    (address, connections)
}

/// Bytes without a pattern that a shift could repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
