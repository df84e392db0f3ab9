//! The inner half: loopback listeners in the sandbox's own network, and one Unix socket behind all of them.
//!
//! Programs in a sandbox connect where they would connect anyway. The proxy has an address that [`environment`] tells them. A `tcp` entry that means the
//! machine itself (`tcp://127.0.0.1:5000`) is listened for at that very address, which is free because the sandbox's loopback is its own; one with a name gets an
//! address of its own in 127.1.0.0/16, the same port, and a line for `/etc/hosts` ([`hosts_lines`]). So configurations stay as they are.
//!
//! A relay decides nothing and sees nothing: whatever runs beside it may speak to the socket itself, and is told the same there. It has threads
//! and no runtime, because it lives beside terraform and should cost nothing while nothing goes by.
//!
//! Ports below 1024 need a sandbox that lets them be bound (`net.ipv4.ip_unprivileged_port_start` is a setting of each network namespace).

mod carry;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::host::Host;
use super::rules::AllowList;

/// At once. Each takes two threads, which count among the processes of the sandbox.
const CONNECTIONS_MAX: usize = 256;

/// A thread that copies bytes needs little; the buffer is not on the stack.
const STACK_BYTES: usize = 128 * 1024;

/// How long to wait before accepting again when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many names share one third byte of 127.1.x.y.
const NAMES_PER_BYTE: usize = 250;

/// What a relay listens on and where it carries that to. It is handed into the sandbox as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelaySpec {
    /// The socket, as it is called inside.
    pub socket: PathBuf,
    /// The address of the proxy.
    pub proxy: SocketAddr,
    /// The address of the state backend, if the runner serves one.
    pub state: Option<SocketAddr>,
    /// The `tcp` entries.
    pub entries: Vec<RelayEntry>,
}

/// A `tcp` entry inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayEntry {
    /// Its number in the list.
    pub number: usize,
    /// Whom it means.
    pub host: Host,
    /// Where it is listened for.
    pub listen: SocketAddr,
}

/// Two things that would listen in one place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("inside the sandbox {0} is taken; the tcp:// entry that names it needs another port")]
pub struct Taken(pub SocketAddr);

impl RelaySpec {
    /// Gives every `tcp` entry of a list its place.
    pub fn new(
        socket: PathBuf,
        proxy: SocketAddr,
        state: Option<SocketAddr>,
        allow: &AllowList,
    ) -> Result<RelaySpec, Taken> {
        let mut names: Vec<&Host> = Vec::new();
        let mut entries: Vec<RelayEntry> = Vec::new();
        let taken: BTreeSet<SocketAddr> = state.into_iter().chain([proxy]).collect();
        for (number, host, port) in allow.tcp_entries() {
            for address in places(host, &mut names) {
                let listen = SocketAddr::new(address, port);
                if taken.contains(&listen) {
                    return Err(Taken(listen));
                }
                // `localhost` and its address may both be listed: they are one place.
                if entries.iter().all(|entry| entry.listen != listen) {
                    let host = host.clone();
                    entries.push(RelayEntry {
                        number,
                        host,
                        listen,
                    });
                }
            }
        }
        Ok(RelaySpec {
            socket,
            proxy,
            state,
            entries,
        })
    }
}

/// Where a host of the list is listened for; `names` are those that have an address of their own, in order.
fn places<'a>(host: &'a Host, names: &mut Vec<&'a Host>) -> Vec<IpAddr> {
    if let Host::Address(address) = host {
        return vec![*address];
    }
    if host.is_loopback() {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    let known = names.iter().position(|name| *name == host);
    let index = known.unwrap_or_else(|| {
        names.push(host);
        names.len() - 1
    });
    let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let (high, low) = (index / NAMES_PER_BYTE, index % NAMES_PER_BYTE + 1);
    vec![Ipv4Addr::new(127, 1, byte(high), byte(low)).into()]
}

/// The variables that send programs to the proxy, in both spellings, because `curl` reads one and others read the other.
pub fn environment(spec: &RelaySpec) -> Vec<(String, String)> {
    let proxy = format!("http://{}", spec.proxy);
    let mut direct = vec![
        "localhost".to_owned(),
        "127.0.0.0/8".to_owned(),
        "::1".to_owned(),
    ];
    for entry in &spec.entries {
        let place = format!("{}:{}", entry.host, entry.listen.port());
        if !entry.host.is_loopback() && !direct.contains(&place) {
            direct.push(place);
        }
    }
    let direct = direct.join(",");
    let pairs = [
        ("HTTPS_PROXY", &proxy),
        ("HTTP_PROXY", &proxy),
        ("NO_PROXY", &direct),
    ];
    let upper = pairs.map(|(name, value)| (name.to_owned(), value.clone()));
    let lower = pairs.map(|(name, value)| (name.to_lowercase(), value.clone()));
    upper.into_iter().chain(lower).collect()
}

/// The lines of `/etc/hosts` inside the sandbox.
pub fn hosts_lines(spec: &RelaySpec) -> Vec<String> {
    let mut lines = vec!["127.0.0.1 localhost".to_owned(), "::1 localhost".to_owned()];
    for entry in &spec.entries {
        let line = format!("{} {}", entry.listen.ip(), entry.host);
        if matches!(entry.host, Host::Name(_)) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Listeners that are there until [`Relays::stop`], or until the process ends.
#[derive(Debug)]
pub struct Relays {
    addresses: Vec<SocketAddr>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Listens everywhere, or nowhere; the error names the address.
pub fn start(spec: &RelaySpec) -> io::Result<Relays> {
    let mut listeners = vec![(listen(spec.proxy)?, Vec::new())];
    if let Some(state) = spec.state {
        listeners.push((listen(state)?, b"STATE\n".to_vec()));
    }
    for entry in &spec.entries {
        match listen(entry.listen) {
            Ok(listener) => {
                let line = format!("TCP {}\n", entry.number);
                listeners.push((listener, line.into_bytes()));
            }
            // Where IPv6 is switched off, `localhost` is IPv4.
            Err(_) if matches!(entry.host, Host::Name(_)) && entry.listen.is_ipv6() => {}
            Err(error) => return Err(error),
        }
    }
    let mut relays = Relays {
        addresses: Vec::new(),
        stopping: Arc::default(),
        threads: Vec::new(),
    };
    let open = Arc::new(AtomicUsize::new(0));
    for (listener, line) in listeners {
        relays.addresses.push(listener.local_addr()?);
        let accepting = Accepting {
            listener,
            line: line.into(),
            socket: spec.socket.as_path().into(),
            open: Arc::clone(&open),
            stopping: Arc::clone(&relays.stopping),
        };
        let thread = thread::Builder::new().name("relay".into());
        let thread = thread.stack_size(STACK_BYTES);
        relays.threads.push(thread.spawn(move || accepting.run())?);
    }
    Ok(relays)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

impl Relays {
    /// Where it listens: the proxy first, then the state, then the entries.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts no more connections. Those that are open go on.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::SeqCst);
        for address in &self.addresses {
            // Wakes the thread, which waits in `accept`.
            let _ = TcpStream::connect_timeout(address, ACCEPT_PAUSE);
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// One listener.
struct Accepting {
    listener: TcpListener,
    /// What the socket is told first.
    line: Arc<[u8]>,
    socket: Arc<Path>,
    open: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

impl Accepting {
    fn run(self) {
        while !self.stopping.load(Ordering::SeqCst) {
            match self.listener.accept() {
                Ok((client, _)) => self.take(client),
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    }

    /// Carries a connection in a thread, or closes it where there are too many.
    fn take(&self, client: TcpStream) {
        if self.stopping.load(Ordering::SeqCst) {
            return;
        }
        let place = Place::taken(&self.open);
        if self.open.load(Ordering::SeqCst) > CONNECTIONS_MAX {
            return;
        }
        let (line, socket) = (Arc::clone(&self.line), Arc::clone(&self.socket));
        let thread = thread::Builder::new().name("relay".into());
        // Without a thread the connection is closed, which is all that can be said to it.
        let _ = thread.stack_size(STACK_BYTES).spawn(move || {
            let _place = place;
            let _ = carry::carry(client, &socket, &line);
        });
    }
}

/// One of the connections, counted while it is there.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn taken(open: &Arc<AtomicUsize>) -> Place {
        open.fetch_add(1, Ordering::SeqCst);
        Place(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
