//! A host: a name in the one form in which names are compared, or an address.
//!
//! Lower case, no dot at the end, letters, digits, hyphens and underscores. What some resolver would take for a number (`127.1`, `0x7f.1`,
//! `2130706433`) is neither a name nor an address here, because it would be checked as one and used as the other.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// What DNS takes.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Host {
    /// By name.
    Name(String),
    /// By address.
    Address(IpAddr),
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("there is no host")]
    Empty,
    /// Longer than DNS takes.
    #[error("the name is longer than DNS takes")]
    Long,
    /// Other characters.
    #[error(
        "a name is made of letters, digits, hyphens and underscores between dots; write an international name as xn--…"
    )]
    Characters,
    /// A number that is no address.
    #[error(
        "a name that ends in a number is read as an address by some and as a name by others; write four decimal numbers"
    )]
    Number,
    /// An address that is another one.
    #[error("an IPv4 address inside an IPv6 address is not taken; write the IPv4 address")]
    Mapped,
}

impl Host {
    /// Reads a name, an IPv4 address, or an IPv6 address with or without brackets.
    pub fn parse(text: &str) -> Result<Host, HostError> {
        let inner = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Some(Ok(address)) = inner.map(str::parse::<Ipv6Addr>) {
            return Host::address(IpAddr::V6(address));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Host::address(address);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        check_name(&name)?;
        Ok(Host::Name(name))
    }

    fn address(address: IpAddr) -> Result<Host, HostError> {
        match address {
            IpAddr::V6(v6) if v6.to_ipv4().is_some() && !v6.is_loopback() => Err(HostError::Mapped),
            address => Ok(Host::Address(address)),
        }
    }

    /// Whether it means the machine itself, by name or by address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Address(address) => address.is_loopback(),
        }
    }
}

/// Whether every label is one, and the last is no number.
pub(super) fn check_name(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(HostError::Long);
    }
    for label in name.split('.') {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let edges = label.starts_with('-') || label.ends_with('-');
        if label.is_empty() || edges || !label.bytes().all(letter) {
            return Err(HostError::Characters);
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(HostError::Long);
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let digits = last.bytes().all(|byte| byte.is_ascii_digit());
    if digits || last.starts_with("0x") {
        return Err(HostError::Number);
    }
    Ok(())
}

impl fmt::Display for Host {
    /// As it stands in front of a port: IPv6 in brackets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => out.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(out),
            Host::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
        }
    }
}

impl From<Host> for String {
    fn from(host: Host) -> String {
        host.to_string()
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Host, HostError> {
        Host::parse(&text)
    }
}
