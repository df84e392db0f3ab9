//! Certificate authorities of an organization's own, beside those that the system trusts: one file for all programs of a phase.
//!
//! Programs take such a file in the place of what they would trust, so it holds both. Of the operator's file the certificates are taken and
//! nothing else; one with a private key in it is refused, because phases would be shown it.
//!
//! Deliberately absent: names and ends of certificates. Whoever uses one judges that; an authority that has ended is trusted by nobody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::{CertificateError, RootCertStore};

/// Longest file of an operator's own: some five hundred certificates.
pub const OWN_BYTES_MAX: u64 = 1024 * 1024;
/// Longest bundle of a system: usual ones have a quarter of a megabyte.
pub const SYSTEM_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Longest name of a section that is told, in letters.
const NAME_LETTERS_MAX: usize = 40;
/// Letters of a line of PEM.
const LINE_LETTERS: usize = 64;

/// The file, in the folder of what makes terraform behave.
pub(crate) const FILE: &str = "authorities.pem";
/// The variables by which programs find it. Go (terraform and its providers), OpenSSL, and what is built on it read the first; the
/// others are for programs that look nowhere else: the libraries of AWS, git, curl, Python's requests, and Node, which adds it to its own.
pub(crate) const VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];

/// Certificates that somebody vouches for.
pub struct Authorities {
    pem: String,
}

/// Why a file has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthoritiesError {
    /// Too long.
    #[error("it is longer than {OWN_BYTES_MAX} bytes")]
    Long,
    /// A key.
    #[error(
        "it holds a private key, which every run would be shown; take the key out, and replace it if others had the file"
    )]
    Key,
    /// It is cut, or is no PEM.
    #[error("it is not whole: {0}")]
    Pem(String),
    /// A certificate that cannot be read.
    #[error("certificate {number} of it cannot be read: {why}")]
    Certificate {
        /// Which, counted from one.
        number: usize,
        /// Why.
        why: String,
    },
    /// None.
    #[error(
        "there is no certificate in PEM form (-----BEGIN CERTIFICATE-----); `openssl x509 -inform der -in FILE` makes one out of the binary form"
    )]
    None,
}

impl Authorities {
    /// Reads a file of certificates.
    pub fn read(text: &[u8]) -> Result<Authorities, AuthoritiesError> {
        if text.len() as u64 > OWN_BYTES_MAX {
            return Err(AuthoritiesError::Long);
        }
        let (mut pem, mut number) = (String::new(), 0);
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            let (kind, bytes) = section.map_err(|error| AuthoritiesError::Pem(broken(&error)))?;
            match kind {
                SectionKind::Certificate => {}
                SectionKind::PrivateKey
                | SectionKind::RsaPrivateKey
                | SectionKind::EcPrivateKey => return Err(AuthoritiesError::Key),
                // Requests and lists of what was revoked are of no use, and no harm.
                _ => continue,
            }
            number += 1;
            let added = RootCertStore::empty().add(CertificateDer::from(&bytes[..]));
            added.map_err(|error| AuthoritiesError::Certificate {
                number,
                why: unreadable(&error),
            })?;
            write(&mut pem, &bytes);
        }
        if number == 0 {
            return Err(AuthoritiesError::None);
        }
        Ok(Authorities { pem })
    }

    /// These, behind those of a system.
    pub fn beside(&self, system: &[u8]) -> Vec<u8> {
        let mut bundle = system.to_vec();
        if !bundle.is_empty() && !bundle.ends_with(b"\n") {
            bundle.push(b'\n');
        }
        bundle.extend_from_slice(self.pem.as_bytes());
        bundle
    }
}

/// What is wrong with the form of a file.
fn broken(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let name = name(end_marker);
            format!("the line -----END {name}----- is missing after -----BEGIN {name}-----")
        }
        pem::Error::IllegalSectionStart { line } => {
            let name = name(line.strip_prefix(b"-----BEGIN ").unwrap_or(line));
            format!("the line -----BEGIN {name} does not end with five dashes")
        }
        pem::Error::Base64Decode(_) => {
            "what is between the lines BEGIN and END of a section is not Base64".to_owned()
        }
        other => other.to_string(),
    }
}

/// The name of a section, and nothing of what may stand behind it on the same line: that can be a key.
fn name(label: &[u8]) -> String {
    let fits =
        |letter: &char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || *letter == ' ';
    let letters = label.iter().map(|byte| char::from(*byte));
    let name: String = letters.take_while(fits).take(NAME_LETTERS_MAX).collect();
    name.trim_end().to_owned()
}

/// Why a certificate is none.
fn unreadable(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "what is in it is no X.509 certificate, or not all of one".to_owned()
        }
        rustls::Error::InvalidCertificate(why) => format!("it is of no use here ({why:?})"),
        other => other.to_string(),
    }
}

fn write(pem: &mut String, certificate: &[u8]) {
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    for (at, letter) in STANDARD.encode(certificate).chars().enumerate() {
        if at > 0 && at % LINE_LETTERS == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// An authority that nobody trusts, and a key that nobody uses.
    const ONE: &str = include_str!("../../testing/authority.pem");
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n";

    fn refused(text: &str) -> AuthoritiesError {
        Authorities::read(text.as_bytes()).err().unwrap()
    }

    #[test]
    fn certificates_are_taken_out_of_a_file_and_nothing_else() {
        let around = format!("# our own\nsubject=x\n{ONE}\nwhatever\n{ONE}");
        let read = Authorities::read(around.as_bytes()).unwrap();
        let bundle = String::from_utf8(read.beside(b"of the system")).unwrap();
        assert_eq!(bundle, format!("of the system\n{ONE}{ONE}"));
        assert_eq!(read.beside(b""), format!("{ONE}{ONE}").into_bytes());
        let windows = ONE.replace('\n', "\r\n");
        assert!(Authorities::read(windows.as_bytes()).is_ok());
    }

    #[test]
    fn what_holds_no_certificate_or_a_key_is_refused_in_words() {
        for nothing in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        ] {
            assert_eq!(refused(nothing), AuthoritiesError::None);
        }
        assert!(Authorities::read(&[0x30, 0x82, 1, 2, 0xff]).is_err());
        for key in [format!("{ONE}{KEY}"), format!("{KEY}{ONE}")] {
            assert_eq!(refused(&key), AuthoritiesError::Key);
        }
        let (cut, _) = ONE.split_at(ONE.len() - 10);
        assert!(
            matches!(refused(cut), AuthoritiesError::Pem(_)),
            "{:?}",
            refused(cut)
        );
        let words = "the line -----END CERTIFICATE----- is missing after";
        assert!(refused(cut).to_string().contains(words), "{}", refused(cut));
        let joined = KEY.trim_end().replace('\n', "");
        let short = "-----BEGIN CERTIFICATE---\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, words) in [
            (&*joined, "-----END PRIVATE KEY----- is missing"),
            (short, "-----BEGIN CERTIFICATE does not end with five"),
            (
                "-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n",
                "is not Base64",
            ),
        ] {
            let told = refused(text).to_string();
            assert!(told.contains(words) && !told.contains("MC4C"), "{told}");
        }
        let odd = format!("{ONE}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let error = refused(&odd);
        assert!(
            matches!(error, AuthoritiesError::Certificate { number: 2, .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("no X.509 certificate"),
            "{error}"
        );
        let long = ONE.repeat(1 + 1024 * 1024 / ONE.len());
        assert_eq!(refused(&long), AuthoritiesError::Long);
    }
}
