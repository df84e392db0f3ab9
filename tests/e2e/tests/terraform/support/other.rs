//! A server of somebody else, over TLS: answers by a table, and remembers what it was asked.
//!
//! One thread, one request for each connection. Deliberately absent: everything that HTTP can do beyond that.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::tls::{self, Served};

/// Nobody says nothing for so long.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method, blank, path with its query.
    pub(crate) what: String,
    /// The token that came with it.
    pub(crate) token: Option<String>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// A header line more, or nothing.
    pub(crate) header: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            header: String::new(),
            body: body.into(),
        }
    }
}

/// Who answers; how often the same was asked before comes along.
type Table = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

/// A server, gone when this is dropped.
pub(crate) struct Other {
    address: SocketAddr,
    ca: PathBuf,
    seen: Arc<Mutex<Vec<Asked>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Other {
    /// With an authority of its own in `home`.
    pub(crate) fn start(
        home: &Path,
        table: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::called(&[], home, table)
    }

    /// One that has these names, too.
    pub(crate) fn called(
        names: &[&'static str],
        home: &Path,
        table: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let names = names.iter().map(|&name| name.try_into().unwrap());
        let names = Names::of_this_machine(&names.collect::<Vec<_>>());
        let ca = home.join("ca.pem");
        let files = Files {
            certificate: ca.clone(),
            keys: home.join("keys"),
        };
        let authority = Arc::new(Authority::open(files, &names).unwrap());
        let served = Served::open(authority.server(&names).unwrap(), names.required).unwrap();
        let mut tls = ServerConfig::clone(&tls::server_config(served).unwrap());
        // It speaks nothing newer.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tls = Arc::new(tls);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Asked>>>::default();
        let of_thread = seen.clone();
        let accepting = spawn(move || {
            for client in listener.incoming() {
                if serve(client.unwrap(), &tls, &of_thread, &table).is_none() {
                    return;
                }
            }
        });
        Self {
            address,
            ca,
            seen,
            accepting: Some(accepting),
        }
    }

    /// Host and port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate to trust.
    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }

    /// Everything that it was asked.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // A connection that says nothing ends the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let ended = accepting.join();
            assert!(std::thread::panicking() || ended.is_ok(), "it broke");
        }
    }
}

/// Answers one request. `None` when the client says nothing.
fn serve(
    client: TcpStream,
    tls: &Arc<ServerConfig>,
    seen: &Mutex<Vec<Asked>>,
    table: &Table,
) -> Option<()> {
    client.set_read_timeout(Some(SILENCE_MAX)).unwrap();
    let connection = ServerConnection::new(tls.clone()).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(connection, client));
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let (what, _) = line.rsplit_once(' ').unwrap();
    let (what, mut token, mut length) = (what.to_owned(), None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let asked = Asked { what, token };
    let before = {
        let mut seen = seen.lock().unwrap();
        let before = seen.iter().filter(|each| each.what == asked.what).count();
        seen.push(asked.clone());
        before
    };
    let Answer {
        status,
        header,
        body,
    } = table(&asked, before);
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n{header}\r\n",
        body.len()
    );
    let stream = reader.get_mut();
    stream.write_all(head.as_bytes()).unwrap();
    if !asked.what.starts_with("HEAD ") {
        stream.write_all(&body).unwrap();
    }
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    Some(())
}
