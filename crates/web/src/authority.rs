//! The house's own certificate authority, for a server that nobody gave a certificate.
//!
//! It is made at the first start and used again ever after, so that a client which once learned to trust `ca.pem` keeps
//! working. Its key signs certificates for this server and nothing else: the authority is constrained (RFC 5280 §4.2.1.10) to
//! the names known when it was made, to names that mean nothing outside a site, and to private addresses, so that trusting it
//! does not put anybody's visits to the rest of the internet into the hands of whoever steals the key. The key stands in one file
//! with its certificate, readable by the owner only, in the directory of the root keys, which is in no backup.
//!
//! Certificates that it issues are valid for [`LEAF_DAYS`] days and are replaced when fewer than [`RENEW_DAYS`] are left or the
//! names are others. ECDSA on P-256 throughout, because every client can check it.
//!
//! The clock is the machine's, as in all of TLS: clients compare certificates with theirs.
//!
//! Deliberately absent: revocation (short lives instead), intermediates, and any service to others.

mod files;
mod names;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use secrecy::zeroize::Zeroizing;
use statehouse_core::seal::make_directory;

use crate::tls::{Identity, IdentityError, Source, Stamp};
pub use names::{Names, Permitted};

/// How long the authority is valid, in days: replacing it means that every client must learn to trust another.
pub const AUTHORITY_DAYS: u64 = 3650;

/// How long an issued certificate is valid, in days.
pub const LEAF_DAYS: u64 = 90;

/// An issued certificate is replaced when fewer days than these are left: a server that is down for a month comes back well.
pub const RENEW_DAYS: u64 = 30;

/// How far certificates reach into the past, so that a client whose clock is slow takes them.
const SLOW_CLOCK: Duration = Duration::from_hours(1);

const DAY: Duration = Duration::from_hours(24);

/// In the key directory: certificate and key of the authority.
const AUTHORITY_FILE: &str = "authority.pem";

/// In the key directory: the issued certificate, the authority's, and the key.
const SERVER_FILE: &str = "server.pem";

/// Where the authority keeps its files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate alone, for everyone to read and trust; usually `ca.pem` in the data directory.
    pub certificate: PathBuf,
    /// The directory of keys: made with mode 0700 when it is not there, everything in it has mode 0600.
    pub keys: PathBuf,
}

/// Why there is no authority, or no certificate from it.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written; the error names it.
    #[error("the authority's files: {0}")]
    Io(#[from] std::io::Error),
    /// Others can read a key.
    #[error(
        "{path} has mode {mode:o}, so others than its owner can use it; if nobody did, run `chmod 600 {path}`"
    )]
    Readable {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Clients were told to trust a certificate whose key is gone.
    #[error(
        "{certificate} is there, but its key {key} is not; bring the key back from where it was moved, \
         or remove {certificate} to have a new authority, which every client must then be told to trust"
    )]
    KeyGone {
        /// The public certificate.
        certificate: String,
        /// The file that is missing.
        key: String,
    },
    /// The file with certificate and key cannot be used.
    #[error(
        "{path} cannot be used: {reason}; bring it back from a copy, \
         or remove it and the certificate to have a new authority, which every client must then be told to trust"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A name for which the authority may not sign.
    #[error(
        "the authority in {path} may not sign for {name}, only for {permitted}; give the server a certificate of your own, \
         or remove {path} and the certificate to have a new authority, which every client must then be told to trust"
    )]
    OutsideNames {
        /// The authority's file.
        path: String,
        /// The name that was asked for.
        name: String,
        /// What it may sign for.
        permitted: String,
    },
    /// The library could not make a key or certificate.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

/// The authority, opened.
pub struct Authority {
    files: Files,
    pem: String,
    der: CertificateDer<'static>,
    key: KeyPair,
    permitted: Permitted,
    not_after: SystemTime,
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Authority")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority of `files`, and makes it when there is none yet. `names` matter only to one that is made: it will be
    /// able to sign for them.
    ///
    /// # Errors
    ///
    /// When files cannot be read or written, others can read the key, the key is gone or damaged, or the authority has expired.
    pub fn open(files: Files, names: &Names) -> Result<Authority, AuthorityError> {
        make_directory(&files.keys)?;
        let path = files.keys.join(AUTHORITY_FILE);
        let text = match files::read_private(&path)? {
            Some(text) => text,
            None if files.certificate.exists() => {
                return Err(AuthorityError::KeyGone {
                    certificate: files.certificate.display().to_string(),
                    key: path.display().to_string(),
                });
            }
            None => {
                let text = make(names, moment(UnixTime::now()))?;
                files::write(&path, text.as_bytes(), files::PRIVATE)?;
                text
            }
        };
        let authority = Authority::from_pem(&text, files, &path.display().to_string())?;
        files::write_if_other(
            &authority.files.certificate,
            authority.pem.as_bytes(),
            files::PUBLIC,
        )?;
        Ok(authority)
    }

    fn from_pem(text: &str, files: Files, path: &str) -> Result<Authority, AuthorityError> {
        let damaged = |reason: &dyn fmt::Display| AuthorityError::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let now = UnixTime::now();
        // The same reading and the same checks as for any certificate that is shown: key and certificate belong together.
        let identity = Identity::from_pem(text.as_bytes(), text.as_bytes(), path)
            .map_err(|error| damaged(&error))?;
        identity.check(&[], now).map_err(|error| damaged(&error))?;
        let der =
            CertificateDer::from_pem_slice(text.as_bytes()).map_err(|error| damaged(&error))?;
        let key =
            PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| damaged(&error))?;
        let key = KeyPair::from_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|error| damaged(&error))?;
        let permitted = Permitted::of_certificate(&der).map_err(|error| damaged(&error))?;
        let not_after = moment(UnixTime::since_unix_epoch(Duration::from_secs(
            identity.not_after_unix_s(),
        )));
        let pem =
            files::certificate_block(text).ok_or_else(|| damaged(&"it holds no certificate"))?;
        Ok(Authority {
            files,
            pem,
            der,
            key,
            permitted,
            not_after,
        })
    }

    /// The certificate to trust, in PEM form: what is printed, and what stands in [`Files::certificate`].
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The certificate to trust.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A source of certificates for this server, for [`crate::tls::Served::open`]. Of the wished names those are left out which
    /// the authority may not sign for.
    ///
    /// # Errors
    ///
    /// When the authority may not sign for a required name.
    pub fn server(self: Arc<Self>, names: &Names) -> Result<ServerCertificate, AuthorityError> {
        if let Some(name) = names
            .required
            .iter()
            .find(|name| !self.permitted.covers(name))
        {
            return Err(AuthorityError::OutsideNames {
                path: self.files.keys.join(AUTHORITY_FILE).display().to_string(),
                name: name.to_str().into_owned(),
                permitted: self.permitted.to_string(),
            });
        }
        let mut covered = names.required.clone();
        for name in &names.wished {
            if !self.permitted.covers(name) {
                tracing::warn!(name = %name.to_str(), "the authority may not sign for this name; it is left out");
            } else if !covered.contains(name) {
                covered.push(name.clone());
            }
        }
        Ok(ServerCertificate {
            authority: self,
            names: covered,
        })
    }

    /// Issues a certificate for `names`: chain and key as one PEM text.
    fn issue(
        &self,
        names: &[ServerName<'static>],
        now: SystemTime,
    ) -> Result<Zeroizing<String>, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name = names::titled("Statehouse server");
        leaf.subject_alt_names = names
            .iter()
            .map(names::alternative)
            .collect::<Result<Vec<SanType>, _>>()?;
        leaf.not_before = (now - SLOW_CLOCK).into();
        leaf.not_after = (now + days(LEAF_DAYS)).min(self.not_after).into();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&self.der, &self.key)?;
        let certificate = leaf.signed_by(&key, &issuer)?;
        let key_pem = Zeroizing::new(key.serialize_pem());
        Ok(Zeroizing::new(
            [certificate.pem().as_str(), &self.pem, &key_pem].concat(),
        ))
    }
}

/// Makes a new authority: certificate and key as one PEM text.
fn make(names: &Names, now: SystemTime) -> Result<Zeroizing<String>, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut authority = CertificateParams::default();
    // Trust stores list authorities by title; the key's last bytes tell one house from another.
    let tail: Vec<u8> = key.public_key_raw().iter().rev().take(4).copied().collect();
    authority.distinguished_name =
        names::titled(&format!("Statehouse authority {}", hex::encode(tail)));
    authority.not_before = (now - SLOW_CLOCK).into();
    authority.not_after = (now + days(AUTHORITY_DAYS)).into();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.name_constraints = Some(names.constraints());
    let certificate = authority.self_signed(&key)?;
    let key_pem = Zeroizing::new(key.serialize_pem());
    Ok(Zeroizing::new(
        [certificate.pem().as_str(), &key_pem].concat(),
    ))
}

fn moment(time: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs())
}

fn days(days: u64) -> Duration {
    DAY * u32::try_from(days).unwrap_or(u32::MAX)
}

/// The server's certificate, issued by the authority, kept in the key directory and renewed in time.
#[derive(Debug)]
pub struct ServerCertificate {
    authority: Arc<Authority>,
    names: Vec<ServerName<'static>>,
}

impl ServerCertificate {
    /// The names that the certificate covers.
    pub fn names(&self) -> &[ServerName<'static>] {
        &self.names
    }

    fn path(&self) -> PathBuf {
        self.authority.files.keys.join(SERVER_FILE)
    }

    /// The certificate that is kept, if it is still right: ours, for just these names, with enough time left.
    fn kept(&self, now: UnixTime) -> Option<Identity> {
        let text = files::read_private(&self.path()).ok()??;
        let identity = Identity::from_pem(
            text.as_bytes(),
            text.as_bytes(),
            &self.path().display().to_string(),
        )
        .ok()?;
        let issuer = files::last_certificate(&text)?;
        let same_names = identity.names().len() == self.names.len()
            && self
                .names
                .iter()
                .all(|name| identity.names().contains(name));
        let right = issuer == self.authority.der
            && same_names
            && identity.check(&self.names, now).is_ok()
            && identity.not_after_unix_s() >= now.as_secs() + days(RENEW_DAYS).as_secs();
        right.then_some(identity)
    }

    /// The certificate to show at `now`: the kept one, or a new one, which is then kept.
    fn at(&self, now: UnixTime) -> Result<Identity, AuthorityError> {
        if let Some(identity) = self.kept(now) {
            return Ok(identity);
        }
        let path = self.path();
        let text = self.authority.issue(&self.names, moment(now))?;
        files::write(&path, text.as_bytes(), files::PRIVATE)?;
        let path = path.display().to_string();
        Identity::from_pem(text.as_bytes(), text.as_bytes(), &path).map_err(|error| {
            AuthorityError::Damaged {
                path,
                reason: error.to_string(),
            }
        })
    }
}

impl Source for ServerCertificate {
    fn load(&self) -> Result<Identity, IdentityError> {
        self.at(UnixTime::now())
            .map_err(|error| IdentityError::NotIssued {
                reason: error.to_string(),
            })
    }

    fn stamp(&self) -> Stamp {
        let now = UnixTime::now();
        match self.kept(now) {
            Some(identity) => Stamp(vec![identity.not_after_unix_s()]),
            // Due for renewal. It looks different every hour, so that one that failed is tried again.
            None => Stamp(vec![0, now.as_secs() / 3600]),
        }
    }
}

#[cfg(test)]
mod tests;
