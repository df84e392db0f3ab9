//! A network apart: a namespace of its own, joined to this machine's by one pair of ends, over which nothing but one server's port
//! can be reached.
//!
//! Servers of tests listen on loopback, which is another one in there. What is said to their port on the near end is passed on,
//! byte for byte: TLS goes through. Deliberately absent: names, routes, and everything else that a network has.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};

use super::child::Ran;
use super::upstream::join;

/// A namespace, gone with its owner.
pub(crate) struct Network {
    name: String,
    near: String,
    relay: Option<Relay>,
}

struct Relay {
    at: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

fn ip(words: &str) {
    Ran::of(Command::new("ip").args(words.split(' '))).done();
}

impl Network {
    /// Names and addresses are taken after the process of the test, so that tests have their own.
    pub(crate) fn new() -> Self {
        let process = std::process::id();
        let name = format!("sth{process}");
        let of = |last: u32| {
            let (third, fourth) = ((process >> 6) & 255, (process & 63) * 4 + last);
            format!("10.213.{third}.{fourth}")
        };
        let (near, far) = (of(1), of(2));
        let network = Self {
            name: name.clone(),
            near: near.clone(),
            relay: None,
        };
        ip(&format!("netns add {name}"));
        ip(&format!(
            "link add {name}a type veth peer name {name}b netns {name}"
        ));
        ip(&format!("addr add {near}/30 dev {name}a"));
        ip(&format!("link set {name}a up"));
        ip(&format!("-n {name} addr add {far}/30 dev {name}b"));
        ip(&format!("-n {name} link set {name}b up"));
        ip(&format!("-n {name} link set lo up"));
        network
    }

    /// The address of this machine, as it is seen from within.
    pub(crate) fn near(&self) -> &str {
        &self.near
    }

    /// Passes on what is said to a port of the near end, to the same port of loopback.
    pub(crate) fn lead_to(&mut self, port: u16) {
        let listener = TcpListener::bind((self.near.as_str(), port)).unwrap();
        let (at, ends) = (listener.local_addr().unwrap(), Arc::<AtomicBool>::default());
        let over = ends.clone();
        let thread = spawn(move || {
            for near in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                // A server that is not there is a connection that ends.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    join(near, server);
                }
            }
        });
        self.relay = Some(Relay { at, ends, thread });
    }

    /// The words that a program is started with to be in there, and see the files of this machine.
    pub(crate) fn within(&self) -> [String; 2] {
        let namespace = format!("--net=/run/netns/{}", self.name);
        ["nsenter".to_owned(), namespace]
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(Relay { at, ends, thread }) = self.relay.take() {
            ends.store(true, Ordering::Relaxed);
            TcpStream::connect(at).ok();
            thread.join().ok();
        }
        // The near end goes with the other.
        for words in [
            format!("link del {}a", self.name),
            format!("netns del {}", self.name),
        ] {
            Command::new("ip").args(words.split(' ')).output().ok();
        }
    }
}
