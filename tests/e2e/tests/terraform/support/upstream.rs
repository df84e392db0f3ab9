//! The proxy of a network that lets nothing else out: it writes down what it is asked, wants a user and a password if it has one, and
//! leads every host to one port of this machine.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

/// The proxy; it listens until this is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    /// To a port of this machine, for whoever says `authorization`, or for everybody.
    pub(crate) fn to(port: u16, authorization: Option<&str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, ends) = (Arc::<Mutex<Vec<String>>>::default(), Arc::default());
        let (seen, over) = (Arc::clone(&asked), Arc::<AtomicBool>::clone(&ends));
        let wanted = authorization.map(|value| format!("Proxy-Authorization: {value}\r\n"));
        let thread = spawn(move || {
            for client in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, wanted) = (seen.clone(), wanted.clone());
                spawn(move || answer(client, port, wanted.as_deref(), &seen));
            }
        });
        Self {
            address,
            asked,
            ends,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked until now, each with its headers.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn answer(mut client: TcpStream, port: u16, wanted: Option<&str>, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_exact(&mut byte).is_err() {
            return;
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    let is_let_in = wanted.is_none_or(|wanted| head.contains(wanted));
    seen.lock().unwrap().push(head);
    if !is_let_in {
        client
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"corp\"\r\n\r\n")
            .ok();
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
        client.write_all(b"HTTP/1.1 503 Nobody\r\n\r\n").ok();
        return;
    };
    if client.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").is_ok() {
        join(client, server);
    }
}

/// Passes on in both directions, until both have ended.
pub(crate) fn join(one: TcpStream, other: TcpStream) {
    for (mut from, mut to) in [
        (one.try_clone().unwrap(), other.try_clone().unwrap()),
        (other, one),
    ] {
        spawn(move || {
            let mut piece = [0; 16 * 1024];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                if to.write_all(&piece[..length]).is_err() {
                    break;
                }
            }
            to.shutdown(Shutdown::Write).ok();
        });
    }
}
