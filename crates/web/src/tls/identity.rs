//! A certificate chain with its private key, read and checked.
//!
//! An [`Identity`] can only be made from a chain whose first certificate belongs to the key. Whether it is in its time and
//! covers the names that clients use is asked separately ([`Identity::check`]), because both change while it is held.
//!
//! Deliberately absent: whether clients trust the issuer. The server cannot know what they trust.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName, UnixTime};
use secrecy::zeroize::Zeroizing;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY_S: u64 = 24 * 60 * 60;

/// A certificate chain and the key that belongs to it.
pub struct Identity {
    certified: Arc<CertifiedKey>,
    names: Vec<ServerName<'static>>,
    not_before_unix_s: u64,
    not_after_unix_s: u64,
    from: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Identity")
            .field("from", &self.from)
            .field("names", &self.names)
            .field("not_after_unix_s", &self.not_after_unix_s)
            .finish_non_exhaustive()
    }
}

/// Why a certificate is not taken. Every variant names where it came from.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read; the error names it.
    #[error(
        "the certificate cannot be read: {0}; check the path and that the server's user may read it"
    )]
    Io(#[from] std::io::Error),
    /// There is no certificate.
    #[error(
        "{from} holds no certificate; give a PEM file with the chain, the server's own certificate first"
    )]
    NoCertificate {
        /// Where it came from.
        from: String,
    },
    /// There is no private key.
    #[error(
        "{from} holds no private key; give a PEM file with a PKCS#8, SEC1 or PKCS#1 key without a passphrase"
    )]
    NoKey {
        /// Where it came from.
        from: String,
    },
    /// Something in it is malformed or of a kind that is not supported.
    #[error("{from} cannot be used: {reason}; give a chain and key in PEM form")]
    Malformed {
        /// Where it came from.
        from: String,
        /// What the reader found.
        reason: String,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key does not belong to the first certificate of {from}; \
         put the server's own certificate first, or give the key that it was requested with"
    )]
    OtherKey {
        /// Where it came from.
        from: String,
    },
    /// Its time is over.
    #[error("the certificate of {from} expired {days} days ago; put a renewed one in its place")]
    Expired {
        /// Where it came from.
        from: String,
        /// Whole days since then.
        days: u64,
    },
    /// Its time has not come.
    #[error(
        "the certificate of {from} is not valid for another {seconds} s; check this machine's clock"
    )]
    NotYet {
        /// Where it came from.
        from: String,
        /// Seconds until then.
        seconds: u64,
    },
    /// It does not cover a name by which clients reach the server.
    #[error(
        "the certificate of {from} does not cover {name}, only {covers}; request one that does, or configure another name"
    )]
    OtherNames {
        /// Where it came from.
        from: String,
        /// The name that is missing.
        name: String,
        /// The names it has.
        covers: String,
    },
    /// The local authority could not issue one.
    #[error("no certificate could be issued: {reason}")]
    NotIssued {
        /// Why, in the authority's words.
        reason: String,
    },
}

impl Identity {
    /// Reads a chain and a key from two PEM files, which may be the same file.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, and as [`Identity::from_pem`].
    pub fn from_files(chain: &Path, key: &Path) -> Result<Identity, IdentityError> {
        let chain_pem = Zeroizing::new(fs_err::read(chain)?);
        let key_pem = Zeroizing::new(fs_err::read(key)?);
        Identity::from_pem(&chain_pem, &key_pem, &chain.display().to_string())
    }

    /// Reads a chain, the server's own certificate first, and its key. `from` names their origin in errors.
    ///
    /// # Errors
    ///
    /// When either is missing or malformed, or the key belongs to another certificate.
    pub fn from_pem(
        chain_pem: &[u8],
        key_pem: &[u8],
        from: &str,
    ) -> Result<Identity, IdentityError> {
        let from = from.to_owned();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| malformed(&from, &error))?;
        let Some(first) = chain.first() else {
            return Err(IdentityError::NoCertificate { from });
        };
        let (names, not_before_unix_s, not_after_unix_s) = facts(first, &from)?;
        let key = match PrivateKeyDer::from_pem_slice(key_pem) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => return Err(IdentityError::NoKey { from }),
            Err(error) => return Err(malformed(&from, &error)),
        };
        let certified = match CertifiedKey::from_der(chain, key, &super::provider()) {
            Ok(certified) => Arc::new(certified),
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                return Err(IdentityError::OtherKey { from });
            }
            Err(error) => return Err(malformed(&from, &error)),
        };
        Ok(Identity {
            certified,
            names,
            not_before_unix_s,
            not_after_unix_s,
            from,
        })
    }

    /// Checks that the certificate is in its time at `now` and covers every one of `names`.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Expired`], [`IdentityError::NotYet`] or [`IdentityError::OtherNames`].
    pub fn check(&self, names: &[ServerName<'_>], now: UnixTime) -> Result<(), IdentityError> {
        let now = now.as_secs();
        if now > self.not_after_unix_s {
            let days = (now - self.not_after_unix_s) / DAY_S;
            return Err(IdentityError::Expired {
                from: self.from.clone(),
                days,
            });
        }
        if now < self.not_before_unix_s {
            let seconds = self.not_before_unix_s - now;
            return Err(IdentityError::NotYet {
                from: self.from.clone(),
                seconds,
            });
        }
        let first = self
            .certified
            .end_entity_cert()
            .map_err(|error| malformed(&self.from, &error))?;
        let parsed =
            ParsedCertificate::try_from(first).map_err(|error| malformed(&self.from, &error))?;
        for name in names {
            if verify_server_name(&parsed, name).is_err() {
                let covers: Vec<_> = self.names.iter().map(ServerName::to_str).collect();
                return Err(IdentityError::OtherNames {
                    from: self.from.clone(),
                    name: name.to_str().into_owned(),
                    covers: if covers.is_empty() {
                        "no name at all".to_owned()
                    } else {
                        covers.join(", ")
                    },
                });
            }
        }
        Ok(())
    }

    /// The server's own certificate, the first of the chain.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }

    /// The DNS names and addresses that the certificate is for; wildcards are left out.
    pub fn names(&self) -> &[ServerName<'static>] {
        &self.names
    }

    /// When the certificate's time is over, in seconds since 1970.
    pub fn not_after_unix_s(&self) -> u64 {
        self.not_after_unix_s
    }

    /// Chain and key in the form that rustls shows.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// The names of a certificate and the two ends of its time.
fn facts(
    der: &CertificateDer<'_>,
    from: &str,
) -> Result<(Vec<ServerName<'static>>, u64, u64), IdentityError> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| malformed(from, &error))?;
    let alternative = certificate
        .subject_alternative_name()
        .map_err(|error| malformed(from, &error))?;
    let names = alternative.map_or(&[][..], |extension| &extension.value.general_names);
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => ServerName::try_from(*name).ok().map(|name| name.to_owned()),
        GeneralName::IPAddress(octets) => address(octets).map(ServerName::IpAddress),
        _ => None,
    });
    let time = certificate.validity();
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    Ok((
        names.collect(),
        seconds(time.not_before.timestamp()),
        seconds(time.not_after.timestamp()),
    ))
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::IpAddr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|octets| std::net::IpAddr::from(octets).into())
}

fn malformed(from: &str, reason: &dyn fmt::Display) -> IdentityError {
    IdentityError::Malformed {
        from: from.to_owned(),
        reason: reason.to_string(),
    }
}
