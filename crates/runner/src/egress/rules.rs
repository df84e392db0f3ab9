//! Where a run may connect: a list of entries, and the two questions that are asked of it.
//!
//! - `https://name[:port]` goes through the proxy. `*.name` means one label or more in front of it. It leads to public addresses; with the word
//!   `private` behind it, to an organization's own as well. An address in place of the name means just that one, of whatever kind.
//! - `tcp://name:port` is carried as it is. A name may be private; `localhost`, and an address, which must be loopback, mean the runner's own machine.
//!
//! First a host and a port are looked for ([`AllowList::https`], [`AllowList::tcp`]), before anything is resolved; then every address that the name has is
//! held against the [`Reach`] that the entry gave. A metadata service, a link-local or a reserved address is reached by an entry that names that
//! address and by nothing else. Everything here is pure.
//!
//! Deliberately absent: ports in ranges, `*` alone, and `http://`: what goes out in clear is a `tcp` entry, which says so.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::{Kind, kind};
use super::host::{Host, HostError, check_name};

/// More than a workspace has reason to name; each `tcp` entry is a listener.
pub const ENTRIES_MAX: usize = 256;

const HTTPS_PORT: u16 = 443;

/// One thing that is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Entry {
    /// TLS through the proxy.
    Https {
        /// Who.
        pattern: Pattern,
        /// On which port.
        port: u16,
        /// Whether the name may lead to private addresses.
        private: bool,
    },
    /// Anything over TCP.
    Tcp {
        /// Who.
        host: Host,
        /// On which port.
        port: u16,
    },
}

/// One host, or all below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `name`, or an address.
    Exactly(Host),
    /// `*.name`: what ends in a dot and this.
    Below(String),
}

/// Which addresses a name may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public ones.
    Public,
    /// Public and private ones.
    Private,
    /// The runner's own machine only.
    Loopback,
    /// This one only, of whatever kind.
    Exactly(IpAddr),
    /// Any: for whom the operator named, and no run.
    Anywhere,
}

/// Why a text is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is no entry of an egress list: {why}")]
pub struct EntryError {
    /// The text.
    pub entry: String,
    /// What is wrong with it.
    pub why: EntryFault,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// Another scheme, or none.
    #[error("it must begin with https:// or tcp://; a connection in clear is a tcp:// entry")]
    Scheme,
    /// A path or a user.
    #[error("it names a host and a port, and nothing behind them")]
    More,
    /// No port where one is needed, or not a number.
    #[error("the port must be a number from 1 to 65535, and a tcp:// entry needs one")]
    Port,
    /// A host that is none.
    #[error("{0}")]
    Host(#[from] HostError),
    /// `*` somewhere else, or before a single label.
    #[error(
        "`*` stands for the whole beginning of an https:// name that has at least two more labels, as in *.example.com"
    )]
    Wildcard,
    /// An address to which bytes cannot be carried.
    #[error(
        "a tcp:// entry names a host or a loopback address: inside the sandbox there is no other address to listen on; give the host a name"
    )]
    Address,
    /// An address that is nobody's.
    #[error("nobody can be reached at that address")]
    Nobody,
    /// `private` where it says nothing.
    #[error("`private` goes with an https:// name only")]
    Private,
    /// The list is too long.
    #[error("a list has at most {ENTRIES_MAX} entries")]
    Many,
    /// It stands there already.
    #[error("it is there twice")]
    Twice,
}

/// Why a connection is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No entry names the host.
    #[error("{0} is not on the egress list of this workspace")]
    NotListed(Host),
    /// An entry names the host, but another port.
    #[error("port {port} of {host} is not on the egress list of this workspace")]
    Port {
        /// Who.
        host: Host,
        /// The port that was asked for.
        port: u16,
    },
    /// The name leads where its entry does not.
    #[error("{host} leads to {address}, {}, which its entry does not allow", .kind.words())]
    Address {
        /// Who.
        host: Host,
        /// The first of the addresses.
        address: IpAddr,
        /// What it is.
        kind: Kind,
    },
    /// A name of what only addresses lead to, where somebody else would look it up.
    #[error(
        "{0} is a name of the machine itself or of a metadata service, for which no proxy is asked; an entry that names the address is reached without it"
    )]
    NotThrough(Host),
    /// A relay asked for an entry that there is not.
    #[error("there is no tcp entry {0}")]
    NoEntry(usize),
}

/// The list of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct AllowList {
    entries: Vec<Entry>,
}

impl AllowList {
    /// Reads entries, one by one.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<AllowList, EntryError> {
        let mut list = AllowList::default();
        for text in entries {
            let entry = Entry::parse(text)?;
            let why = if list.entries.contains(&entry) {
                EntryFault::Twice
            } else if list.entries.len() == ENTRIES_MAX {
                EntryFault::Many
            } else {
                list.entries.push(entry);
                continue;
            };
            let entry = text.to_owned();
            return Err(EntryError { entry, why });
        }
        Ok(list)
    }

    /// All entries, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The `tcp` entries with the number under which a relay asks for them.
    pub fn tcp_entries(&self) -> impl Iterator<Item = (usize, &Host, u16)> {
        let hosts = self.entries.iter().filter_map(|entry| match entry {
            Entry::Tcp { host, port } => Some((host, *port)),
            Entry::Https { .. } => None,
        });
        hosts
            .enumerate()
            .map(|(number, (host, port))| (number, host, port))
    }

    /// Whether the proxy may be asked for a host and a port, and how far that goes: as far as the widest entry that matches.
    pub fn https(&self, host: &Host, port: u16) -> Result<Reach, Refusal> {
        let mut reach = None;
        let mut listed = false;
        for entry in &self.entries {
            let Entry::Https {
                pattern,
                port: allowed,
                private,
            } = entry
            else {
                continue;
            };
            if !pattern.matches(host) {
                continue;
            }
            listed = true;
            if *allowed != port {
                continue;
            }
            reach = match (host, private) {
                (Host::Address(address), _) => Some(Reach::Exactly(*address)),
                (Host::Name(_), true) => Some(Reach::Private),
                (Host::Name(_), false) => reach.or(Some(Reach::Public)),
            };
        }
        reach.ok_or_else(|| {
            let host = host.clone();
            if listed {
                Refusal::Port { host, port }
            } else {
                Refusal::NotListed(host)
            }
        })
    }

    /// What a relay's entry is, and how far it goes.
    pub fn tcp(&self, number: usize) -> Result<(&Host, u16, Reach), Refusal> {
        let entry = self.tcp_entries().nth(number);
        let (_, host, port) = entry.ok_or(Refusal::NoEntry(number))?;
        let reach = match host {
            Host::Address(address) => Reach::Exactly(*address),
            Host::Name(_) if host.is_loopback() => Reach::Loopback,
            Host::Name(_) => Reach::Private,
        };
        Ok((host, port, reach))
    }
}

impl From<AllowList> for Vec<String> {
    fn from(list: AllowList) -> Vec<String> {
        list.entries.iter().map(Entry::to_string).collect()
    }
}

impl TryFrom<Vec<String>> for AllowList {
    type Error = EntryError;

    fn try_from(entries: Vec<String>) -> Result<AllowList, EntryError> {
        AllowList::parse(entries.iter().map(String::as_str))
    }
}

impl Reach {
    /// Whether an address is within it.
    pub fn allows(self, address: IpAddr) -> bool {
        match (self, kind(address)) {
            (Reach::Exactly(only), _) => address == only,
            (Reach::Anywhere, _)
            | (Reach::Public | Reach::Private, Kind::Public)
            | (Reach::Private, Kind::Private) => true,
            (reach, kind) => reach == Reach::Loopback && kind == Kind::Loopback,
        }
    }
}

impl Pattern {
    /// Reads a host, or `*.name`.
    pub(super) fn parse(text: &str) -> Result<Pattern, EntryFault> {
        match text.strip_prefix("*.") {
            Some(name) => {
                let name = name.to_ascii_lowercase();
                if name.contains('*') || !name.contains('.') {
                    return Err(EntryFault::Wildcard);
                }
                check_name(&name)?;
                Ok(Pattern::Below(name))
            }
            None if text.contains('*') => Err(EntryFault::Wildcard),
            None => Ok(Pattern::Exactly(Host::parse(text)?)),
        }
    }

    pub(super) fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Pattern::Exactly(exactly), host) => exactly == host,
            (Pattern::Below(name), Host::Name(host)) => {
                let front = host.strip_suffix(name.as_str());
                front.is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            (Pattern::Below(_), Host::Address(_)) => false,
        }
    }
}

impl Entry {
    /// Reads one entry.
    pub fn parse(text: &str) -> Result<Entry, EntryError> {
        read(text.trim()).map_err(|why| EntryError {
            entry: text.to_owned(),
            why,
        })
    }

    /// Whether it can lead to more than the internet: into the organization's network, or to the runner's own machine. Whoever runs
    /// the house may want to be asked about these.
    pub fn leads_inside(&self) -> bool {
        match self {
            Entry::Tcp { .. } => true,
            Entry::Https {
                pattern, private, ..
            } => match pattern {
                Pattern::Exactly(Host::Address(address)) => kind(*address) != Kind::Public,
                Pattern::Exactly(Host::Name(_)) | Pattern::Below(_) => *private,
            },
        }
    }
}

fn read(text: &str) -> Result<Entry, EntryFault> {
    let mut words = text.split_ascii_whitespace();
    let place = words.next().unwrap_or_default();
    let private = match (words.next(), words.next()) {
        (None, _) => false,
        (Some("private"), None) => true,
        (Some(_), _) => return Err(EntryFault::More),
    };
    if let Some(place) = place.strip_prefix("https://") {
        return https(place.strip_suffix('/').unwrap_or(place), private);
    }
    let place = place.strip_prefix("tcp://").ok_or(EntryFault::Scheme)?;
    if private {
        return Err(EntryFault::Private);
    }
    let (host, port) = host_and_port(place)?;
    let port = port.ok_or(EntryFault::Port)?;
    if host.contains('*') {
        return Err(EntryFault::Wildcard);
    }
    let host = Host::parse(host)?;
    match host {
        Host::Address(address) if !address.is_loopback() => Err(EntryFault::Address),
        host => Ok(Entry::Tcp { host, port }),
    }
}

fn https(place: &str, private: bool) -> Result<Entry, EntryFault> {
    let (host, port) = host_and_port(place)?;
    let port = port.unwrap_or(HTTPS_PORT);
    let pattern = Pattern::parse(host)?;
    match &pattern {
        Pattern::Exactly(Host::Address(_)) if private => return Err(EntryFault::Private),
        Pattern::Exactly(Host::Address(address)) if nobody(*address) => {
            return Err(EntryFault::Nobody);
        }
        _ => {}
    }
    Ok(Entry::Https {
        pattern,
        port,
        private,
    })
}

fn nobody(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_multicast() || address == IpAddr::from([255; 4])
}

/// The two parts of `host[:port]`; the host of an IPv6 address keeps its brackets.
pub(super) fn host_and_port(place: &str) -> Result<(&str, Option<u16>), EntryFault> {
    if place.contains(['/', '?', '#', '@']) {
        return Err(EntryFault::More);
    }
    let from = place.find(']').unwrap_or(0);
    let Some(colon) = place.get(from..).and_then(|rest| rest.find(':')) else {
        return Ok((place, None));
    };
    let (host, port) = place
        .split_at_checked(from + colon)
        .ok_or(EntryFault::Port)?;
    let digits = port.strip_prefix(':').unwrap_or_default();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if port > 0 && plain => Ok((host, Some(port))),
        _ => Err(EntryFault::Port),
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Tcp { host, port } => write!(out, "tcp://{host}:{port}"),
            Entry::Https {
                pattern,
                port,
                private,
            } => {
                match pattern {
                    Pattern::Exactly(host) => write!(out, "https://{host}")?,
                    Pattern::Below(name) => write!(out, "https://*.{name}")?,
                }
                if *port != HTTPS_PORT {
                    write!(out, ":{port}")?;
                }
                out.write_str(if *private { " private" } else { "" })
            }
        }
    }
}

impl From<Entry> for String {
    fn from(entry: Entry) -> String {
        entry.to_string()
    }
}

impl TryFrom<String> for Entry {
    type Error = EntryError;

    fn try_from(text: String) -> Result<Entry, EntryError> {
        Entry::parse(&text)
    }
}
