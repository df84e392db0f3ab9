//! The keys of one epoch of a house, and how they are kept: wrapped under the house secret.
//!
//! Four keys for four uses, so that a weakness in one use reaches no other: wrapping object keys,
//! signing the ledger, and the MACs over API tokens and over evidential rows. They leave this crate
//! only wrapped, except the signing seed, which the ledger needs. They are wiped when dropped and have
//! no `Debug`. This compiles:
//!
//! ```
//! fn take<T: Send>(_: T) {}
//! take(statehouse_seal::EpochKeys::generate(1));
//! ```
//!
//! and the same with `Debug` does not:
//!
//! ```compile_fail
//! fn take<T: std::fmt::Debug>(_: T) {}
//! take(statehouse_seal::EpochKeys::generate(1));
//! ```

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use zeroize::Zeroizing;

use crate::canonical::wrapped_key;
use crate::gcm::{KEY_LENGTH, random};
use crate::{KeyName, RootError, RootKeys, SealError};

/// What the wrapped bytes are, as authenticated with them.
const PURPOSE: &str = "epoch keys";

/// The keys of one epoch: data wrapping, ledger signing, token MAC, row MAC.
pub struct EpochKeys {
    pub(crate) epoch: u32,
    pub(crate) data: SecretBox<[u8; KEY_LENGTH]>,
    signing: SecretBox<[u8; KEY_LENGTH]>,
    pub(crate) token: SecretBox<[u8; KEY_LENGTH]>,
    pub(crate) row: SecretBox<[u8; KEY_LENGTH]>,
}

impl EpochKeys {
    /// Fresh random keys. Fails only with [`SealError::Engine`], when there is no randomness.
    pub fn generate(epoch: u32) -> Result<Self, SealError> {
        let material = random::<{ 4 * KEY_LENGTH }>().map_err(|_| SealError::Engine)?;
        Self::split(epoch, material.as_slice()).ok_or(SealError::Engine)
    }

    /// Wraps the keys for storage. The result opens only with this site, house and epoch, under the
    /// secret that `root` holds for the house.
    pub fn wrap(
        &self,
        root: &dyn RootKeys,
        site: &str,
        house: &KeyName,
    ) -> Result<Vec<u8>, RootError> {
        let mut material = Zeroizing::new(Vec::with_capacity(4 * KEY_LENGTH));
        for key in [&self.data, &self.signing, &self.token, &self.row] {
            material.extend_from_slice(key.expose_secret());
        }
        root.wrap(
            house,
            &wrapped_key(site, house, PURPOSE, self.epoch),
            &material,
        )
    }

    /// Opens what [`EpochKeys::wrap`] made. [`RootError::Refused`] when it was made for anything else.
    pub fn unwrap(
        root: &dyn RootKeys,
        site: &str,
        house: &KeyName,
        epoch: u32,
        wrapped: &[u8],
    ) -> Result<Self, RootError> {
        let material = root.unwrap(house, &wrapped_key(site, house, PURPOSE, epoch), wrapped)?;
        Self::split(epoch, &material).ok_or_else(|| RootError::Refused {
            house: house.clone(),
            place: root.restore_needs(house),
        })
    }

    /// The number of this epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The Ed25519 seed that signs the ledger's checkpoints.
    pub fn signing_seed(&self) -> &SecretBox<[u8; KEY_LENGTH]> {
        &self.signing
    }

    fn split(epoch: u32, material: &[u8]) -> Option<Self> {
        let (data, rest) = material.split_first_chunk()?;
        let (signing, rest) = rest.split_first_chunk()?;
        let (token, rest) = rest.split_first_chunk()?;
        let row = rest.try_into().ok()?;
        Some(Self {
            epoch,
            data: secret(data),
            signing: secret(signing),
            token: secret(token),
            row: secret(row),
        })
    }
}

fn secret(bytes: &[u8; KEY_LENGTH]) -> SecretBox<[u8; KEY_LENGTH]> {
    let mut secret = SecretBox::new(Box::new([0; KEY_LENGTH]));
    secret.expose_secret_mut().copy_from_slice(bytes);
    secret
}
