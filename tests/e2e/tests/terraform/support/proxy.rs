//! A line between terraform and the server that sees what passes and can lose an answer.
//!
//! It speaks HTTP with terraform, because nobody between two ends of TLS sees anything, and TLS with the server. One
//! request is one connection on both sides. Deliberately absent: everything else that a proxy does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use statehouse_web::tls;

use super::house::Server;

/// Nobody says nothing for so long.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What passed.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) asked: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) answered: String,
}

struct Line {
    server: SocketAddr,
    tls: Arc<ClientConfig>,
    /// Methods whose next answer is lost.
    loses: Mutex<Vec<&'static str>>,
    seen: Mutex<Vec<Exchange>>,
}

/// The line; it is cut when this is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A line to `server` that loses the first answer to each of these methods.
    pub(crate) fn losing(server: &Server, loses: &[&'static str]) -> Self {
        let roots = tls::roots(server.authority_pem().as_bytes(), "the server's authority");
        let line = Arc::new(Line {
            server: server
                .address
                .strip_prefix("https://")
                .unwrap()
                .parse()
                .unwrap(),
            tls: tls::client_config(roots.unwrap()).unwrap(),
            loses: Mutex::new(loses.to_vec()),
            seen: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let of_thread = line.clone();
        let accepting = Some(spawn(move || accept(&listener, &of_thread)));
        Self {
            address,
            line,
            accepting,
        }
    }

    /// The block of a workspace that goes through this line.
    pub(crate) fn block(&self, server: &Server, workspace: &str) -> String {
        let address = format!("http://{}", self.address);
        server.block(workspace).replace(&server.address, &address)
    }

    /// What passed, of one method.
    pub(crate) fn seen(&self, method: &str) -> Vec<Exchange> {
        let seen = self.line.seen.lock().unwrap();
        let of_method = seen.iter().filter(|exchange| exchange.method == method);
        of_method.cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A connection that says nothing ends the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let ended = accepting.join();
            assert!(std::thread::panicking() || ended.is_ok(), "the line broke");
        }
    }
}

fn accept(listener: &TcpListener, line: &Line) {
    for client in listener.incoming() {
        if carry(client.unwrap(), line).is_none() {
            return;
        }
    }
}

/// Carries one request and its answer. `None` when the client says nothing.
fn carry(mut client: TcpStream, line: &Line) -> Option<()> {
    client.set_read_timeout(Some(SILENCE_MAX)).unwrap();
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap() == 0 {
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
            head.push(header);
        }
    }
    let mut asked = vec![0; length];
    reader.read_exact(&mut asked).unwrap();
    let head = head.concat();
    let method = head.split(' ').next().unwrap().to_owned();
    let answer = ask(line, &head, &asked);

    let text = String::from_utf8(answer.clone()).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, answered) = text.split_once("\r\n\r\n").unwrap();
    let exchange = Exchange {
        method: method.clone(),
        asked,
        status,
        answered: answered.to_owned(),
    };
    line.seen.lock().unwrap().push(exchange);
    let mut loses = line.loses.lock().unwrap();
    let lost = loses.iter().position(|lost| *lost == method);
    match lost {
        Some(position) => drop(loses.remove(position)),
        None => client.write_all(&answer).unwrap(),
    }
    Some(())
}

/// Asks the server, and waits for all of its answer.
fn ask(line: &Line, head: &str, body: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(line.server).unwrap();
    stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
    let name = ServerName::from(line.server.ip());
    let session = ClientConnection::new(line.tls.clone(), name).unwrap();
    let mut server = StreamOwned::new(session, stream);
    let request = [head.as_bytes(), b"Connection: close\r\n\r\n", body].concat();
    server.write_all(&request).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    answer
}
