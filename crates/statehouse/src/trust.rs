//! Which certificate authorities are trusted: a file that was named, or the system's own bundle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use rustls::{ClientConfig, RootCertStore};
use statehouse_web::tls;

use crate::environment::Environment;
use crate::failure::{Failure, Result};

/// Where systems keep the bundle: Debian and its kin, Red Hat and its kin, SUSE, Alpine and BSD.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A TLS 1.3 client that trusts the authorities in `file`; without one, those of `SSL_CERT_FILE` or of the system. A system
/// without any bundle trusts nobody.
pub(crate) fn client(file: Option<&Path>, environment: &Environment) -> Result<Arc<ClientConfig>> {
    let found = file.map(Path::to_owned).or_else(|| system(environment));
    let roots = match found {
        Some(path) => {
            tls::roots(&fs::read(&path)?, &path.display().to_string()).map_err(Failure::failed)?
        }
        None => RootCertStore::empty(),
    };
    tls::client_config(roots).map_err(Failure::failed)
}

/// The bundle that counts where nobody names one: that of `SSL_CERT_FILE`, or the system's.
pub(crate) fn system(environment: &Environment) -> Option<PathBuf> {
    let stated = environment.get("SSL_CERT_FILE").map(PathBuf::from);
    stated.or_else(|| {
        BUNDLES
            .iter()
            .map(PathBuf::from)
            .find(|bundle| bundle.exists())
    })
}
