//! The names a server goes by, and the names an authority may sign for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{CidrSubnet, DistinguishedName, DnType, GeneralSubtree, NameConstraints, SanType};
use rustls_pki_types::{CertificateDer, ServerName};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Domains that nobody can own: RFC 6761 (`localhost`), RFC 6762 (`local`), RFC 8375 (`home.arpa`), and `internal`, which ICANN
/// reserved for private use in 2024.
const PRIVATE_DOMAINS: [&str; 4] = ["localhost", "local", "home.arpa", "internal"];

/// Networks that are not routed on the internet: loopback, RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291.
const PRIVATE_NETWORKS: [(IpAddr, u8); 9] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

/// The names by which clients reach the server.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names that a certificate must cover: those that were configured.
    pub required: Vec<ServerName<'static>>,
    /// Names that it covers when it can: the machine's own, which may change without anybody's doing.
    pub wished: Vec<ServerName<'static>>,
}

impl Names {
    /// The names of this machine: `localhost`, both loopback addresses and the `configured` ones, and the host name as a wish.
    pub fn of_this_machine(configured: &[ServerName<'static>]) -> Names {
        let loopback = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        let mut required: Vec<ServerName<'static>> =
            ServerName::try_from("localhost").into_iter().collect();
        required.extend(loopback.map(ServerName::from));
        for name in configured {
            if !required.contains(name) {
                required.push(name.clone());
            }
        }
        // Linux tells it here; elsewhere, and for names that no certificate can hold, there is no wish.
        let host = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = ServerName::try_from(host.trim().to_ascii_lowercase()).ok();
        let wished = host
            .into_iter()
            .filter(|host| !required.contains(host))
            .collect();
        Names { required, wished }
    }

    /// What a new authority may sign for: these names, private domains and private networks.
    pub(super) fn constraints(&self) -> NameConstraints {
        let mut permitted: Vec<_> = PRIVATE_DOMAINS
            .iter()
            .map(|domain| GeneralSubtree::DnsName((*domain).to_owned()))
            .collect();
        permitted.extend(PRIVATE_NETWORKS.iter().map(|(network, prefix)| {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*network, *prefix))
        }));
        for name in self.required.iter().chain(&self.wished) {
            let subtree = match name {
                ServerName::DnsName(name) => {
                    GeneralSubtree::DnsName(name.as_ref().to_ascii_lowercase())
                }
                ServerName::IpAddress(address) => {
                    let address = IpAddr::from(*address);
                    let bits = if address.is_ipv4() { 32 } else { 128 };
                    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
                }
                _ => continue,
            };
            if !permitted.contains(&subtree) {
                permitted.push(subtree);
            }
        }
        NameConstraints {
            permitted_subtrees: permitted,
            excluded_subtrees: Vec::new(),
        }
    }
}

/// What an authority may sign for, as its certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permitted {
    domains: Vec<String>,
    networks: Vec<(IpAddr, IpAddr)>,
}

impl Permitted {
    /// Reads the constraints of a certificate. One without any is refused by permitting nothing.
    pub(super) fn of_certificate(der: &CertificateDer<'_>) -> Result<Permitted, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let constraints = certificate
            .name_constraints()
            .map_err(|error| error.to_string())?;
        let mut permitted = Permitted::default();
        for subtree in constraints
            .iter()
            .filter_map(|found| found.value.permitted_subtrees.as_ref())
            .flatten()
        {
            match &subtree.base {
                GeneralName::DNSName(domain) => permitted.domains.push(domain.to_ascii_lowercase()),
                GeneralName::IPAddress(octets) => permitted.networks.extend(network(octets)),
                _ => {}
            }
        }
        Ok(permitted)
    }

    /// Whether the authority may sign for `name`.
    pub fn covers(&self, name: &ServerName<'_>) -> bool {
        match name {
            ServerName::DnsName(name) => {
                let name = name.as_ref().to_ascii_lowercase();
                self.domains.iter().any(|domain| {
                    name.strip_suffix(domain.as_str())
                        .is_some_and(|left| left.is_empty() || left.ends_with('.'))
                })
            }
            ServerName::IpAddress(address) => {
                let address = IpAddr::from(*address);
                self.networks
                    .iter()
                    .any(|(network, mask)| masked(address, *mask) == Some(*network))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Permitted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} and names below them, and private addresses",
            self.domains.join(", ")
        )
    }
}

/// A constraint on addresses: network and mask, one after the other.
fn network(octets: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (network, mask) = octets.split_at_checked(octets.len() / 2)?;
    Some((address(network)?, address(mask)?))
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

fn masked(address: IpAddr, mask: IpAddr) -> Option<IpAddr> {
    match (address, mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => Some((address & mask).into()),
        (IpAddr::V6(address), IpAddr::V6(mask)) => Some((address & mask).into()),
        _ => None,
    }
}

/// A name as certificates hold it.
pub(super) fn alternative(name: &ServerName<'static>) -> Result<SanType, rcgen::Error> {
    match name {
        ServerName::DnsName(name) => Ok(SanType::DnsName(
            name.as_ref().to_ascii_lowercase().try_into()?,
        )),
        ServerName::IpAddress(address) => Ok(SanType::IpAddress(IpAddr::from(*address))),
        _ => Err(rcgen::Error::UnsupportedExtension),
    }
}

/// A subject that people can read. Clients go by the alternative names.
pub(super) fn titled(title: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, title);
    name
}
