//! AES-256-GCM (NIST SP 800-38D), randomness and HKDF-SHA-256 (RFC 5869), as thin names over AWS-LC.
//!
//! Nonces are given by the caller, who alone knows why one is never used twice under a key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};
use zeroize::Zeroizing;

/// Bytes in every key.
pub(crate) const KEY_LENGTH: usize = 32;
/// Bytes in an AES-GCM nonce.
pub(crate) const NONCE_LENGTH: usize = 12;
/// Bytes in an AES-GCM tag.
pub(crate) const TAG_LENGTH: usize = 16;

/// An AES-256-GCM key, expanded.
pub(crate) struct Gcm(LessSafeKey);

impl Gcm {
    pub(crate) fn new(key: &[u8; KEY_LENGTH]) -> Result<Self, Unspecified> {
        UnboundKey::new(&AES_256_GCM, key)
            .map(LessSafeKey::new)
            .map(Self)
    }

    /// Encrypts into `ciphertext`, which has the plaintext's length, and `tag`.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_LENGTH],
        associated: &[u8],
        plaintext: &[u8],
        ciphertext: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), Unspecified> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let associated = Aad::from(associated);
        self.0
            .seal_out_of_place_scatter(nonce, associated, plaintext, ciphertext, &[], tag)
    }

    /// Decrypts into `plaintext`, which has the ciphertext's length. On error it holds nothing
    /// that may be used.
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE_LENGTH],
        associated: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        plaintext: &mut [u8],
    ) -> Result<(), Unspecified> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let associated = Aad::from(associated);
        self.0
            .open_separate_gather(nonce, associated, ciphertext, tag, plaintext)
    }
}

/// Fresh random bytes in a buffer that is wiped when dropped.
pub(crate) fn random<const LENGTH: usize>() -> Result<Zeroizing<[u8; LENGTH]>, Unspecified> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    rand::fill(bytes.as_mut())?;
    Ok(bytes)
}

/// HKDF-SHA-256: one extraction, from which any number of named keys are expanded.
pub(crate) struct Derivation(hkdf::Prk);

impl Derivation {
    pub(crate) fn from(secret: &[u8]) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, b"statehouse/seal/1").extract(secret))
    }

    pub(crate) fn key(&self, name: &[&[u8]]) -> Result<Zeroizing<[u8; KEY_LENGTH]>, Unspecified> {
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        self.0.expand(name, hkdf::HKDF_SHA256)?.fill(key.as_mut())?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    const KEY: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    const IV: &str = "cafebabefacedbaddecaf888";
    const TEXT: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                        1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    const SEALED: &str = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                          8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";

    /// Test cases 13 to 16 of `McGrew` and Viega, "The Galois/Counter Mode of Operation (GCM)",
    /// appendix B: those with a 256-bit key and a 96-bit nonce.
    #[test]
    fn the_published_vectors_hold_in_both_directions() {
        let check = |key: &str, iv: &str, associated: &str, text: &str, sealed: &str, tag: &str| {
            let bytes = |text: &str| hex::decode(text).unwrap();
            let key = Gcm::new(&bytes(key).try_into().unwrap()).unwrap();
            let nonce: [u8; NONCE_LENGTH] = bytes(iv).try_into().unwrap();
            let (associated, text) = (bytes(associated), bytes(text));
            let mut ciphertext = vec![0; text.len()];
            let mut mac = [0; TAG_LENGTH];
            key.seal(nonce, &associated, &text, &mut ciphertext, &mut mac)
                .unwrap();
            assert_eq!(
                (hex::encode(&ciphertext), hex::encode(mac)),
                (sealed.into(), tag.into())
            );
            let mut opened = vec![0; text.len()];
            key.open(nonce, &associated, &ciphertext, &mac, &mut opened)
                .unwrap();
            assert_eq!(opened, text);
            mac[0] ^= 1;
            assert!(
                key.open(nonce, &associated, &ciphertext, &mac, &mut opened)
                    .is_err()
            );
        };
        let (zero_key, zero_iv) = ("0".repeat(64), "0".repeat(24));
        check(
            &zero_key,
            &zero_iv,
            "",
            "",
            "",
            "530f8afbc74536b9a963b4f1c4cb738b",
        );
        check(
            &zero_key,
            &zero_iv,
            "",
            &"0".repeat(32),
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        );
        check(
            KEY,
            IV,
            "",
            TEXT,
            SEALED,
            "b094dac5d93471bdec1a502270e3cc6c",
        );
        check(
            KEY,
            IV,
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            &TEXT[..120],
            &SEALED[..120],
            "76fc6ece0f4e1768cddf8853bb2d551b",
        );
    }

    #[test]
    fn derived_keys_differ_by_name() {
        let derivation = Derivation::from(&[7; 32]);
        assert_ne!(
            *derivation.key(&[b"a"]).unwrap(),
            *derivation.key(&[b"b"]).unwrap()
        );
        assert_eq!(
            *derivation.key(&[b"a"]).unwrap(),
            *Derivation::from(&[7; 32]).key(&[b"a"]).unwrap()
        );
    }
}
