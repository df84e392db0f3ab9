//! What a phase may be shown: the one place that compares what is asked for with what is forbidden.
//!
//! Paths are compared as they really are, links followed. A bind is refused when it lies in a forbidden directory, and when a
//! forbidden directory lies in it.

use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use super::error::Error;
use super::phase::Egress;

/// Names at the top of a phase that have their content already.
const TAKEN: [&str; 18] = [
    "bin",
    "boot",
    "dev",
    "egress",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "proc",
    "root",
    "sbin",
    "statehouse",
    "sys",
    "tmp",
    "usr",
    "workspace",
];

/// The real path of what is to be shown, if it may be.
///
/// # Errors
///
/// [`Error::Refused`] names the path and what it meets; an I/O error names a path that is not there.
pub(crate) fn source(path: &Path, forbidden: &[PathBuf]) -> Result<PathBuf, Error> {
    let real = fs::canonicalize(path)?;
    for closed in forbidden {
        // What does not exist yet may be made later: its name is compared then.
        let closed = fs::canonicalize(closed).unwrap_or_else(|_| closed.clone());
        if real.starts_with(&closed) || closed.starts_with(&real) {
            return Err(Error::Refused(format!(
                "{} would show {}; keep data, keys and anchors apart from tools, mirrors and work directories",
                path.display(),
                closed.display()
            )));
        }
    }
    Ok(real)
}

/// Refuses a target that is not a place of its own. Below the work directory or the temporary one a link made by an earlier
/// command could lead it anywhere.
///
/// # Errors
///
/// [`Error::Refused`] names the target.
pub(crate) fn target(path: &Path) -> Result<(), Error> {
    let mut components = path.components();
    let absolute = components.next() == Some(Component::RootDir);
    let top = match components.next() {
        Some(Component::Normal(name)) => name.to_str(),
        _ => None,
    };
    let plain = components.all(|component| matches!(component, Component::Normal(_)));
    if absolute && plain && top.is_some_and(|top| !TAKEN.contains(&top)) {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "nothing can be shown at {}: choose a name of its own at the top, such as /tools",
        path.display()
    )))
}

/// Refuses a directory to start in that leaves the work directory by its name.
///
/// # Errors
///
/// [`Error::Refused`] names the directory.
pub(crate) fn below(directory: &Path) -> Result<(), Error> {
    let plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    if directory.components().all(plain) {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "{} is not below the work directory",
        directory.display()
    )))
}

/// Refuses relays beyond loopback, and names that would be more than a name in a file of names.
///
/// # Errors
///
/// [`Error::Refused`] names the address or the name.
pub(crate) fn inner_addresses(egress: &Egress) -> Result<(), Error> {
    let plain = |name: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        !name.is_empty() && name.bytes().all(letter)
    };
    let addresses = egress.listen.iter().map(|listen| listen.address.ip());
    let mut addresses = addresses.chain(egress.hosts.iter().map(|host| host.address));
    if let Some(address) = addresses.find(|address| !address.is_loopback()) {
        return Err(Error::Refused(format!(
            "{address} is not an address of loopback"
        )));
    }
    match egress.hosts.iter().find(|host| !plain(&host.name)) {
        Some(host) => Err(Error::Refused(format!(
            "{:?} is not the name of a host",
            host.name
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sandbox::phase::{Host, Listen};

    #[test]
    fn a_forbidden_directory_is_refused_from_above_below_and_through_a_link() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        fs::create_dir_all(place.join("data/keys")).unwrap();
        fs::create_dir_all(place.join("tools")).unwrap();
        fs::os::unix::fs::symlink(place.join("data"), place.join("tools/link")).unwrap();
        let forbidden = [place.join("data"), place.join("not there")];
        for (path, allowed) in [
            ("tools", true),
            ("data", false),
            ("data/keys", false),
            ("tools/link", false),
            ("tools/link/keys", false),
            ("tools/../data", false),
            ("", false),
        ] {
            let answer = source(&place.join(path), &forbidden);
            assert_eq!(answer.is_ok(), allowed, "{path}: {answer:?}");
        }
    }

    #[test]
    fn a_target_is_a_place_of_its_own() {
        for (path, allowed) in [
            ("/tools", true),
            ("/ca/bundle.pem", true),
            ("/", false),
            ("tools", false),
            ("/tools/../etc", false),
            ("/etc/passwd", false),
            ("/workspace/.terraform", false),
            ("/tmp/cache", false),
            ("/proc/self", false),
            ("/usr/bin/terraform", false),
        ] {
            assert_eq!(target(Path::new(path)).is_ok(), allowed, "{path}");
        }
    }

    #[test]
    fn relays_are_on_loopback_and_names_are_names() {
        for (listen, address, name, allowed) in [
            ("127.0.0.1:8080", "127.0.0.2", "db.internal", true),
            ("[::1]:8080", "::1", "db-1_a", true),
            ("0.0.0.0:8080", "127.0.0.2", "db", false),
            ("127.0.0.1:8080", "10.0.0.1", "db", false),
            ("127.0.0.1:8080", "127.0.0.2", "db\n10.0.0.1 other", false),
            ("127.0.0.1:8080", "127.0.0.2", "", false),
        ] {
            let egress = Egress {
                socket: "/run/socket".into(),
                listen: vec![Listen {
                    address: listen.parse().unwrap(),
                    target: "proxy".into(),
                }],
                hosts: vec![Host {
                    address: address.parse().unwrap(),
                    name: name.into(),
                }],
            };
            assert_eq!(inner_addresses(&egress).is_ok(), allowed, "{egress:?}");
        }
    }

    #[test]
    fn a_command_starts_below_the_work_directory() {
        for (path, allowed) in [
            ("", true),
            ("a/b", true),
            ("./a", true),
            ("../a", false),
            ("/etc", false),
            ("a/../..", false),
        ] {
            assert_eq!(below(Path::new(path)).is_ok(), allowed, "{path}");
        }
    }
}
