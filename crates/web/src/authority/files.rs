//! The authority's files: written whole or not at all, private ones readable by their owner only.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::zeroize::Zeroizing;

use super::AuthorityError;

/// Mode of files that hold a key.
pub(super) const PRIVATE: u32 = 0o600;

/// Mode of files that everyone may read.
pub(super) const PUBLIC: u32 = 0o644;

/// Reads a file with a key; `None` when there is none. A file that others can read is refused.
pub(super) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, AuthorityError> {
    let mode = match fs_err::metadata(path) {
        Ok(file) => file.permissions().mode() & 0o777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if mode & 0o077 != 0 {
        return Err(AuthorityError::Readable {
            path: path.display().to_string(),
            mode,
        });
    }
    Ok(Some(Zeroizing::new(fs_err::read_to_string(path)?)))
}

/// Writes a file beside its place, to the disk, and then moves it there.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let beside = path.with_extension("pem.new");
    // What a crash left behind has whatever mode it had.
    match fs_err::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs_err::rename(&beside, path)?;
    match path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        Some(directory) => fs_err::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a file unless it already has these bytes.
pub(super) fn write_if_other(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if fs_err::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    write(path, bytes, mode)
}

/// The first certificate in a text, as it stands there.
pub(super) fn certificate_block(text: &str) -> Option<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = text.find("-----BEGIN CERTIFICATE-----")?;
    let end = text.find(END)? + END.len();
    Some(format!("{}\n", text.get(start..end)?))
}

/// The last certificate in a text: the issuer, in a chain of two.
pub(super) fn last_certificate(text: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text.as_bytes()).last()?.ok()
}
