//! The outer half: one Unix socket per run, and what may leave through it.
//!
//! A connection says in its first line what it is: `STATE` goes to the state backend that the runner serves itself, `TCP 3` is the fourth `tcp` entry of
//! the list, and anything else is HTTP to a proxy, of which `CONNECT` is taken and the rest refused in words. Words matter here: Go, and so
//! terraform, shows nothing of a refused `CONNECT` but the reason phrase, so that is where they stand.
//!
//! The order is: the list, then names, then addresses, then a connection, then the TLS greeting, then the event, then the first byte out. Where
//! there is a proxy above, it is asked after the list, in the place of names and addresses. A
//! connection that cannot be told is not made. Every wait has an end, and so has the number of connections.
//!
//! Deliberately absent: a pool of connections, retries, and anything that would change a byte.

mod carry;
mod request;
mod tell;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::carried::Carried;
use super::dial::{self, Dialed};
use super::event::{Event, Way};
use super::greeting::{self, Asked, Greeting};
use super::host::Host;
use super::network::Network;
use super::rules::{AllowList, Reach};
use super::upstream::{Route, Upstream};
use carry::carry;
use request::{Request, Unread};
use tell::{Fault, Told};

/// How long to wait before accepting again when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The present, in microseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What connections may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At once; more wait. Terraform works on ten resources at a time, and providers open a few connections for each.
    pub connections_max: usize,
    /// In a whole run; beyond it nothing leaves any more, and the events of a run have an end.
    pub connections_per_run_max: u64,
    /// For a request, and again for a TLS greeting, which a program sends at once.
    pub head_time_max: Duration,
    /// To resolve a name, and again to connect to one address.
    pub dial_time_max: Duration,
    /// For a proxy above to open a tunnel, for which it resolves and connects itself.
    pub upstream_time_max: Duration,
    /// Until a TLS server says its first word.
    pub first_byte_time_max: Duration,
    /// Without a byte in either direction.
    pub idle_time_max: Duration,
    /// For connections to end, and to be told, when the run is over.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 256,
            connections_per_run_max: 100_000,
            head_time_max: Duration::from_secs(10),
            dial_time_max: Duration::from_secs(10),
            upstream_time_max: Duration::from_secs(30),
            first_byte_time_max: Duration::from_secs(30),
            idle_time_max: Duration::from_mins(15),
            drain_time_max: Duration::from_secs(5),
        }
    }
}

/// The way out of one run.
#[derive(Clone)]
pub struct Egress {
    /// Where it may connect.
    pub allow: AllowList,
    /// What it may take.
    pub limits: Limits,
    /// Who resolves and connects.
    pub network: Arc<dyn Network>,
    /// The proxy that `https` entries are reached through.
    pub upstream: Option<Arc<Upstream>>,
    /// What time it is.
    pub clock: Clock,
    /// Who is told. When nobody listens any more, nothing leaves any more; when the channel is full, connections wait.
    pub events: mpsc::Sender<Event>,
    /// Who serves the state, if the runner does.
    pub state: Option<mpsc::Sender<Carried>>,
}

/// Serves the socket of a run until `stop`; then ends what is open and returns when all of it was told.
pub async fn serve(listener: UnixListener, egress: Egress, stop: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(egress.limits.connections_max));
    let egress = Arc::new(egress);
    let (over, is_over) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut number = 0;
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        number += 1;
        let told = Told::new(Arc::clone(&egress), number);
        let is_over = is_over.clone();
        connections.spawn(async move {
            connection(Carried::new(stream), told, is_over).await;
            drop(permit);
        });
    }
    let _ = over.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(egress.limits.drain_time_max, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// One connection from its first line to its end.
async fn connection(mut client: Carried, mut told: Told, is_over: watch::Receiver<bool>) {
    let egress = Arc::clone(&told.egress);
    let max = egress.limits.connections_per_run_max;
    if told.number > max {
        // One event says that there will be no more.
        if told.number == max + 1 {
            told.refused(Fault::TooMany(max)).await;
        }
        return;
    }
    let request = timeout(egress.limits.head_time_max, request::read(&mut client)).await;
    match request.unwrap_or(Err(Unread::Slow)) {
        Ok(Request::State) => {
            if let Some(state) = &egress.state {
                let _ = state.send(client).await;
            }
        }
        Ok(Request::Tcp(number)) => tcp(client, number, told, is_over).await,
        Ok(Request::Connect(host, port)) => https(client, host, port, told, is_over).await,
        Ok(Request::Plain(target)) => {
            told.aims(Way::Https, target, 0);
            answer(&mut client, told.refused(Fault::Plain).await).await;
        }
        Err(Unread::Gone) => {}
        Err(unread) => answer(&mut client, told.refused(Fault::Request(unread)).await).await,
    }
}

/// A connection as far as an entry reaches.
async fn dial(egress: &Egress, host: &Host, port: u16, reach: Reach) -> Result<Dialed, Fault> {
    let time_max = egress.limits.dial_time_max;
    Ok(dial::dial(&*egress.network, host, port, reach, time_max).await?)
}

/// A connection to a host that an `https` entry allows: to the host, or through the proxy above. `told` knows which proxy from when it is asked.
async fn reach(egress: &Egress, host: &Host, port: u16, told: &mut Told) -> Result<Dialed, Fault> {
    let reach = egress.allow.https(host, port)?;
    let upstream = match &egress.upstream {
        Some(upstream) if upstream.route(host)? == Route::Through => upstream,
        _ => return dial(egress, host, port, reach).await,
    };
    told.through = Some(upstream.to_string());
    let (proxy, its_port) = upstream.place();
    let time_max = egress.limits.dial_time_max;
    // The operator named it, wherever it is.
    let dialed = dial::dial(&*egress.network, proxy, its_port, Reach::Anywhere, time_max);
    let mut dialed = dialed.await.map_err(Fault::UpstreamDial)?;
    let time_max = egress.limits.upstream_time_max;
    let opened = upstream.open(&mut dialed.stream, host, port, time_max);
    opened.await.map_err(|why| Fault::Upstream {
        place: upstream.to_string(),
        why,
    })?;
    Ok(dialed)
}

/// Carries a `tcp` entry.
async fn tcp(client: Carried, number: usize, mut told: Told, is_over: watch::Receiver<bool>) {
    let egress = Arc::clone(&told.egress);
    told.aims(Way::Tcp, format!("entry {number}"), 0);
    let dialed = match egress.allow.tcp(number) {
        Ok((host, port, reach)) => {
            told.aims(Way::Tcp, host.to_string(), port);
            dial(&egress, host, port, reach).await
        }
        Err(refusal) => Err(refusal.into()),
    };
    match dialed {
        Ok(Dialed { stream, address }) => {
            told.address = Some(address);
            carry(client, stream, told, is_over).await;
        }
        Err(fault) => {
            told.refused(fault).await;
        }
    }
}

/// Answers a `CONNECT`, and carries what follows if its greeting asks for the same host.
async fn https(
    mut client: Carried,
    host: Host,
    port: u16,
    mut told: Told,
    is_over: watch::Receiver<bool>,
) {
    let egress = Arc::clone(&told.egress);
    told.aims(Way::Https, host.to_string(), port);
    let Dialed { stream, address } = match reach(&egress, &host, port, &mut told).await {
        Ok(dialed) => dialed,
        Err(fault) => return answer(&mut client, told.refused(fault).await).await,
    };
    told.address = Some(address);
    let established = b"HTTP/1.1 200 Connection established\r\n\r\n";
    if client.stream.write_all(established).await.is_err() {
        told.refused(Fault::NotTls).await;
        return;
    }
    match greet(&mut client, &host, egress.limits.head_time_max).await {
        Ok(()) => carry(client, stream, told, is_over).await,
        Err(fault) => {
            told.refused(fault).await;
            let _ = client.stream.write_all(greeting::ALERT).await;
        }
    }
}

/// Reads the greeting, which stays ahead, and compares its name. For an address there must be none.
async fn greet(client: &mut Carried, host: &Host, time_max: Duration) -> Result<(), Fault> {
    let reading = async {
        let mut greeting = Greeting::default();
        let mut fresh = 0;
        loop {
            let bytes = client.ahead.get(fresh..).unwrap_or_default();
            let asked = greeting.push(bytes).map_err(|_| Fault::NotTls)?;
            if let Some(asked) = asked {
                return Ok(asked);
            }
            fresh = client.ahead.len();
            match client.look_on(greeting::BYTES_MAX).await {
                Ok(0) | Err(_) => return Err(Fault::NotTls),
                Ok(_) => {}
            }
        }
    };
    let asked = timeout(time_max, reading).await;
    let asked = asked.unwrap_or(Err(Fault::Request(Unread::Slow)))?;
    match (host, asked) {
        (Host::Name(_), Asked::Name(name)) if Host::parse(&name).as_ref() == Ok(host) => Ok(()),
        (Host::Address(_), Asked::Nobody) => Ok(()),
        (_, Asked::Name(name)) => Err(Fault::OtherName(name)),
        (Host::Name(_), Asked::Nobody) => Err(Fault::OtherName("no name".to_owned())),
    }
}

/// Says in HTTP why not, first of all in the reason phrase.
async fn answer(client: &mut Carried, (status, words): (u16, String)) {
    let body = format!("{words}\n");
    let head = format!(
        "HTTP/1.1 {status} Statehouse: {words}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let _ = client.stream.write_all(head.as_bytes()).await;
    let _ = client.stream.write_all(body.as_bytes()).await;
    let _ = client.stream.shutdown().await;
}
