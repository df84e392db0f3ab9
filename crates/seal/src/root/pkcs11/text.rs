//! The text that passes through AES key wrap: associated data and key together, padded to eight bytes.
//!
//! RFC 3394 authenticates what it wraps, so associated data inside is bound to the key beside it.

use aws_lc_rs::constant_time;
use zeroize::Zeroizing;

/// Key wrap takes whole blocks of eight bytes.
const BLOCK: usize = 8;

/// Both parts, each after its length in eight bytes, then zeros.
pub(super) fn join(associated: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = (16 + associated.len() + key.len()).next_multiple_of(BLOCK);
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for part in [associated, key] {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    text.resize(length, 0);
    text
}

/// The key, if the text is one that [`join`] makes with this associated data.
pub(super) fn split(associated: &[u8], text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = part(text)?;
    let (key, _) = part(rest)?;
    let key = Zeroizing::new(key.to_vec());
    constant_time::verify_slices_are_equal(&join(associated, &key), text).ok()?;
    Some(key)
}

fn part(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = text.split_first_chunk()?;
    rest.split_at_checked(u64::from_be_bytes(*length).try_into().ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]
    use super::*;

    #[test]
    fn a_text_gives_its_key_only_with_its_associated_data() {
        let check = |associated: &[u8], key: &[u8]| {
            let text = join(associated, key);
            assert_eq!(text.len() % BLOCK, 0);
            assert_eq!(*split(associated, &text).unwrap(), key);
            assert!(split(b"another", &text).is_none());
            for length in 0..text.len() {
                assert!(split(associated, &text[..length]).is_none());
            }
            for bit in 0..text.len() * 8 {
                let mut flipped = text.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let same = split(associated, &flipped).is_some_and(|opened| *opened == key);
                assert!(!same, "bit {bit}");
            }
        };
        check(b"", b"");
        check(b"a", b"key");
        check(b"associated data", &[7; 32]);
        check(&[0; 16], &[0; 8]);
    }
}
