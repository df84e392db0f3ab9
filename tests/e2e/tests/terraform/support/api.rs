//! The API of a server, asked as a program asks it: for what no command says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use statehouse_web::tls;

use super::house::Server;

/// Nobody says nothing for so long.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The answer in JSON of what must succeed.
    pub(crate) fn json(self) -> Value {
        assert!(self.status < 300, "{} {}", self.status, self.text());
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Asserts that it refuses with this status, in these words.
    pub(crate) fn refuses(self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert!(self.text().contains(words), "{}", self.text());
    }
}

/// Asks a server with a token. `path` begins with `/`, `sent` is what is sent as JSON.
pub(crate) fn ask(
    server: &Server,
    token: &str,
    (method, path): (&str, &str),
    sent: &Value,
) -> Answer {
    let roots = tls::roots(server.authority_pem().as_bytes(), "the server's authority");
    let client = tls::client_config(roots.unwrap()).unwrap();
    let address = server.address.strip_prefix("https://").unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
    let session = ClientConnection::new(client, ServerName::from(address.ip())).unwrap();
    let mut stream = StreamOwned::new(session, stream);
    let body = if sent.is_null() {
        String::new()
    } else {
        sent.to_string()
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/vnd.api+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.expect("the head of an answer");
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let bytes = answer[end + 4..].to_vec();
    Answer { status, bytes }
}
