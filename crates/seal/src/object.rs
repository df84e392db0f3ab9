//! The object key: fresh for each object version, and the only key its body is sealed with.
//!
//! It is never used directly. HKDF gives two independent values: the key of the body, and the
//! commitment in the header. AES-GCM alone accepts one ciphertext under two crafted keys; comparing
//! the commitment first, in constant time, leaves one key that a header can mean.

use aws_lc_rs::constant_time;
use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

use crate::gcm::{Derivation, Gcm, KEY_LENGTH, random};
use crate::header::Header;
use crate::xaes::Xaes;

/// An object key that was just made or unwrapped, and what is derived from it.
pub(crate) struct ObjectKey {
    key: Zeroizing<[u8; KEY_LENGTH]>,
    commitment: Zeroizing<[u8; KEY_LENGTH]>,
    pub(crate) body: Gcm,
}

impl ObjectKey {
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        Self::from(random()?)
    }

    /// Takes the key out of a header, if it is there for this use and is the committed one.
    pub(crate) fn unwrap(
        data: &Xaes,
        associated: &[u8],
        header: &Header,
    ) -> Result<Self, Unspecified> {
        let bytes = data.open(associated, &header.wrapped)?;
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        key.copy_from_slice(bytes.first_chunk::<KEY_LENGTH>().ok_or(Unspecified)?);
        let key = Self::from(key)?;
        constant_time::verify_slices_are_equal(key.commitment.as_slice(), &header.commitment)?;
        Ok(key)
    }

    /// A header that carries this key under an epoch's data key.
    pub(crate) fn wrap(
        &self,
        data: &Xaes,
        associated: &[u8],
        epoch: u32,
    ) -> Result<Header, Unspecified> {
        let wrapped = data.seal(associated, self.key.as_slice())?;
        Ok(Header {
            epoch,
            wrapped: wrapped.try_into().map_err(|_| Unspecified)?,
            commitment: *self.commitment,
        })
    }

    fn from(key: Zeroizing<[u8; KEY_LENGTH]>) -> Result<Self, Unspecified> {
        let derivation = Derivation::from(key.as_slice());
        Ok(Self {
            commitment: derivation.key(&[b"commit"])?,
            body: Gcm::new(&*derivation.key(&[b"body"])?)?,
            key,
        })
    }
}
