//! A client by hand: HTTP/1.1 over one kept TLS 1.3 connection, on the thread that calls it.
//!
//! By hand, because what is tested is what a client may believe: nothing here sends a request twice, and an answer counts when
//! its last byte was read. Whatever else happens is [`Unanswered`].

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// A server that is silent for this long has failed.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Where a server answers, and how it is known.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Target {
    /// The server at `address`, whose certificate the authority in the file `ca` signed.
    pub(crate) fn new(address: SocketAddr, ca: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(ca).expect("the authority's certificate"))
            .expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13]);
        let tls = builder
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            address,
            tls: Arc::new(tls),
        }
    }
}

/// No answer came: nobody knows whether what was asked was done.
#[derive(Debug)]
pub(crate) struct Unanswered(pub(crate) String);

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Which version was made or read, where the server names one.
    pub(crate) version: Option<String>,
    pub(crate) body: Vec<u8>,
    closes: bool,
}

impl Answer {
    /// The body for people.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }

    /// The body for programs.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client with one connection, made when it is first needed and again after it was lost.
pub(crate) struct Client {
    target: Target,
    token: String,
    stream: Option<Stream>,
}

impl Client {
    pub(crate) fn new(target: &Target, token: &str) -> Self {
        Self {
            target: target.clone(),
            token: token.to_owned(),
            stream: None,
        }
    }

    /// Whether the server knows whom a token stands for: 200, or 401.
    pub(crate) fn status_of_token(&mut self, token: &str) -> Result<Answer, Unanswered> {
        let own = std::mem::replace(&mut self.token, token.to_owned());
        let answer = self.request("GET", "/api/v2/account/details", &[]);
        self.token = own;
        answer
    }

    /// Sends one request and reads its answer.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Answer, Unanswered> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.target).map_err(|error| unanswered("connecting", &error))?,
        };
        let token = &self.token;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let sent = stream
            .write_all(&[head.as_bytes(), body].concat())
            .and_then(|()| stream.flush());
        sent.map_err(|error| unanswered(path, &error))?;
        let answer = read_answer(&mut stream).map_err(|error| unanswered(path, &error))?;
        self.stream = Some(stream).filter(|_| !answer.closes);
        Ok(answer)
    }

    /// Sends a JSON:API document with these attributes.
    pub(crate) fn document(
        &mut self,
        method: &str,
        path: &str,
        attributes: &Value,
    ) -> Result<Answer, Unanswered> {
        let body = json!({ "data": { "attributes": attributes } }).to_string();
        self.request(method, path, body.as_bytes())
    }
}

fn unanswered(what: &str, error: &Error) -> Unanswered {
    Unanswered(format!("{what}: {error}"))
}

fn connect(target: &Target) -> Result<Stream, Error> {
    let tcp = TcpStream::connect(target.address)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(SILENCE_MAX))?;
    tcp.set_write_timeout(Some(SILENCE_MAX))?;
    let session = ClientConnection::new(target.tls.clone(), ServerName::from(target.address.ip()));
    let mut stream = StreamOwned::new(session.map_err(Error::other)?, tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn read_answer(stream: &mut Stream) -> Result<Answer, Error> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).map_err(Error::other)?;
    let (mut answer, length) =
        read_head(&head).ok_or_else(|| Error::other(format!("no HTTP answer: {head}")))?;
    answer.body = body;
    let had = answer.body.len();
    answer.body.resize(length.max(had), 0);
    stream.read_exact(&mut answer.body[had..])?;
    Ok(answer)
}

/// The answer without its body, and how long that is. Nothing is answered here whose length is not announced.
fn read_head(head: &str) -> Option<(Answer, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer {
        status,
        version: None,
        body: Vec::new(),
        closes: false,
    };
    let mut length = (status == 204).then_some(0);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.parse().ok()?),
            "statehouse-version" => answer.version = Some(value.to_owned()),
            "connection" => answer.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    Some((answer, length?))
}
