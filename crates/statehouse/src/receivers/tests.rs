//! Real receivers over TLS on loopback, behind a network that says whatever a test wants it to say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use statehouse_model::HouseCode;
use statehouse_runner::egress::Answer as Later;
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::tls::{self, Served};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::lookups::{LOOKUPS_MAX, OF_HOUSE_MAX};
use super::*;

/// An address of the internet.
const PUBLIC: &str = "93.184.216.34";

/// Names, and who is really behind a public address.
#[derive(Default)]
struct World {
    names: Mutex<HashMap<String, Vec<IpAddr>>>,
    route: Mutex<Option<SocketAddr>>,
    asked: Mutex<u32>,
    dialed: Mutex<Vec<SocketAddr>>,
}

impl World {
    fn name(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|each| each.parse().unwrap());
        let mut names = self.names.lock().unwrap();
        names.insert(name.to_owned(), addresses.collect());
    }

    fn dialed(&self) -> Vec<String> {
        let dialed = self.dialed.lock().unwrap();
        dialed.iter().map(ToString::to_string).collect()
    }
}

impl Network for World {
    fn resolve<'a>(&'a self, name: &'a str) -> Later<'a, Vec<IpAddr>> {
        Box::pin(async move {
            *self.asked.lock().unwrap() += 1;
            let found = self.names.lock().unwrap().get(name).cloned();
            found.ok_or_else(|| io::Error::other("no such name"))
        })
    }

    fn connect(&self, address: SocketAddr) -> Later<'_, TcpStream> {
        Box::pin(async move {
            self.dialed.lock().unwrap().push(address);
            let route = *self.route.lock().unwrap();
            let public = PUBLIC.parse::<IpAddr>().unwrap();
            let to = route.filter(|_| address.ip() == public);
            TcpStream::connect(to.unwrap_or(address)).await
        })
    }
}

/// Somebody who takes messages, with a certificate for `hooks.example.com` and this machine.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<String>>>,
    roots: RootCertStore,
    _place: TempDir,
}

/// Reads a request to its end: the head and what the head says of the body.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap_or(0);
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert_ne!(length, 0, "no whole request: {text}");
            continue;
        };
        let said = head.to_lowercase();
        let said = said
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
        if body.len() >= said.map_or(0, |said| said.parse().unwrap()) {
            return text;
        }
    }
}

impl Receiver {
    /// Answers with these bytes, the last ones again and again; without any never.
    async fn new(answers: &[&str]) -> Self {
        let place = TempDir::new().unwrap();
        let names = [ServerName::try_from("hooks.example.com").unwrap()];
        let names = Names::of_this_machine(&names);
        let files = Files {
            certificate: place.path().join("ca.pem"),
            keys: place.path().join("keys"),
        };
        let authority = Authority::open(files, &names).unwrap();
        let source = Arc::new(authority).server(&names).unwrap();
        let served = Served::open(source, names.required).unwrap();
        let acceptor = TlsAcceptor::from(tls::server_config(served).unwrap());
        let pem = fs_err::read(place.path().join("ca.pem")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<String>>>::default();
        let mut answers: Vec<String> = answers.iter().rev().map(|&text| text.to_owned()).collect();
        let heard = got.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let request = read(&mut stream).await;
                heard.lock().unwrap().push(request);
                let answer = if answers.len() > 1 {
                    answers.pop()
                } else {
                    answers.last().cloned()
                };
                match answer {
                    Some(answer) => {
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                    // It is kept waiting until the test is over.
                    None => std::mem::forget(stream),
                }
            }
        });
        Self {
            address,
            got,
            roots: tls::roots(&pem, "ca.pem").unwrap(),
            _place: place,
        }
    }

    fn url(&self) -> String {
        format!("https://{}/runs?to=ops", self.address)
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

fn sender(receiver: &Receiver, allow: &[String], world: &Arc<World>) -> Sender {
    let settings = Notifications {
        public: true,
        allow: allow.to_vec(),
        ca_file: None,
        address: String::new(),
    };
    let tls = tls::client_config(receiver.roots.clone()).unwrap();
    let network = Arc::clone(world) as Arc<dyn Network>;
    Sender::through(&settings, &tls, network).unwrap()
}

/// One that may send to the receiver by its address.
fn allowed(receiver: &Receiver) -> Sender {
    let allow = format!("https://{}", receiver.address);
    sender(receiver, &[allow], &Arc::default())
}

fn message(url: &str) -> Message {
    Message {
        house: HouseCode::SITE,
        url: url.to_owned(),
        delivery: "ndl-1".to_owned(),
        signature: Some("00ff".to_owned()),
        body: Bytes::from_static(b"{\"payload_version\":1}"),
    }
}

async fn send(sender: &Sender, url: &str) -> Answer {
    sender.send(&message(url)).await
}

#[tokio::test]
async fn a_message_goes_to_a_receiver_that_the_operator_names() {
    let receiver = Receiver::new(&[OK]).await;
    let sender = allowed(&receiver);
    assert_eq!(sender.refuses(&receiver.url()), None);
    assert_eq!(send(&sender, &receiver.url()).await, Ok(204));
    let got = receiver.got();
    let (head, body) = got[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /runs?to=ops HTTP/1.1\r\n"), "{head}");
    for line in [
        format!("host: {}", receiver.address),
        "content-type: application/json".to_owned(),
        "x-tfe-notification-signature: 00ff".to_owned(),
        "x-statehouse-delivery: ndl-1".to_owned(),
    ] {
        assert!(head.to_lowercase().contains(&line), "{line} in {head}");
    }
    assert_eq!(body, "{\"payload_version\":1}");
}

#[tokio::test]
async fn what_the_operator_does_not_name_is_not_asked_inside() {
    let receiver = Receiver::new(&[OK]).await;
    let world = Arc::new(World::default());
    let sender = sender(&receiver, &[], &world);
    assert!(sender.refuses(&receiver.url()).is_some());
    assert_eq!(send(&sender, &receiver.url()).await, Err(Trouble::Refused));
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "169.254.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "fd00::1",
        "0.0.0.0",
    ] {
        world.name("hooks.example.com", &[address]);
        let url = format!("https://hooks.example.com:{}/", receiver.address.port());
        assert_eq!(sender.refuses(&url), None, "a name may lead anywhere");
        assert_eq!(
            send(&sender, &url).await,
            Err(Trouble::Refused),
            "{address}"
        );
    }
    assert!(world.dialed().is_empty() && receiver.got().is_empty());
}

#[tokio::test]
async fn a_name_is_resolved_once_and_its_public_address_is_the_one_that_is_asked() {
    let receiver = Receiver::new(&[OK]).await;
    let world = Arc::new(World::default());
    world.name("hooks.example.com", &["127.0.0.1", PUBLIC]);
    *world.route.lock().unwrap() = Some(receiver.address);
    let sender = sender(&receiver, &[], &world);
    assert_eq!(send(&sender, "https://hooks.example.com/a").await, Ok(204));
    assert_eq!(world.dialed(), [format!("{PUBLIC}:443")]);
    assert_eq!(*world.asked.lock().unwrap(), 1);
    // Whoever is there must be who was asked for.
    world.name("other.example.com", &[PUBLIC]);
    let other = send(&sender, "https://other.example.com/a").await;
    assert_eq!(other, Err(Trouble::Untrusted));
    let nobody = send(&sender, "https://nobody.example.com/a").await;
    assert_eq!(nobody, Err(Trouble::Unresolved));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::new(&[OK]).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let receiver = Receiver::new(&[&redirect]).await;
    let allow = [&receiver, &elsewhere].map(|each| format!("https://{}", each.address));
    let sender = sender(&receiver, &allow, &Arc::default());
    assert_eq!(send(&sender, &receiver.url()).await, Ok(307));
    assert!(elsewhere.got().is_empty());
}

#[tokio::test]
async fn what_is_answered_counts_by_its_status_whatever_its_length() {
    let long = format!(
        "HTTP/1.1 500 No\r\nContent-Length: 100000000\r\n\r\n{}",
        "x".repeat(20_000)
    );
    let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    let receiver = Receiver::new(&[&long, OK, &head, "hello", ""]).await;
    let sender = allowed(&receiver);
    assert_eq!(send(&sender, &receiver.url()).await, Ok(500));
    assert_eq!(send(&sender, &receiver.url()).await, Ok(204));
    for _ in 0..3 {
        assert_eq!(send(&sender, &receiver.url()).await, Err(Trouble::Lost));
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let receiver = Receiver::new(&[]).await;
    let mut sender = allowed(&receiver);
    sender.time_max = Duration::from_millis(300);
    assert_eq!(send(&sender, &receiver.url()).await, Err(Trouble::Slow));
    assert_eq!(receiver.got().len(), 1);
    // Nobody listens at a port that was given back.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let allow = [format!("https://{address}")];
    let sender = self::sender(&receiver, &allow, &Arc::default());
    let answer = send(&sender, &format!("https://{address}/")).await;
    assert_eq!(answer, Err(Trouble::Unreachable));
}

#[tokio::test]
async fn a_receiver_proves_itself_over_tls_unless_the_operator_lists_it_in_clear() {
    let receiver = Receiver::new(&[OK]).await;
    let stranger = Receiver::new(&[OK]).await;
    let allow = [format!("https://{}", stranger.address)];
    let sender = self::sender(&receiver, &allow, &Arc::default());
    assert_eq!(
        send(&sender, &stranger.url()).await,
        Err(Trouble::Untrusted)
    );
    assert!(stranger.got().is_empty());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read(&mut stream).await;
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    });
    let url = format!("http://{address}/");
    assert_eq!(send(&sender, &url).await, Err(Trouble::Refused));
    let clear = self::sender(&receiver, &[format!("http://{address}")], &Arc::default());
    assert_eq!(send(&clear, &url).await, Ok(204));
}

#[test]
fn the_address_of_this_server_is_https_and_nothing_beside_it() {
    assert_eq!(own_address("").unwrap(), None);
    let own = own_address("https://state.example.com:8443/").unwrap();
    assert_eq!(own.as_deref(), Some("https://state.example.com:8443"));
    for odd in [
        "http://a",
        "https://",
        "https://a/b",
        "https://a?b",
        "https://u@a",
        "a",
    ] {
        assert!(own_address(odd).is_err(), "{odd}");
    }
}

/// A resolver that answers nobody before it is let go.
struct Mute {
    asked: AtomicUsize,
    answers: watch::Sender<bool>,
}

impl Network for Mute {
    fn resolve<'a>(&'a self, _: &'a str) -> Later<'a, Vec<IpAddr>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let mut answers = self.answers.subscribe();
            answers.wait_for(|go| *go).await.map_err(io::Error::other)?;
            Ok(vec![PUBLIC.parse().unwrap()])
        })
    }

    fn connect(&self, address: SocketAddr) -> Later<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_is_asked_for_so_many_names_and_no_more() {
    let mute = Arc::new(Mute {
        asked: AtomicUsize::new(0),
        answers: watch::Sender::new(false),
    });
    let lookups = Lookups::over(mute.clone());
    let ask = async |house| {
        let network = lookups.of(house);
        let found = network.resolve("a.example.com");
        timeout(Duration::from_millis(20), found).await
    };
    for house in houses(LOOKUPS_MAX + 8) {
        assert!(ask(house).await.is_err(), "nobody answers");
    }
    // Whoever stopped waiting left what was asked behind.
    assert_eq!(mute.asked.load(Ordering::Relaxed), LOOKUPS_MAX);
    mute.answers.send_replace(true);
    let found = lookups.of(HouseCode::SITE).resolve("a.example.com").await;
    assert_eq!(found.unwrap(), [PUBLIC.parse::<IpAddr>().unwrap()]);
    assert_eq!(mute.asked.load(Ordering::Relaxed), LOOKUPS_MAX + 1);
}

#[tokio::test]
async fn names_of_one_organization_that_are_not_answered_keep_no_other_waiting() {
    let mute = Arc::new(Mute {
        asked: AtomicUsize::new(0),
        answers: watch::Sender::new(false),
    });
    let lookups = Lookups::over(mute.clone());
    let [one, other] = <[HouseCode; 2]>::try_from(houses(2)).unwrap();
    let ask = async |house| {
        let network = lookups.of(house);
        let found = network.resolve("a.example.com");
        timeout(Duration::from_millis(20), found).await
    };
    for _ in 0..LOOKUPS_MAX {
        assert!(ask(one).await.is_err(), "nobody answers");
    }
    assert_eq!(mute.asked.load(Ordering::Relaxed), OF_HOUSE_MAX);
    assert!(ask(other).await.is_err(), "nobody answers");
    assert_eq!(mute.asked.load(Ordering::Relaxed), OF_HOUSE_MAX + 1);
    mute.answers.send_replace(true);
    for house in [one, other] {
        assert!(ask(house).await.unwrap().is_ok());
    }
    // Nobody is remembered who waits for nothing.
    drop(lookups.of(one));
    lookups.of(other);
    assert_eq!(lookups.houses(), 1);
}

/// So many houses.
fn houses(count: usize) -> Vec<HouseCode> {
    let letters = b'a'..=b'z';
    let pairs = letters.flat_map(|one| (b'a'..=b'k').map(move |two| [one, two]));
    let code = |pair: [u8; 2]| {
        let pair = String::from_utf8_lossy(&pair).into_owned();
        pair.repeat(3).parse().unwrap()
    };
    pairs.take(count).map(code).collect()
}
