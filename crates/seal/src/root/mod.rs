//! Root key providers: each holds one *house secret* per house, and uses it without giving it away.
//!
//! A house secret wraps epoch keys and nothing else, a few hundred bytes at a time and rarely: when a
//! house opens, and when it rotates. Destroying it shreds the house. Providers are asked every time and
//! remember no secrets of single houses, so that a secret destroyed elsewhere is gone here too.

pub(crate) mod directory;
mod files;
pub(crate) mod passphrase;
pub(crate) mod pkcs11;

use zeroize::Zeroizing;

use crate::gcm::KEY_LENGTH;
use crate::xaes::Xaes;
use crate::{KeyName, RootError};

/// First byte of what was wrapped with XAES-256-GCM under a secret held in a file or derived.
const WRAPPED_XAES: u8 = 1;
/// First byte of what a PKCS#11 token wrapped with `CKM_AES_GCM`.
const WRAPPED_TOKEN_GCM: u8 = 2;
/// First byte of what a PKCS#11 token wrapped with `CKM_AES_KEY_WRAP`.
const WRAPPED_TOKEN_KEY_WRAP: u8 = 3;

/// A holder of house secrets. Calls may block for as long as a disk, or a hardware module, takes.
pub trait RootKeys: Send + Sync {
    /// Makes the secret of a house. Never replaces one: [`RootError::Exists`].
    fn create(&self, house: &KeyName) -> Result<(), RootError>;

    /// Whether the secret of a house is there and can be used.
    fn present(&self, house: &KeyName) -> Result<bool, RootError>;

    /// Encrypts and authenticates under the house's secret, together with the associated data.
    fn wrap(
        &self,
        house: &KeyName,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, RootError>;

    /// Opens what [`RootKeys::wrap`] made for the same house and associated data;
    /// anything else is [`RootError::Refused`].
    fn unwrap(
        &self,
        house: &KeyName,
        associated: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RootError>;

    /// Destroys the secret of a house, for ever: everything below it becomes unreadable.
    /// [`RootError::CannotDestroy`] where the provider has no way to.
    fn destroy(&self, house: &KeyName) -> Result<(), RootError>;

    /// Whether [`RootKeys::destroy`] can destroy the secret of one house alone. Asked before a
    /// destruction is announced anywhere.
    fn can_destroy(&self) -> bool;

    /// The provider in words, for operators.
    fn describe(&self) -> String;

    /// What a restore of this house needs besides a backup, in words.
    fn restore_needs(&self, house: &KeyName) -> String;
}

/// Wraps under a secret that is in memory for a moment.
fn wrap_with(
    secret: &[u8; KEY_LENGTH],
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, RootError> {
    let sealed = Xaes::new(secret)
        .and_then(|key| key.seal(associated, plaintext))
        .map_err(|_| RootError::Engine)?;
    Ok([&[WRAPPED_XAES], sealed.as_slice()].concat())
}

/// Opens what [`wrap_with`] made, or nothing.
fn unwrap_with(
    secret: &[u8; KEY_LENGTH],
    associated: &[u8],
    wrapped: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = wrapped.strip_prefix(&[WRAPPED_XAES])?;
    Xaes::new(secret).ok()?.open(associated, sealed).ok()
}
