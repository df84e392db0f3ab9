//! A line between terraform and the server that sees what passes, and breaks it where a test says so.
//!
//! TLS ends here on both sides, with a certificate of the line's own authority, because nobody between two ends of TLS sees
//! anything. One request is one connection on both sides; requests that come at once pass at once. Deliberately absent:
//! everything else that a proxy does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::tls::{self, Served};
use tempfile::TempDir;

use super::child::until;
use super::house::Server;
use super::project::Project;

/// Nobody says nothing for so long.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long a request is held, at most.
const HELD_MAX: Duration = Duration::from_mins(1);

/// What a client asks.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// What passed: a question, and what the server answered, if it heard it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) asked: Asked,
    pub(crate) status: Option<u16>,
    pub(crate) answered: String,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The line answers with this status, and the server hears nothing.
    Answers(u16),
    /// The server hears nothing, and the client no answer.
    LosesRequest,
    /// The server hears the half of it, and the client no answer.
    CutsRequest,
    /// The server hears a body with another byte in its middle.
    AltersRequest,
    /// The server hears it twice, at the same time.
    Repeats,
    /// The server answers, and the client hears nothing.
    LosesAnswer,
    /// The client hears the half of the answer.
    CutsAnswer,
    /// It waits until [`Line::release`], and passes, or until [`Line::loses_held`].
    Holds,
}

/// Which requests fail: those that `is` tells, from the first one on, `times` of them.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) is: fn(&Asked) -> bool,
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

/// The authority of every line of a test.
pub(crate) struct Lines {
    folder: TempDir,
    config: Arc<ServerConfig>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::of_this_machine(&[]);
        let files = Files {
            certificate: folder.path().join("ca.pem"),
            keys: folder.path().join("keys"),
        };
        let authority = Arc::new(Authority::open(files, &names).unwrap());
        let source = authority.server(&names).unwrap();
        let served = Served::open(source, names.required).unwrap();
        let mut config = Arc::unwrap_or_clone(tls::server_config(served).unwrap());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            folder,
            config: Arc::new(config),
        }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A line to `server` that breaks nothing yet.
    pub(crate) fn to(&self, server: &Server) -> Line {
        let roots = tls::roots(server.authority_pem().as_bytes(), "the server's authority");
        let address = server.address.strip_prefix("https://").unwrap();
        let inner = Arc::new(Inner {
            server: address.parse().unwrap(),
            client: tls::client_config(roots.unwrap()).unwrap(),
            config: self.config.clone(),
            rules: Mutex::default(),
            seen: Mutex::default(),
            holds: AtomicBool::default(),
            released: AtomicBool::default(),
            lost: AtomicBool::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let of_thread = inner.clone();
        Line {
            address,
            authority: self.authority(),
            inner,
            accepting: Some(spawn(move || accept(&listener, &of_thread))),
        }
    }
}

struct Inner {
    server: SocketAddr,
    client: Arc<ClientConfig>,
    config: Arc<ServerConfig>,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Exchange>>,
    holds: AtomicBool,
    released: AtomicBool,
    lost: AtomicBool,
}

/// The line; it is cut when this is dropped.
pub(crate) struct Line {
    address: SocketAddr,
    authority: PathBuf,
    inner: Arc<Inner>,
    accepting: Option<JoinHandle<()>>,
}

impl Line {
    /// From now on it breaks these requests, and remembers what passes.
    pub(crate) fn breaks(&self, rules: &[Rule]) {
        *self.inner.rules.lock().unwrap() = rules.to_vec();
        self.inner.seen.lock().unwrap().clear();
    }

    /// Whether a request is held.
    pub(crate) fn holds(&self) -> Option<()> {
        self.inner.holds.load(Ordering::SeqCst).then_some(())
    }

    /// Lets pass what is held.
    pub(crate) fn release(&self) {
        self.inner.released.store(true, Ordering::SeqCst);
    }

    /// What is held never reaches the server.
    pub(crate) fn loses_held(&self) {
        self.inner.lost.store(true, Ordering::SeqCst);
    }

    /// What passed since the rules were made.
    pub(crate) fn seen(&self, is: fn(&Asked) -> bool) -> Vec<Exchange> {
        let seen = self.inner.seen.lock().unwrap();
        let such = seen.iter().filter(|exchange| is(&exchange.asked));
        such.cloned().collect()
    }

    /// Whether every rule found what it breaks.
    pub(crate) fn broke_all(&self) -> bool {
        let rules = self.inner.rules.lock().unwrap();
        rules.iter().all(|rule| rule.times == 0)
    }

    /// The block of the `http` backend for a workspace that goes through this line.
    pub(crate) fn block(&self, server: &Server, workspace: &str) -> String {
        let own = fs_err::read_to_string(&self.authority).unwrap();
        let block = server.block(workspace);
        let address = format!("https://{}", self.address);
        let block = block.replace(&server.address, &address);
        let (before, rest) = block.split_once("<<-EOT\n").unwrap();
        let (_, after) = rest.split_once("EOT\n").unwrap();
        format!("{before}<<-EOT\n{own}EOT\n{after}")
    }

    /// A project whose `cloud` block goes through this line.
    pub(crate) fn project(&self, server: &Server, workspaces: &str, main: &str) -> Project {
        let host = format!("localhost:{}", self.address.port());
        let block = server.cloud(workspaces).replace(&server.host(), &host);
        let token = &server.token;
        Project::new(&block, main)
            .with_cli_config(&format!(
                "credentials \"{host}\" {{\n  token = \"{token}\"\n}}\n"
            ))
            .with("SSL_CERT_FILE", self.authority.to_str().unwrap())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.loses_held();
        // A connection that says nothing ends the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let ended = accepting.join();
            assert!(std::thread::panicking() || ended.is_ok(), "the line broke");
        }
    }
}

fn accept(listener: &TcpListener, inner: &Arc<Inner>) {
    let mut carrying = Vec::new();
    for client in listener.incoming() {
        let client = client.unwrap();
        // Nobody but the end of the line says nothing.
        let mut first = [0];
        client.set_read_timeout(Some(SILENCE_MAX)).unwrap();
        if client.peek(&mut first).unwrap_or(0) == 0 {
            break;
        }
        let inner = inner.clone();
        carrying.push(spawn(move || carry(client, &inner)));
    }
    for carried in carrying {
        carried.join().unwrap();
    }
}

/// Carries one request and its answer. A client that goes away meanwhile has its reasons.
fn carry(client: TcpStream, inner: &Inner) {
    let session = ServerConnection::new(inner.config.clone()).unwrap();
    let mut client = StreamOwned::new(session, client);
    let Some((head, asked)) = read(&mut client) else {
        return;
    };
    let mut rules = inner.rules.lock().unwrap();
    let rule = rules
        .iter_mut()
        .find(|rule| rule.times > 0 && (rule.is)(&asked));
    let fault = rule.map(|rule| {
        rule.times -= 1;
        rule.fault
    });
    drop(rules);
    let answer = inner.pass(&head, &asked, fault);
    let status = answer.as_deref().map(status);
    let text = String::from_utf8_lossy(answer.as_deref().unwrap_or_default()).into_owned();
    let exchange = Exchange {
        asked,
        status,
        answered: text.split_once("\r\n\r\n").unwrap_or_default().1.to_owned(),
    };
    inner.seen.lock().unwrap().push(exchange);
    let Some(answer) = answer else {
        return;
    };
    let heard = match fault {
        Some(Fault::LosesAnswer) => &[],
        Some(Fault::CutsAnswer) => &answer[..answer.len() / 2],
        _ => &answer[..],
    };
    client.write_all(heard).ok();
    if heard.len() == answer.len() {
        client.conn.send_close_notify();
    }
    client.flush().ok();
    client.sock.shutdown(Shutdown::Write).ok();
}

/// Head and body of a request, the head without its end and without what is said of the connection.
fn read(client: &mut impl Read) -> Option<(String, Asked)> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 {
            return None;
        }
        let lower = header.to_ascii_lowercase();
        if header == "\r\n" {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        assert!(
            !lower.starts_with("transfer-encoding:"),
            "no command of these tests sends chunks"
        );
        if !lower.starts_with("connection:") {
            head.push_str(&header);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    Some((head, Asked { method, path, body }))
}

fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(&answer[..answer.len().min(32)]).into_owned();
    let status = text.split(' ').nth(1).map(str::parse);
    status.and_then(Result::ok).expect("an HTTP answer")
}

/// What something between two ends says.
fn own_answer(status: u16) -> Vec<u8> {
    let body = format!(
        r#"{{"errors":[{{"status":"{status}","title":"the line","detail":"the line is broken on purpose"}}]}}"#
    );
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Broken\r\nContent-Type: application/vnd.api+json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Inner {
    /// What the server answers to it, if it hears it and can be reached.
    fn pass(&self, head: &str, asked: &Asked, fault: Option<Fault>) -> Option<Vec<u8>> {
        let body = &asked.body[..];
        match fault {
            Some(Fault::Answers(status)) => Some(own_answer(status)),
            Some(Fault::LosesRequest) => None,
            Some(Fault::CutsRequest) => {
                self.ask(head, &body[..body.len() / 2], true);
                None
            }
            Some(Fault::AltersRequest) => {
                let mut altered = body.to_vec();
                let place = altered.iter().rposition(u8::is_ascii_digit);
                let digit = &mut altered[place.expect("a digit to alter")];
                *digit = if *digit == b'7' { b'8' } else { b'7' };
                self.ask(head, &altered, false)
            }
            Some(Fault::Repeats) => std::thread::scope(|scope| {
                let other = scope.spawn(|| self.ask(head, body, false));
                let answer = self.ask(head, body, false);
                let other = other.join().unwrap();
                let statuses = [&other, &answer].map(|answer| answer.as_deref().map(status));
                assert_eq!(
                    statuses[0], statuses[1],
                    "the same was answered differently"
                );
                answer
            }),
            Some(Fault::Holds) => {
                self.holds.store(true, Ordering::SeqCst);
                let goes = until("a held request goes on", HELD_MAX, || {
                    let lost = self.lost.load(Ordering::SeqCst);
                    let released = self.released.load(Ordering::SeqCst);
                    (lost || released).then_some(released)
                });
                goes.then(|| self.ask(head, body, false)).flatten()
            }
            Some(Fault::LosesAnswer | Fault::CutsAnswer) | None => self.ask(head, body, false),
        }
    }

    /// Asks the server, and waits for all of its answer unless the connection is cut.
    fn ask(&self, head: &str, body: &[u8], cut: bool) -> Option<Vec<u8>> {
        let stream = TcpStream::connect(self.server).ok()?;
        stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
        let name = ServerName::from(self.server.ip());
        let session = ClientConnection::new(self.client.clone(), name).unwrap();
        let mut server = StreamOwned::new(session, stream);
        let request = [head.as_bytes(), b"Connection: close\r\n\r\n", body].concat();
        server.write_all(&request).ok()?;
        server.flush().ok()?;
        if cut {
            server.sock.shutdown(Shutdown::Both).ok();
            return None;
        }
        let mut answer = Vec::new();
        // A server that is killed says no farewell.
        server.read_to_end(&mut answer).ok();
        (!answer.is_empty()).then_some(answer)
    }
}
