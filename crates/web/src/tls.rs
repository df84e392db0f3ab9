//! TLS as the house speaks it: version 1.3, two suites, the server's order.
//!
//! What this module promises: no listener and no client built from it accepts anything below TLS 1.3; the suites are exactly
//! `TLS_AES_256_GCM_SHA384` and `TLS_CHACHA20_POLY1305_SHA256`, and the server chooses, because terraform offers AES-128 first
//! and rustls would by default follow the client; key exchange is hybrid with ML-KEM-768 wherever the client can. [`Served`]
//! holds the certificate and swaps it while connections are open, after a check of the new one.
//!
//! Deliberately absent: TLS 1.2 (the feature of rustls is not compiled in by this crate), early data, because a replayed first
//! flight would replay a request, and client certificates: callers are known by their tokens.

mod identity;
mod served;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::server::ResolvesServerCert;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use identity::{Identity, IdentityError};
pub use served::{CertificateFiles, Health, POLL_S, Served, Source, Stamp};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// rustls refused the configuration, or had no randomness for its ticket keys.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    /// A file of trusted certificates holds none that can be used.
    #[error(
        "{from} holds no certificate to trust ({reason}); give a PEM file with the certificate of the authority"
    )]
    NoRoots {
        /// Where the bytes came from.
        from: String,
        /// What the reader found.
        reason: String,
    },
}

/// The suites, groups and algorithms of both ends: for clients that build their own rustls configuration.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
            kx_group::SECP384R1,
        ],
        ..aws_lc_rs::default_provider()
    })
}

/// The configuration of every TLS listener. `resolver` says which certificate is shown; usually a [`Served`].
///
/// Sessions resume by stateless tickets (RFC 8446 §4.6.1), always with a fresh key exchange, so that a stolen ticket key opens no
/// recorded traffic.
///
/// # Errors
///
/// When the system has no randomness for the ticket keys.
pub fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.max_early_data_size = 0;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// The configuration of our own clients: the same version and suites, and no trust beyond `roots`. The caller adds ALPN.
///
/// # Errors
///
/// When rustls refuses the configuration.
pub fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The certificates in `pem`, as roots to trust. `from` names their origin in errors, usually a path.
///
/// # Errors
///
/// When the text holds no certificate, or one that cannot be read.
pub fn roots(pem: &[u8], from: &str) -> Result<RootCertStore, TlsError> {
    let refused = |reason: String| TlsError::NoRoots {
        from: from.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("there is no CERTIFICATE block".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    #[test]
    fn there_are_two_suites_and_the_hybrid_group_comes_first() {
        let provider = provider();
        let suites: Vec<_> = provider
            .cipher_suites
            .iter()
            .map(rustls::SupportedCipherSuite::suite)
            .collect();
        assert_eq!(
            suites,
            [
                rustls::CipherSuite::TLS13_AES_256_GCM_SHA384,
                rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            ]
        );
        assert_eq!(
            provider.kx_groups[0].name(),
            rustls::NamedGroup::X25519MLKEM768
        );
    }

    #[test]
    fn roots_that_hold_no_certificate_are_refused_by_name() {
        for pem in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = roots(pem.as_bytes(), "/etc/ca.pem")
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("/etc/ca.pem holds no certificate to trust"),
                "{error}"
            );
        }
    }
}
