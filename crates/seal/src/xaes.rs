//! XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>): AES-256-GCM with a 192-bit nonce.
//!
//! Half of the nonce derives a key by CMAC (NIST SP 800-108r1), the other half is the nonce of plain
//! AES-256-GCM under it, so random nonces are safe for 2^80 messages per key. It is used wherever one
//! key wraps many others. Like GCM it does not commit to its key; headers do that themselves.

use aws_lc_rs::cmac;
use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

use crate::gcm::{Gcm, KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH, random};

/// Bytes in an XAES-256-GCM nonce.
pub(crate) const XAES_NONCE_LENGTH: usize = 24;
/// Bytes that sealing adds: the nonce in front, the tag behind.
pub(crate) const XAES_OVERHEAD: usize = XAES_NONCE_LENGTH + TAG_LENGTH;

/// An XAES-256-GCM key. The CMAC subkey constants are derived once, here.
pub(crate) struct Xaes(cmac::Key);

impl Xaes {
    pub(crate) fn new(key: &[u8; KEY_LENGTH]) -> Result<Self, Unspecified> {
        cmac::Key::new(cmac::AES_256, key).map(Self)
    }

    /// Seals under a fresh random nonce: nonce ‖ ciphertext ‖ tag.
    pub(crate) fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Unspecified> {
        self.seal_with(&*random()?, associated, plaintext)
    }

    /// Opens what [`Xaes::seal`] made with the same associated data.
    pub(crate) fn open(
        &self,
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let (nonce, sealed) = sealed.split_first_chunk().ok_or(Unspecified)?;
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LENGTH>().ok_or(Unspecified)?;
        let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
        let (key, nonce) = self.derive(nonce)?;
        key.open(nonce, associated, ciphertext, tag, &mut plaintext)?;
        Ok(plaintext)
    }

    fn seal_with(
        &self,
        nonce: &[u8; XAES_NONCE_LENGTH],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Unspecified> {
        let mut sealed = vec![0; XAES_OVERHEAD + plaintext.len()];
        let (front, rest) = sealed.split_first_chunk_mut().ok_or(Unspecified)?;
        let (ciphertext, tag) = rest
            .split_last_chunk_mut::<TAG_LENGTH>()
            .ok_or(Unspecified)?;
        *front = *nonce;
        let (key, nonce) = self.derive(nonce)?;
        key.seal(nonce, associated, plaintext, ciphertext, tag)?;
        Ok(sealed)
    }

    /// The key for one nonce, and what of the nonce is left for GCM.
    fn derive(
        &self,
        nonce: &[u8; XAES_NONCE_LENGTH],
    ) -> Result<(Gcm, [u8; NONCE_LENGTH]), Unspecified> {
        let (context, rest) = nonce.split_first_chunk::<12>().ok_or(Unspecified)?;
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        for (half, counter) in key.chunks_exact_mut(16).zip(1..) {
            let mut message = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            *message.last_chunk_mut().ok_or(Unspecified)? = *context;
            half.copy_from_slice(cmac::sign(&self.0, &message)?.as_ref());
        }
        Ok((Gcm::new(&key)?, rest.try_into().map_err(|_| Unspecified)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]
    use super::*;
    use sha3::Shake128;
    use sha3::digest::{ExtendableOutput, Update, XofReader};

    #[test]
    fn both_fixed_vectors_of_the_specification_hold() {
        let check = |key: u8, associated: &str, sealed: &str| {
            let key = Xaes::new(&[key; 32]).unwrap();
            let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
            let actual = key
                .seal_with(nonce, associated.as_bytes(), b"XAES-256-GCM")
                .unwrap();
            assert_eq!(hex::encode(&actual[XAES_NONCE_LENGTH..]), sealed);
            assert_eq!(
                *key.open(associated.as_bytes(), &actual).unwrap(),
                b"XAES-256-GCM"
            );
        };
        check(
            1,
            "",
            "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
        );
        check(
            3,
            "c2sp.org/XAES-256-GCM",
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
        );
    }

    /// The specification's accumulated randomized test: inputs from one SHAKE-128, outputs into another.
    #[test]
    fn ten_thousand_random_messages_hash_to_the_specified_value() {
        let mut source = Shake128::default().finalize_xof();
        let mut hash = Shake128::default();
        let mut bytes = |length: usize| {
            let mut bytes = vec![0; length];
            source.read(&mut bytes);
            bytes
        };
        for _ in 0..10_000 {
            let key = bytes(32).try_into().unwrap();
            let nonce = bytes(24).try_into().unwrap();
            let length = bytes(1)[0].into();
            let plaintext = bytes(length);
            let length = bytes(1)[0].into();
            let associated = bytes(length);
            let key = Xaes::new(&key).unwrap();
            let sealed = key.seal_with(&nonce, &associated, &plaintext).unwrap();
            hash.update(&sealed[XAES_NONCE_LENGTH..]);
            assert_eq!(*key.open(&associated, &sealed).unwrap(), plaintext);
        }
        let mut digest = [0; 32];
        hash.finalize_xof().read(&mut digest);
        assert_eq!(
            hex::encode(digest),
            "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
        );
    }

    #[test]
    fn every_truncation_and_a_wrong_key_are_refused() {
        let key = Xaes::new(&[1; 32]).unwrap();
        let sealed = key.seal(b"a", b"text").unwrap();
        for length in 0..sealed.len() {
            assert!(key.open(b"a", &sealed[..length]).is_err(), "{length} bytes");
        }
        assert!(key.open(b"b", &sealed).is_err());
        assert!(Xaes::new(&[2; 32]).unwrap().open(b"a", &sealed).is_err());
    }
}
