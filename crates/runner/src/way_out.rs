//! Where the sandbox and its way out meet: what the relay is told through the sandbox, and what people are told of what was refused.
//!
//! A sandbox knows addresses to listen on and a word for each; the relay inside knows what the words mean. They are made here and read here.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::control::{Became, Connection};
use crate::egress::relay::{self, RelayEntry, RelaySpec};
use crate::egress::{AllowList, Event, Host, Stage, Way};
use crate::sandbox::{Egress, Host as Name, Listen};

/// Where programs in a sandbox find the proxy.
const PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3128);

/// What a relay is to listen on.
pub(crate) fn spec(
    socket: PathBuf,
    state: Option<SocketAddr>,
    allow: &AllowList,
) -> Result<RelaySpec, String> {
    RelaySpec::new(socket, PROXY, state, allow).map_err(|taken| taken.to_string())
}

/// The same in the words of a sandbox.
pub(crate) fn shown(spec: &RelaySpec) -> Egress {
    let listen = |address: SocketAddr, target: String| Listen { address, target };
    let mut all = vec![listen(spec.proxy, "proxy".to_owned())];
    all.extend(spec.state.map(|state| listen(state, "state".to_owned())));
    all.extend(spec.entries.iter().map(|entry| {
        let target = format!("tcp {} {}", entry.number, entry.host);
        listen(entry.listen, target)
    }));
    let named = spec
        .entries
        .iter()
        .filter(|entry| matches!(entry.host, Host::Name(_)) && !entry.host.is_loopback());
    let mut hosts: Vec<Name> = Vec::new();
    for entry in named {
        let name = Name {
            address: entry.listen.ip(),
            name: entry.host.to_string(),
        };
        if !hosts.contains(&name) {
            hosts.push(name);
        }
    }
    Egress {
        socket: spec.socket.clone(),
        listen: all,
        hosts,
    }
}

/// Starts the relays of a sandbox: what our own binary does inside, before the command begins.
pub fn relay(egress: &Egress) -> io::Result<()> {
    let odd = |words: &str| io::Error::new(io::ErrorKind::InvalidInput, words.to_owned());
    let mut spec = RelaySpec {
        socket: egress.socket.clone(),
        proxy: PROXY,
        state: None,
        entries: Vec::new(),
    };
    for listen in &egress.listen {
        let words: Vec<&str> = listen.target.split(' ').collect();
        match words.as_slice() {
            ["proxy"] => spec.proxy = listen.address,
            ["state"] => spec.state = Some(listen.address),
            ["tcp", number, host] => spec.entries.push(RelayEntry {
                number: number.parse().map_err(|_| odd("no number of an entry"))?,
                host: Host::parse(host).map_err(|_| odd("no host of an entry"))?,
                listen: listen.address,
            }),
            _ => return Err(odd("a relay to nowhere")),
        }
    }
    // They live as long as this process does.
    relay::start(&spec).map(drop)
}

/// What the server is told of a connection; of its end nothing.
pub(crate) fn told(event: &Event) -> Option<Connection> {
    let became = match event.stage {
        Stage::Opened => Became::Opened,
        Stage::Refused => Became::Refused,
        Stage::Failed => Became::Failed,
        Stage::Closed => return None,
    };
    let way = match event.way {
        Way::Https => "https",
        Way::Tcp => "tcp",
    };
    Some(Connection {
        to: format!("{way}://{}:{}", event.host, event.port),
        became,
        why: event.why.clone(),
        through: event.through.clone(),
    })
}

/// A line for the log, of a connection that was refused or led to nobody.
pub(crate) fn refused(event: &Event) -> Option<String> {
    let what = match event.stage {
        Stage::Refused => "was refused",
        Stage::Failed => "failed",
        Stage::Opened | Stage::Closed => return None,
    };
    let why = event.why.as_deref().unwrap_or("no reason is known");
    Some(format!(
        "statehouse: a connection to {}:{} {what}: {why}",
        event.host, event.port
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_relay_is_told_through_the_sandbox_what_it_is_to_do() {
        let rules = [
            "https://example.com",
            "tcp://127.0.0.1:5000",
            "tcp://db.internal:5432",
            "tcp://localhost:9",
        ];
        let allow = AllowList::parse(rules).unwrap();
        let state = "127.0.0.1:7070".parse().ok();
        let made = spec(PathBuf::from("/s/way-out"), state, &allow).unwrap();
        let shown = shown(&made);
        let hosts: Vec<&str> = shown.hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(hosts, ["db.internal"]);
        let targets: Vec<&str> = shown
            .listen
            .iter()
            .map(|each| each.target.as_str())
            .collect();
        assert_eq!(targets[..2], ["proxy", "state"]);
        assert!(targets.contains(&"tcp 1 db.internal"), "{targets:?}");
    }
}
