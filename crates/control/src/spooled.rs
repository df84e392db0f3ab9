//! A state that a runner could not send, sealed under a key that the server can make again: a nonce, then what AES-256-GCM makes of it.
//!
//! Whoever starts runners hands such bytes on as they lie there; only the server opens them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Longest state, in bytes: what the server takes.
pub const STATE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Longest sealed state: with a nonce and a tag.
pub const SEALED_BYTES_MAX: u64 = STATE_BYTES_MAX + 64;
const NONCE_BYTES: usize = 12;
/// What is sealed.
const WHAT: &str = "state.sealed";

fn unsealed(_: aws_lc_rs::error::Unspecified) -> std::io::Error {
    std::io::Error::other("the spooled state does not open, or cannot be sealed")
}

/// A key that seals states of one run.
pub struct Key(LessSafeKey);

impl Key {
    /// The key of these bytes.
    pub fn new(key: &[u8; KEY_BYTES]) -> std::io::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(unsealed)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a state.
    pub fn seal(&self, state: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(unsealed)?;
        let mut body = state.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, Aad::from(WHAT), &mut body)
            .map_err(unsealed)?;
        Ok([&nonce[..], &body].concat())
    }

    /// Opens what was sealed.
    pub fn open(&self, sealed: &[u8]) -> std::io::Result<Bytes> {
        let short = || unsealed(aws_lc_rs::error::Unspecified);
        let (nonce, body) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(short)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(unsealed)?;
        let mut body = body.to_vec();
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(WHAT), &mut body)
            .map_err(unsealed)?
            .len();
        body.truncate(plain);
        Ok(body.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let key = Key::new(&[7; KEY_BYTES]).unwrap();
        let sealed = key.seal(b"a state").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"a state"));
        assert_eq!(key.open(&sealed).unwrap(), "a state");
        assert_ne!(
            key.seal(b"a state").unwrap(),
            sealed,
            "no nonce comes twice"
        );
        let other = Key::new(&[8; KEY_BYTES]).unwrap();
        for (key, sealed) in [(&other, &*sealed), (&key, &sealed[1..]), (&key, b"short")] {
            assert!(key.open(sealed).is_err());
        }
    }
}
