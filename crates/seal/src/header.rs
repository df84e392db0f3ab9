//! The header of a sealed object: everything needed to open its body but the keyring and context.
//!
//! ```text
//! offset  bytes  field
//!      0      4  format, "SHS1"
//!      4      4  epoch, big-endian
//!      8     72  object key under the epoch's data key: nonce 24 ‖ ciphertext 32 ‖ tag 16
//!     80     32  commitment to the object key
//! ```
//!
//! Format and epoch choose keys and are not secret; a changed one leads to a refusal. Headers live
//! beside bodies and outside their digests, so that rotation may rewrite them.

use crate::SealError;
use crate::gcm::KEY_LENGTH;
use crate::xaes::XAES_OVERHEAD;

/// Bytes in a header.
pub const HEADER_LENGTH: usize = 4 + 4 + WRAPPED_LENGTH + KEY_LENGTH;

/// Bytes of a wrapped object key.
pub(crate) const WRAPPED_LENGTH: usize = XAES_OVERHEAD + KEY_LENGTH;

const FORMAT: &[u8; 4] = b"SHS1";

/// A header in its parts.
pub(crate) struct Header {
    pub(crate) epoch: u32,
    pub(crate) wrapped: [u8; WRAPPED_LENGTH],
    pub(crate) commitment: [u8; KEY_LENGTH],
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        Self::split(bytes).ok_or(SealError::UnknownFormat {
            length: bytes.len(),
        })
    }

    fn split(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(FORMAT)?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (wrapped, rest) = rest.split_first_chunk()?;
        let commitment = rest.try_into().ok()?;
        Some(Self {
            epoch: u32::from_be_bytes(*epoch),
            wrapped: *wrapped,
            commitment,
        })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [
            FORMAT.as_slice(),
            &self.epoch.to_be_bytes(),
            &self.wrapped,
            &self.commitment,
        ]
        .concat()
    }
}
