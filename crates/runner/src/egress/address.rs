//! What kind of place an address is.
//!
//! The registries of special addresses (RFC 6890 and what was added since), as far as it matters to somebody who must not be led
//! inside: public is only what is none of them. For IPv6 that is what global unicast is today (`2000::/3`), without the parts that wrap IPv4 or mean nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anybody's: the internet.
    Public,
    /// An organization's own: RFC 1918, carrier-grade NAT, unique local IPv6.
    Private,
    /// The machine itself.
    Loopback,
    /// Where a cloud tells machines their credentials, under whatever kind of address.
    Metadata,
    /// The cable.
    LinkLocal,
    /// Documentation, benchmarks, multicast, broadcast, wrapped IPv4, and what nobody has.
    Reserved,
}

impl Kind {
    /// How a refusal names it.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Public => "a public address",
            Kind::Private => "a private address",
            Kind::Loopback => "the machine itself",
            Kind::Metadata => "a metadata service",
            Kind::LinkLocal => "a link-local address",
            Kind::Reserved => "a reserved address",
        }
    }
}

/// Metadata services that are not link-local, or are worth a name of their own.
const METADATA: &[IpAddr] = &[
    // AWS, Google, Azure, DigitalOcean and most others; the second is for containers and pods of AWS.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Google over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Azure's wire server, in public space.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Alibaba and Oracle.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// The names by which clouds have their machines ask for them: Google, Azure, AWS, Tencent, IBM.
const METADATA_NAMES: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
    "api.metadata.cloud.ibm.com",
];

/// Whether a name in lower case is one of a metadata service. Any name may lead to one: this is for where nobody here
/// sees the address.
pub fn names_metadata(name: &str) -> bool {
    METADATA_NAMES.contains(&name)
}

const V4: &[(Ipv4Addr, u32, Kind)] = &[
    (Ipv4Addr::UNSPECIFIED, 8, Kind::Reserved),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Kind::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Kind::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Kind::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Kind::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Kind::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Kind::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Kind::Reserved),
    (Ipv4Addr::new(192, 31, 196, 0), 24, Kind::Reserved),
    (Ipv4Addr::new(192, 52, 193, 0), 24, Kind::Reserved),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Kind::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Kind::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, Kind::Reserved),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Kind::Reserved),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Kind::Reserved),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Kind::Reserved),
    // Multicast, what was kept for later, and broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3, Kind::Reserved),
];

const V6: &[(Ipv6Addr, u32, Kind)] = &[
    (Ipv6Addr::LOCALHOST, 128, Kind::Loopback),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Kind::Private),
    (
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        10,
        Kind::LinkLocal,
    ),
    // Teredo, benchmarks, ORCHID; then documentation, 6to4 (which wraps IPv4), the 6bone's, and documentation again.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        Kind::Reserved,
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        Kind::Reserved,
    ),
    (
        Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        16,
        Kind::Reserved,
    ),
    (
        Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0),
        16,
        Kind::Reserved,
    ),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        Kind::Reserved,
    ),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Kind::Public),
];

/// Says what kind of place an address is.
pub fn kind(address: IpAddr) -> Kind {
    if METADATA.contains(&address) {
        return Kind::Metadata;
    }
    match address {
        IpAddr::V4(address) => {
            let inside = |net: &Ipv4Addr, length: u32| {
                (address.to_bits() ^ net.to_bits()).leading_zeros() >= length
            };
            let found = V4.iter().find(|(net, length, _)| inside(net, *length));
            found.map_or(Kind::Public, |(_, _, kind)| *kind)
        }
        IpAddr::V6(address) => {
            let inside = |net: &Ipv6Addr, length: u32| {
                (address.to_bits() ^ net.to_bits()).leading_zeros() >= length
            };
            let found = V6.iter().find(|(net, length, _)| inside(net, *length));
            found.map_or(Kind::Reserved, |(_, _, kind)| *kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: Kind, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(kind(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn public_is_what_is_nothing_else() {
        let edges = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "126.255.255.255",
            "128.0.0.0",
        ];
        check(Kind::Public, &edges);
        let edges = [
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
        ];
        check(Kind::Public, &edges);
        let edges = [
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
        ];
        check(Kind::Public, &edges);
        check(
            Kind::Public,
            &["223.255.255.255", "168.63.129.15", "169.253.255.255"],
        );
        check(
            Kind::Public,
            &["2606:4700::1", "2a00:1450:4001::8a", "2001:4860::8888"],
        );
    }

    #[test]
    fn an_organizations_own_is_private() {
        let edges = ["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255"];
        check(Kind::Private, &edges);
        let edges = [
            "192.168.0.1",
            "100.64.0.0",
            "100.127.255.255",
            "fc00::1",
            "fdff::1",
        ];
        check(Kind::Private, &edges);
    }

    #[test]
    fn metadata_services_are_known_wherever_they_are() {
        let services = [
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
        ];
        check(Kind::Metadata, &services);
        check(
            Kind::Metadata,
            &[
                "192.0.0.192",
                "fd00:ec2::254",
                "fd20:ce::254",
                "fd00:ec2::23",
            ],
        );
    }

    #[test]
    fn metadata_services_have_names_and_their_neighbours_have_others() {
        for name in METADATA_NAMES {
            assert!(names_metadata(name), "{name}");
        }
        assert!(!names_metadata("metadata.example") && !names_metadata("google.internal"));
    }

    #[test]
    fn the_machine_and_its_cable_are_neither() {
        check(Kind::Loopback, &["127.0.0.1", "127.255.255.254", "::1"]);
        check(
            Kind::LinkLocal,
            &["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1"],
        );
    }

    #[test]
    fn what_wraps_another_address_or_means_nothing_is_reserved() {
        let wrapped = [
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::8.8.8.8",
        ];
        check(Kind::Reserved, &wrapped);
        let wrapped = [
            "64:ff9b:1::1",
            "2002:808:808::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
        ];
        check(Kind::Reserved, &wrapped);
        let nothing = [
            "0.0.0.0",
            "0.1.2.3",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.9",
            "::",
        ];
        check(Kind::Reserved, &nothing);
        let nothing = [
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "ff02::1",
            "fec0::1",
            "100::1",
        ];
        check(Kind::Reserved, &nothing);
        check(
            Kind::Reserved,
            &["198.18.0.1", "198.19.255.255", "5f00::1", "4000::1"],
        );
    }
}
