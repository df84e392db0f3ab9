//! A client that costs little: HTTP/1.1 by hand over one kept connection, on the thread that calls it.
//!
//! It sends what terraform sends (Basic credentials, `Content-MD5`) and reads answers of announced length. Deliberately absent:
//! redirects, chunked answers, and retries; whatever is not understood is an error, so that nothing is measured by mistake.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use statehouse_web::tls;

use crate::Result;

/// A server that does not answer for this long has failed.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Where to connect, and as whom.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    authorization: String,
}

impl Target {
    /// The server at `address`, whose certificate the authority in the file `ca` signed.
    pub(crate) fn new(address: SocketAddr, ca: &Path, token: &str) -> Result<Self> {
        let roots = tls::roots(&fs_err::read(ca)?, &ca.display().to_string())?;
        let authorization = format!("Basic {}", STANDARD.encode(format!("bench:{token}")));
        Ok(Self {
            address,
            tls: tls::client_config(roots)?,
            authorization,
        })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What came back; its body is in [`Client::body`].
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The id of the version that was made or read, where the server names one.
    pub(crate) version: Option<String>,
}

/// One kept connection.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    authorization: String,
    out: Vec<u8>,
    /// The body of the last answer.
    pub(crate) body: Vec<u8>,
}

/// The digest that terraform sends with a body.
pub(crate) fn content_md5(body: &[u8]) -> String {
    STANDARD.encode(Md5::digest(body))
}

impl Client {
    /// Connects and shakes hands.
    pub(crate) fn connect(target: &Target) -> Result<Self> {
        let tcp = TcpStream::connect(target.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(SILENCE_MAX))?;
        let session =
            ClientConnection::new(target.tls.clone(), ServerName::from(target.address.ip()))?;
        let mut stream = StreamOwned::new(session, tcp);
        stream.conn.set_buffer_limit(Some(256 * 1024));
        stream.flush()?;
        let out = Vec::with_capacity(128 * 1024);
        Ok(Self {
            stream,
            authorization: target.authorization.clone(),
            out,
            body: Vec::new(),
        })
    }

    /// Sends one request and waits for its answer. `md5` is the digest of the body, where one is sent.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        md5: Option<&str>,
        body: &[u8],
    ) -> Result<Answer> {
        self.out.clear();
        write!(
            self.out,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            self.authorization,
            body.len()
        )?;
        if let Some(md5) = md5 {
            write!(self.out, "Content-MD5: {md5}\r\n")?;
        }
        self.out.extend_from_slice(b"\r\n");
        if body.len() <= 128 * 1024 {
            self.out.extend_from_slice(body);
            self.stream.write_all(&self.out)?;
        } else {
            self.stream.write_all(&self.out)?;
            self.stream.write_all(body)?;
        }
        self.stream.flush()?;
        self.answer()
    }

    /// The same, where anything but 200 is an error.
    pub(crate) fn expect_ok(
        &mut self,
        method: &str,
        path: &str,
        md5: Option<&str>,
        body: &[u8],
    ) -> Result<Answer> {
        let answer = self.request(method, path, md5, body)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let words = String::from_utf8_lossy(&self.body);
        Err(format!(
            "{method} {path} was answered {}: {}",
            answer.status,
            words.trim()
        )
        .into())
    }

    fn answer(&mut self) -> Result<Answer> {
        self.body.clear();
        let mut buffer = [0; 16 * 1024];
        let end = loop {
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Err("the server closed the connection within an answer".into());
            }
            self.body
                .extend_from_slice(buffer.get(..read).unwrap_or_default());
            if let Some(end) = self.body.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8(self.body.drain(..end).collect())?;
        let (answer, length) = read_head(&head)?;
        let had = self.body.len();
        if length > had {
            self.body.resize(length, 0);
            self.stream
                .read_exact(self.body.get_mut(had..).unwrap_or_default())?;
        }
        Ok(answer)
    }
}

/// The status, the version and the length of the body.
fn read_head(head: &str) -> Result<(Answer, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| format!("this is no HTTP answer: {head}"))?;
    let (mut length, mut version) = (None, None);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse()?);
        } else if name.eq_ignore_ascii_case("statehouse-version") {
            version = Some(value.to_owned());
        }
    }
    let length = match length {
        Some(length) => length,
        None if status == 204 => 0,
        None => return Err(format!("an answer of unannounced length: {head}").into()),
    };
    Ok((Answer { status, version }, length))
}

/// The body of a `LOCK`, as terraform sends it.
pub(crate) fn lock_info(id: &str) -> Vec<u8> {
    serde_json::json!({
        "ID": id, "Operation": "OperationTypeApply", "Info": "", "Who": "bench@localhost",
        "Version": "1.11.4", "Created": "2026-01-01T00:00:00Z", "Path": "",
    })
    .to_string()
    .into_bytes()
}
