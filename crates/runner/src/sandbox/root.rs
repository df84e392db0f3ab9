//! The root file system of a phase, as a list: what of the machine's own a phase sees, and the small files made for it.
//!
//! Absent on purpose: `/home`, `/root`, `/sys`, `/var`, `/run`, `/opt`, and of `/etc` everything but certificates, the choice of
//! programs, and the linker's cache.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::phase::{Egress, Network};

/// What is shown if it is there, in this order: programs and libraries, then what they cannot do without.
const SHOWN: [&str; 15] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates/extracted",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/crypto-policies",
];

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file or directory of the machine, at the same place, read only.
    Shown(PathBuf),
    /// A symbolic link, made anew.
    Link {
        /// Where the link is.
        at: PathBuf,
        /// What it says.
        to: PathBuf,
    },
}

/// Looks which entries of the list this machine has.
///
/// # Errors
///
/// When a link cannot be read.
pub fn look() -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for path in SHOWN.map(PathBuf::from) {
        let Ok(kind) = path.symlink_metadata() else {
            continue;
        };
        // Only at the top: elsewhere a link may lead to what is not shown, and what it leads to is shown in its place.
        if kind.is_symlink() && path.parent() == Some(Path::new("/")) {
            let to = fs::read_link(&path)?;
            entries.push(Entry::Link { at: path, to });
        } else {
            entries.push(Entry::Shown(path));
        }
    }
    Ok(entries)
}

/// The small files of `/etc`: name and content.
pub fn small_files(network: &Network) -> Vec<(&'static str, String)> {
    let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost\n");
    if let Network::Egress(Egress { hosts: names, .. }) = network {
        for host in names {
            // Writing to a String does not fail.
            let _ = writeln!(hosts, "{} {}", host.address, host.name);
        }
    }
    vec![
        (
            "passwd",
            String::from("root:x:0:0::/:/bin/false\nrunner:x:1000:1000::/workspace:/bin/sh\n"),
        ),
        ("group", String::from("root:x:0:\nrunner:x:1000:\n")),
        ("hosts", hosts),
        (
            "nsswitch.conf",
            String::from("passwd: files\ngroup: files\nhosts: files\n"),
        ),
        (
            "resolv.conf",
            String::from(
                "# No names are resolved in here but those of /etc/hosts.\noptions timeout:1 attempts:1\n",
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sandbox::phase::Host;

    #[test]
    fn this_machine_has_programs_and_nothing_of_its_users() {
        let entries = look().unwrap();
        assert!(entries.contains(&Entry::Shown(PathBuf::from("/usr"))));
        for entry in entries {
            let (Entry::Shown(path) | Entry::Link { at: path, .. }) = entry;
            for private in [
                "/home",
                "/root",
                "/var",
                "/run",
                "/sys",
                "/etc/shadow",
                "/etc/ssl/private",
            ] {
                assert!(!Path::new(private).starts_with(&path), "{private} is shown");
            }
        }
    }

    #[test]
    fn names_are_loopback_and_what_was_given() {
        let files = |network| {
            let found = small_files(&network)
                .into_iter()
                .find(|(name, _)| *name == "hosts");
            found.unwrap().1
        };
        assert_eq!(files(Network::None), "127.0.0.1 localhost\n::1 localhost\n");
        let egress = Egress {
            socket: PathBuf::from("/s/socket"),
            listen: Vec::new(),
            hosts: vec![Host {
                address: [127, 0, 0, 2].into(),
                name: "db.internal".into(),
            }],
        };
        assert!(files(Network::Egress(egress)).ends_with("\n127.0.0.2 db.internal\n"));
    }
}
