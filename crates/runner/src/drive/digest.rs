//! SHA-256 of files, and of the packages that providers come in.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use rustix::fs::FileType;
use sha2::{Digest, Sha256};

use crate::sandbox::within;

/// What is read at once.
const READ_BYTES: usize = 256 * 1024;
/// Names in one folder of a package, and files in it: a provider, a licence, a readme.
pub(super) const NAMES_MAX: usize = 1000;
/// How deep folders of a package lie in each other.
const DEPTH_MAX: usize = 8;
/// The longest file of a package: what a phase may write at most.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Of what is read, in hex.
pub(super) fn of(mut file: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

/// One over a package below a folder: the names of its files and their digests, in order.
pub(super) fn package(
    top: &Path,
    package: &Path,
    digest: impl Fn(File) -> io::Result<String>,
) -> io::Result<String> {
    let mut hash = Sha256::new();
    for (name, digest) in files(top, package, digest)? {
        hash.update(format!("{name}\0{digest}\n"));
    }
    Ok(hex::encode(hash.finalize()))
}

/// What dependency lock files call `h1:`: the same in the form of `sha256sum`, as `golang.org/x/mod/sumdb/dirhash` has it.
pub(super) fn h1(files: &[(String, String)]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, digest) in files {
        hash.update(format!("{digest}  {name}\n"));
    }
    hash.finalize().into()
}

/// The files of a package and their digests, by name.
pub(super) fn files(
    top: &Path,
    package: &Path,
    digest: impl Fn(File) -> io::Result<String>,
) -> io::Result<Vec<(String, String)>> {
    let with_digest = |name: String| {
        let file = within::open(top, &package.join(&name), FILE_BYTES_MAX)?;
        let digest = digest(file)?;
        Ok((name, digest))
    };
    names(top, package)?.into_iter().map(with_digest).collect()
}

/// The names of all files of a package, below it, in order.
pub(super) fn names(top: &Path, package: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    gather(top, package, Path::new(""), &mut files)?;
    files.sort();
    Ok(files)
}

/// Adds the names of what is in a folder of a package.
fn gather(top: &Path, package: &Path, below: &Path, files: &mut Vec<String>) -> io::Result<()> {
    let folder = package.join(below);
    let odd = |what: &str| {
        let words = format!("the provider {} {what}", folder.display());
        io::Error::new(ErrorKind::InvalidData, words)
    };
    if below.components().count() > DEPTH_MAX {
        return Err(odd("has folders in folders without end"));
    }
    for (name, kind) in within::list(top, &folder, NAMES_MAX)? {
        let path = below.join(name);
        match kind {
            FileType::Directory => gather(top, package, &path, files)?,
            FileType::RegularFile => {
                let path = path.into_os_string().into_string();
                files.push(path.map_err(|_| odd("has a file whose name is no text"))?);
            }
            _ => return Err(odd("holds what is neither a folder nor a plain file")),
        }
        if files.len() > NAMES_MAX {
            return Err(odd("has more files than a provider"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fs_err as fs;

    use super::*;

    #[test]
    fn everything_in_a_package_is_in_its_digest() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("package");
        fs::create_dir_all(folder.join("below")).unwrap();
        fs::write(folder.join("provider"), "one").unwrap();
        fs::write(folder.join("below/library"), "two").unwrap();
        let digest = || package(place.path(), Path::new("package"), of);
        let before = digest().unwrap();
        fs::write(folder.join("below/library"), "three").unwrap();
        assert_ne!(digest().unwrap(), before);
        fs::write(folder.join("below/library"), "two").unwrap();
        assert_eq!(digest().unwrap(), before);
        fs::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
        assert!(digest().is_err());
    }
}
